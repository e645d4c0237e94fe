"""An application from sign-in to submission, and a review of it, with the keyboard alone: focus is always seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application, Call
from portal.demo.seed import seed_base
from portal.demo.texts import PASSWORD
from portal.people.models import User
from tests.factories import ReviewFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APPLICANT = "seoyeon@demo.postech.ac.kr"
REVIEWER = "yuna@demo.handong.edu"
STEPS = ("project", "need", "technical", "people", "data", "attachments")
MOST_STOPS = 150
# What has the focus, and what a reader who only has a keyboard could not see of it.
FOCUSED = """() => {
    const part = document.activeElement, look = getComputedStyle(part), box = part.getBoundingClientRect();
    const inside = (x, y) => {
        const hit = document.elementFromPoint(x, y);
        return hit && (part.contains(hit) || hit.contains(part));
    };
    const points = [0.02, 0.5, 0.98].flatMap((x) => [0.1, 0.5, 0.9].map((y) =>
        [box.left + box.width * x, box.top + box.height * y]));
    const group = part.type === "radio" ? [...part.form.elements[part.name]] : [];
    return {
        what: part.outerHTML.slice(0, 120),  name: part.name || "", type: part.type || part.localName,
        value: part.value || "", href: part.getAttribute("href") || "", checked: !!part.checked,
        options: [...(part.options || group)].map((option) => option.value),
        answered: group.some((radio) => radio.checked),
        ring: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2,
        seen: points.some(([x, y]) => x >= 0 && y >= 0 && inside(x, y)),
    };
}"""

Answers = Mapping[str, str]


class Typist:
    """Somebody who has a keyboard and no pointer."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.page.set_default_timeout(90_000)
        self.unseen: list[str] = []

    def stop(self, key: str = "Tab") -> dict[str, Any]:
        """One press further; notes where the focus cannot be seen."""
        self.page.keyboard.press(key)
        focused: dict[str, Any] = self.page.evaluate(FOCUSED)
        if focused["type"] not in ("body", "html") and not (focused["ring"] and focused["seen"]):
            self.unseen.append(f"{self.page.url}: {focused}")
        return focused

    def walk(
        self, goal: Callable[[dict[str, Any]], bool], answers: Answers | None = None, *, agree: bool = False
    ) -> None:
        """Tab through the page, answer what is asked for on the way, and press Enter on the goal.

        `agree` ticks every box, and takes the second choice of every group that is not in `answers`.
        """
        for _stop in range(MOST_STOPS):
            focused = self.stop()
            if goal(focused):
                with self.page.expect_navigation():
                    self.page.keyboard.press("Enter")
                return
            self.answer(focused, answers or {}, agree)
        raise AssertionError(f"not reached with {MOST_STOPS} Tabs on {self.page.url}")

    def answer(self, focused: dict[str, Any], answers: Answers, agree: bool) -> None:
        name, press = focused["name"], self.page.keyboard.press
        if focused["type"] == "checkbox":
            if agree and not focused["checked"]:
                press("Space")
        elif focused["type"] == "radio":
            if not focused["answered"] and (agree or name in answers):
                press("Space")
                for _option in range(focused["options"].index(answers.get(name, focused["options"][1]))):
                    press("ArrowDown")
        elif name in answers and not focused["value"]:
            if focused["type"] == "select-one":
                for _option in range(focused["options"].index(answers[name])):
                    press("ArrowDown")
            else:
                self.page.keyboard.type(answers[name])

    def sign_in(self, email: str) -> None:
        self.page.goto("/auth/login/")
        self.walk(lambda part: part["type"] == "submit" and not part["name"], {"login": email, "password": PASSWORD})


def button(value: str) -> Callable[[dict[str, Any]], bool]:
    return lambda part: part["type"] == "submit" and part["value"] == value


def link(ending: str) -> Callable[[dict[str, Any]], bool]:
    return lambda part: part["href"].endswith(ending)


@pytest.fixture
def sit_down(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[[str], Typist]]:
    seed_base(timezone.now())
    contexts = []

    def at_a_keyboard(email: str) -> Typist:
        # Dates are typed month first in this locale, whatever the page's language.
        contexts.append(chromium.new_context(base_url=live_server.url, locale="en-US"))
        typist = Typist(contexts[-1].new_page())
        typist.sign_in(email)
        return typist

    yield at_a_keyboard
    for context in contexts:
        context.close()


def answers() -> dict[str, str]:
    today = timezone.localtime()
    return {
        "title_ko": "수소환원제철 대리 모델", "title_en": "Surrogates for direct reduction", "keywords": "철강",
        "research_field": "process", "summary": "설계 시간을 줄인다.", "purpose": "신경 연산자를 학습한다.",
        "background": "해석에 이틀이 걸린다.", "outcomes": "열 배 빠르다.",
        "h100-gpus_per_job": "2", "h100-hours_per_run": "30", "h100-runs": "4",
        "starts_on": f"{today:%m%d%Y}", "ends_on": f"{today + timedelta(days=90):%m%d%Y}",
        "framework": "PyTorch 2.8", "delegate_name": "이민준", "delegate_email": "minjun@demo.postech.ac.kr",
        "personal_data": "no", "export_control": "no",
        "recommended_hours": "200", "comment_to_applicant": "계획이 분명합니다.",
    }  # fmt: skip


def test_an_application_and_its_review_with_the_keyboard_alone(sit_down: Callable[[str], Typist]) -> None:
    applicant = sit_down(APPLICANT)
    call = Call.objects.filter(closes_at__gt=timezone.now()).earliest("pk")
    applicant.page.goto(f"/calls/{call.pk}/")
    applicant.walk(lambda part: "primary" in part["what"])
    for step in STEPS:
        assert f"/edit/{step}/" in applicant.page.url
        applicant.walk(button("next"), answers())
    applicant.walk(button("submit"), agree=True)
    expect(applicant.page.locator("main")).to_contain_text(re.compile(r"20\d\d-0001"))
    application = Application.objects.get()
    assert application.title_ko == answers()["title_ko"]

    Application.objects.update(status="review")
    review = ReviewFactory(
        application=application, reviewer=User.objects.get(email=REVIEWER), assigned_at=timezone.now(),
        declared_at=None, submitted_at=None, recommended_gpu_seconds=None, comment_to_applicant="", comment_to_panel="",
    )  # fmt: skip
    review.scores.all().delete()
    reviewer = sit_down(REVIEWER)
    reviewer.page.goto("/reviews/")
    reviewer.walk(link(f"/reviews/{application.pk}/"))
    if "/pledge/" in reviewer.page.url:
        reviewer.walk(lambda part: "primary" in part["what"], agree=True)
    reviewer.walk(button("declare"))
    reviewer.walk(button("submit"), answers(), agree=True)
    reviewer.walk(lambda part: "primary" in part["what"])
    review.refresh_from_db()
    assert review.submitted_at is not None
    assert applicant.unseen + reviewer.unseen == []
