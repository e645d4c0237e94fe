"""Every page, as its user sees it: nothing axe objects to, nothing wider than the screen, nothing left in English."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from portal.demo.texts import PASSWORD
from portal.slurm.sandbox import Sandbox
from tests.rig import Person, Rig
from tests.tour import TOUR

pytestmark = [pytest.mark.slurm, pytest.mark.browser, pytest.mark.timeout(300)]

# Words of English that are Korean pages' own: names of things, not sentences.
SENTENCE = re.compile(r"\b[a-z]+ [a-z]+ [a-z]+ [a-z]+\b")


@pytest.fixture(scope="module")
def seeded() -> Iterator[Rig]:
    """A portal with demo data at every step, its worker attached."""
    if (reason := Sandbox.unavailable_reason()) and os.environ.get("REQUIRE_SLURM") != "1":
        pytest.skip(reason)
    portal = Rig("pages")
    try:
        yield portal.start()
    finally:
        portal.close()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("email", TOUR, ids=lambda email: email.partition("@")[0] or "visitor")
def test_every_page_can_be_used_by_everybody(seeded: Rig, chromium: Browser, email: str, language: str) -> None:
    someone = Person(seeded, chromium, viewport={"width": 1280, "height": 900})
    page = someone.page
    if email:
        someone.log_in(email, PASSWORD)
    someone.context.add_cookies([{"name": "django_language", "value": language, "url": seeded.address}])
    problems = []
    for path in TOUR[email]:
        answer = page.goto(path)
        page.wait_for_load_state("load")
        problems += [f"{path}: {answer.status}"] if not answer or answer.status != 200 else []
        problems += [f"{path}: {problem}" for problem in seen_by_axe(page, colours=language == "ko")]
        problems += [f"{path}: {problem}" for problem in left_in_english(page) if language == "ko"]
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            problems += [f"{path} at {width} px: {problem}" for problem in too_wide(page)]
    someone.context.close()
    assert problems + someone.errors == []


def seen_by_axe(page: Page, *, colours: bool) -> list[str]:
    """Contrast takes axe most of its time, and colours are the same in every language."""
    found = Axe().run(page, options={"rules": {"color-contrast": {"enabled": colours}}}).response["violations"]
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
