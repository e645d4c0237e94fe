"""The portal's own long forms keep what is written: lost connection, ended session, double press, another window."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application, Review
from portal.people.models import User
from tests.factories import ApplicationFactory, CallFactory, PoolFactory, ReviewFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STATUS = "[data-autosave-status]"


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[[User, str], Page]]:
    context = chromium.new_context(base_url=live_server.url)
    context.add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])

    def open_page(user: User, address: str) -> Page:
        client = Client()
        client.force_login(user)
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.goto(address)
        return page

    yield open_page
    context.close()


@pytest.fixture
def draft(db: None) -> Application:
    return ApplicationFactory(call=CallFactory(pools=[PoolFactory()]), status="draft", title_ko="처음")


@pytest.fixture
def project_step(visit: Callable[[User, str], Page], draft: Application) -> Page:
    return visit(draft.applicant, reverse("application_edit", args=[draft.pk, "project"]))


def stored_title(draft: Application) -> str:
    draft.refresh_from_db()
    return draft.title_ko


def test_an_application_saves_itself_and_goes_on_where_it_was(project_step: Page, draft: Application) -> None:
    project_step.locator("[name=title_ko]").fill("고로 내화물 열화 예측")
    expect(project_step.locator(STATUS)).to_contain_text("Saved at")
    assert stored_title(draft) == "고로 내화물 열화 예측"
    project_step.reload()
    expect(project_step.locator("[name=title_ko]")).to_have_value("고로 내화물 열화 예측")
    expect(project_step.locator(".autosave-note")).to_have_count(0)


def test_what_is_written_before_the_calculator_is_there_counts(project_step: Page, draft: Application) -> None:
    held: list[Route] = []
    project_step.route("**/calculator*.js", lambda route: held.append(route))
    project_step.goto(reverse("application_edit", args=[draft.pk, "need"]), wait_until="commit")
    requested = project_step.locator("[name$=-requested]")
    expect(requested).to_have_value("960")
    project_step.locator("[name$=-runs]").fill("10")
    expect(requested).to_have_value("960")
    held[0].continue_()
    expect(requested).to_have_value("480")


def test_an_application_written_without_a_connection_is_stored_when_it_is_back(
    project_step: Page, draft: Application
) -> None:
    project_step.context.set_offline(True)
    project_step.locator("[name=title_ko]").fill("터널에서 쓴 제목")
    expect(project_step.locator(STATUS)).to_contain_text("Kept in this browser")
    assert stored_title(draft) == "처음"
    project_step.context.set_offline(False)
    expect(project_step.locator(STATUS)).to_contain_text("Saved at")
    assert stored_title(draft) == "터널에서 쓴 제목"


def test_an_application_submitted_after_the_session_has_ended_stays_on_the_page(
    project_step: Page, draft: Application, live_server: LiveServer
) -> None:
    Session.objects.all().delete()
    project_step.locator("[name=title_ko]").fill("자리를 비운 사이")
    project_step.get_by_role("button", name="Save and go on").click()
    expect(project_step.locator(".autosave-note")).to_contain_text("You were signed out")
    client = Client()
    client.force_login(draft.applicant)
    session = client.cookies["sessionid"].value
    project_step.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    project_step.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(project_step.locator(STATUS)).to_contain_text("Saved at")
    assert stored_title(draft) == "자리를 비운 사이"


def test_a_second_window_of_an_application_overwrites_nothing(
    project_step: Page, draft: Application, visit: Callable[[User, str], Page]
) -> None:
    other = visit(draft.applicant, reverse("application_edit", args=[draft.pk, "project"]))
    project_step.locator("[name=title_ko]").fill("첫째 창")
    expect(project_step.locator(STATUS)).to_contain_text("Saved at")
    other.locator("[name=title_ko]").fill("둘째 창")
    expect(other.locator(".autosave-note")).to_contain_text("another window")
    assert stored_title(draft) == "첫째 창"


def test_pressing_twice_goes_one_step(project_step: Page, draft: Application) -> None:
    project_step.locator("[name=title_ko]").fill("한 번만")
    project_step.get_by_role("button", name="Save and go on").dblclick()
    expect(project_step).not_to_have_url(re.compile("/project/$"))
    draft.refresh_from_db()
    assert (draft.title_ko, draft.revision) == ("한 번만", 2)  # the autosave and the one submit


def test_a_review_saves_itself(visit: Callable[[User, str], Page]) -> None:
    rhee = UserFactory(roles=["reviewer"])
    application = ApplicationFactory(call=CallFactory(pools=[PoolFactory()]), status="review", number="2026-0001")
    review: Review = ReviewFactory(application=application, reviewer=rhee, submitted_at=None)
    page = visit(rhee, reverse("review", args=[application.pk]))
    page.locator("[name=comment_to_applicant]").fill("A sound plan, but the baseline is missing.")
    expect(page.locator(STATUS)).to_contain_text("Saved at")
    review.refresh_from_db()
    assert review.comment_to_applicant == "A sound plan, but the baseline is missing."
