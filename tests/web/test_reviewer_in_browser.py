"""A reviewer with a conflict, and a review written on a phone, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application, Review
from portal.people.models import User
from tests.factories import ApplicationFactory, CallFactory, ReviewFactory, UserFactory
from tests.rig import log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PASSWORD = "gpu-hours-2026!"

SitDown = Callable[..., Page]


@pytest.fixture
def rhee() -> User:
    return UserFactory(roles=["reviewer"], password=PASSWORD, language="en")


@pytest.fixture
def application() -> Application:
    return ApplicationFactory(call=CallFactory(), summary="Surfaces are photographed.", purpose="Cracks are found.")


@pytest.fixture
def sit_down(chromium: Browser, live_server: LiveServer) -> Iterator[SitDown]:
    contexts: list[BrowserContext] = []

    def at_a_browser(person: User, language: str = "en", **context: Any) -> Page:
        contexts.append(chromium.new_context(base_url=live_server.url, **context))
        contexts[-1].add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        log_in(page, person.email, PASSWORD)
        return page

    yield at_a_browser
    for context in contexts:
        context.close()


def test_a_reviewer_with_a_conflict_reads_nothing_and_somebody_else_is_asked(
    application: Application, rhee: User, sit_down: SitDown
) -> None:
    due_at = timezone.now() + timedelta(days=5)
    ReviewFactory(application=application, reviewer=rhee, declared_at=None, submitted_at=None, due_at=due_at)
    other = UserFactory(roles=["reviewer"], password=PASSWORD, language="en")
    page = sit_down(rhee)
    page.goto("/reviews/")
    page.get_by_role("link", name=application.title_en).click()
    expect(page.get_by_role("button", name="I have no conflict: open the proposal")).to_be_visible()
    expect(page.get_by_text("Cracks are found.")).to_have_count(0)

    page.get_by_text("I have a conflict of interest").click()
    page.get_by_role("button", name="Declare the conflict").click()
    expect(page.get_by_text("Say in a sentence what the conflict is.")).to_be_visible()
    page.get_by_label("What the conflict is").fill("I was the applicant's thesis advisor.")
    page.get_by_role("button", name="Declare the conflict").click()
    expect(page.get_by_text("Thank you. Somebody else is asked to review it.")).to_be_visible()
    expect(page.get_by_text(application.title_en)).to_have_count(0)

    theirs = sit_down(other)
    theirs.goto("/reviews/")
    theirs.get_by_role("link", name=application.title_en).click()
    theirs.get_by_role("button", name="I have no conflict: open the proposal").click()
    expect(theirs.get_by_text("Cracks are found.")).to_be_visible()


def test_a_review_is_written_saved_and_handed_in_on_a_phone(
    application: Application, rhee: User, sit_down: SitDown
) -> None:
    review = ReviewFactory(
        application=application, reviewer=rhee, submitted_at=None, score=0, recommended_gpu_seconds=None,
        comment_to_applicant="", comment_to_panel="",
    )  # fmt: skip
    review.scores.all().delete()
    page = sit_down(rhee, **PHONE)
    page.goto(f"/reviews/{application.pk}/")
    page.get_by_role("link", name="Your review").tap()
    page.get_by_role("group", name="Merit").get_by_label("4 very good").check()
    page.get_by_label("Comment to the panel only").fill("Written on the tram.")
    expect(page.locator("[data-autosave-status]")).to_contain_text("1 of 2 scored")
    page.reload()
    expect(page.get_by_label("Comment to the panel only")).to_have_value("Written on the tram.")

    page.get_by_role("button", name="Check and submit").tap()
    page.get_by_role("link", name="Choose a score.").click()
    page.get_by_role("group", name="Need").get_by_label("3 good").check()
    page.get_by_label("Recommended GPU-hours").fill("500")
    page.get_by_label("Comment to the applicant").fill("A clear plan.")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Check and submit").tap()
    expect(page.get_by_role("heading", name="Submit this review?")).to_be_visible()
    page.get_by_role("button", name="Submit review").tap()
    expect(page.get_by_text("Review submitted. Thank you.")).to_be_visible()
    assert Review.objects.get().submitted_at is not None
