"""Two people of the panel decide in two browsers: one outcome, and a clear word to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application, CallPool, Decision
from portal.people.models import User
from tests.factories import HOUR, ApplicationFactory, CallFactory, PoolFactory, ReviewFactory, UserFactory
from tests.rig import log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "gpu-hours-2026!"


@pytest.fixture
def application() -> Application:
    """960 GPU-hours of H100 asked for, one review of 4.00, before the panel of a call that gives 1,000."""
    call = CallFactory(pools=[PoolFactory(code="h100")])
    CallPool.objects.filter(call=call).update(gpu_seconds=1000 * HOUR)
    # The browsers run in the present, whenever that is.
    row = ApplicationFactory(call=call, status="panel", ends_on="2099-12-31")
    ReviewFactory(application=row)
    return row


@pytest.fixture
def sit_down(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[[User], Page]]:
    contexts: list[BrowserContext] = []

    def at_a_browser(person: User) -> Page:
        contexts.append(chromium.new_context(base_url=live_server.url))
        contexts[-1].add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        log_in(page, person.email, PASSWORD)
        return page

    yield at_a_browser
    for context in contexts:
        context.close()


def decider(name: str) -> User:
    return UserFactory(roles=["decider"], name_en=name, password=PASSWORD, language="en")


def test_a_decision_in_two_browsers(application: Application, sit_down: Callable[[User], Page]) -> None:
    dana, eun = sit_down(decider("Dana")), sit_down(decider("Eun"))
    for page in (dana, eun):
        page.goto(f"/panel/{application.pk}/")
        expect(page.get_by_role("heading", name="Finding defects on steel")).to_be_visible()

    dana.get_by_label("Partly selected").check()
    dana.get_by_label("Award in H100 80GB").fill("500")
    dana.get_by_role("button", name="Continue").click()
    eun.get_by_label("Not selected").check()
    eun.get_by_label("Kind of reason").select_option("out_of_scope")
    eun.get_by_role("button", name="Continue").click()
    expect(eun.get_by_role("heading", name="Decide: Not selected?")).to_be_visible()

    dana.get_by_role("button", name="Decide").click()
    expect(dana.get_by_text("Decided. The applicant is told when it is announced.")).to_be_visible()
    expect(dana.get_by_role("row", name="Finding defects on steel")).to_contain_text("Partly selected")
    expect(dana.locator(".figure .value")).to_contain_text("500")

    eun.get_by_role("button", name="Decide").click()
    told = "Dana decided first: Partly selected, 500 GPU-hours. Yours was not recorded."
    expect(eun.get_by_text(told)).to_be_visible()
    assert Decision.objects.get().outcome == Decision.Outcome.PARTLY


def test_what_is_left_cannot_be_given_twice(application: Application, sit_down: Callable[[User], Page]) -> None:
    other = ApplicationFactory(call=application.call, status="panel", ends_on="2099-12-31")
    ReviewFactory(application=other)
    dana, eun = sit_down(decider("Dana")), sit_down(decider("Eun"))
    for page, row in ((dana, application), (eun, other)):
        page.goto(f"/panel/{row.pk}/")
        page.get_by_label("Selected", exact=True).check()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="Decide: Selected?")).to_be_visible()
    dana.get_by_role("button", name="Decide").click()
    expect(dana.get_by_text("Decided. The applicant is told when it is announced.")).to_be_visible()
    eun.get_by_role("button", name="Decide").click()
    expect(eun.get_by_text("Of H100 80GB this call has 40 GPU-hours left to award.")).to_be_visible()
    expect(eun.get_by_label("Award in H100 80GB")).to_have_value("960")
    assert Decision.objects.count() == 1
