"""Every page, as its user sees it: nothing axe objects to, nothing wider than the screen, nothing left in English,
and light enough for a slow connection."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from portal.demo.texts import PASSWORD
from portal.slurm.sandbox import Sandbox
from tests.rig import Person, Rig
from tests.tour import TOUR

pytestmark = [pytest.mark.slurm, pytest.mark.browser, pytest.mark.timeout(300)]

# Words of English that are Korean pages' own: names of things, not sentences.
SENTENCE = re.compile(r"\b[a-z]+ [a-z]+ [a-z]+ [a-z]+\b")


@pytest.fixture(scope="module")
def seeded() -> Iterator[Rig]:
    """A portal with demo data at every step and two months of jobs, its worker attached."""
    if (reason := Sandbox.unavailable_reason()) and os.environ.get("REQUIRE_SLURM") != "1":
        pytest.skip(reason)
    portal = Rig("pages")
    try:
        yield portal.start(past=True)
    finally:
        portal.close()


# Each page once per language, and by that once per scheme: its structure is the same in both schemes, and its colours
# are the same in both languages.
SCHEME = {"ko": "light", "en": "dark"}
# The widest last: the next page is opened at it.
WIDTHS = (360, 768, 1280)
FIRST_VISIT_BYTES = 600_000
DASHBOARD = ("seoyeon@demo.postech.ac.kr", "/projects/p26001/")


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("email", TOUR, ids=lambda email: email.partition("@")[0] or "visitor")
def test_every_page_can_be_used_by_everybody(seeded: Rig, chromium: Browser, email: str, language: str) -> None:
    someone = Person(seeded, chromium, viewport={"width": 1280, "height": 900}, color_scheme=SCHEME[language])
    page = someone.page
    if email:
        someone.log_in(email, PASSWORD)
    someone.context.add_cookies([{"name": "django_language", "value": language, "url": seeded.address}])
    problems = []
    for path in TOUR[email]:
        answer = page.goto(path)
        page.wait_for_load_state("load")
        problems += [f"{path}: {answer.status}"] if not answer or answer.status != 200 else []
        problems += [f"{path}: {problem}" for problem in seen_by_axe(page)]
        problems += [f"{path}: {problem}" for problem in left_in_english(page) if language == "ko"]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            problems += [f"{path} at {width} px: {problem}" for problem in too_wide(page)]
    someone.context.close()
    assert problems + someone.errors == []


def test_the_first_visit_to_a_dashboard_is_light_and_the_next_hardly_weighs(seeded: Rig, chromium: Browser) -> None:
    email, path = DASHBOARD
    signing_in = Person(seeded, chromium).log_in(email, PASSWORD)
    # Signed in, but with nothing in the browser's cache: what the sign-in page brought is counted, too.
    session = signing_in.context.storage_state()
    signing_in.context.close()
    someone = Person(seeded, chromium, storage_state=session)
    first, again = weight_of_visit(someone.page, path), weight_of_visit(someone.page, path)
    someone.context.close()
    assert 300_000 < first < FIRST_VISIT_BYTES
    assert again < 50_000


def weight_of_visit(page: Page, path: str) -> int:
    """Bytes that came over the wire, headers included, until the page and its chart were there."""
    received: list[int] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    page.goto(path)
    expect(page.locator(".chart .main-svg").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    network.detach()
    return sum(received)


def seen_by_axe(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def too_wide(page: Page) -> list[str]:
    """The page scrolls sideways only inside what is meant to."""
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{wider} px wider than the screen"] if wider > 0 else []


def left_in_english(page: Page) -> list[str]:
    """Sentences of English in what a Korean page says (code to copy and what people wrote aside)."""
    text = page.evaluate(
        """() => {
            const copy = document.body.cloneNode(true);
            copy.querySelectorAll("code, pre, script, style, [lang=en], .user-text").forEach((part) => part.remove());
            return copy.innerText;
        }"""
    )
    return [f"English: {line.strip()[:120]}" for line in text.splitlines() if SENTENCE.search(line)]
