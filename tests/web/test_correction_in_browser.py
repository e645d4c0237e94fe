"""A returned and corrected application, in Korean: the office asks, the applicant corrects, the office reads both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application
from allocations.services.applications import application_submit
from portal.people.models import User
from tests.allocations.applying import completed
from tests.factories import ApplicationFactory, CallFactory, InstitutionFactory, PoolFactory, UserFactory
from tests.rig import log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "gpu-hours-2026!"
PATIENCE = 60_000  # milliseconds, for a machine that is busy with other things
REQUEST = "신청량의 산출 근거가 부족합니다. 실행 횟수를 다시 계산해 주십시오."


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    cache.clear()


@pytest.fixture
def application() -> Application:
    """A firm's, handed in a moment ago: 960 GPU-hours as 4 GPUs × 12 hours × 20 runs."""
    now = timezone.now()
    call = CallFactory(
        pools=[PoolFactory(code="h100", gpus=8)],
        published_at=now - timedelta(days=2),
        opens_at=now - timedelta(days=1),
        closes_at=now + timedelta(days=20),
    )
    firm = InstitutionFactory(name_ko="주식회사 영일정밀", kind="firm")
    lee = UserFactory(email="lee@yeongil.example", name_ko="이영일", institution=firm, password=PASSWORD)
    today = timezone.localdate(now)
    period = {"starts_on": today + timedelta(days=30), "ends_on": today + timedelta(days=120)}
    draft = ApplicationFactory(call=call, applicant=lee, status="draft", **period)
    return application_submit(application=completed(draft), by=lee, at=now)


@pytest.fixture
def sit_down(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[..., Page]]:
    """At a browser of their own; what its console says as an error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def at_a_browser(person: User, **window: Any) -> Page:
        contexts.append(chromium.new_context(base_url=live_server.url, locale="ko-KR", **window))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        log_in(page, person.email, PASSWORD)
        return page

    expect.set_options(timeout=PATIENCE)
    yield at_a_browser
    expect.set_options(timeout=5_000)
    for context in contexts:
        context.close()
    # The server of a test speaks no WebSocket: live pages say so.
    assert [error for error in errors if "/live/" not in error] == []


def is_clean(page: Page) -> None:
    """Nothing is wider than the window, and axe finds nothing."""
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def step(page: Page, name: str) -> None:
    page.locator(f'.form-steps a[href$="/edit/{name}/"]').click()
    expect(page.locator("[aria-current=step]")).to_have_attribute("href", re.compile(f"/{name}/$"))


def save(page: Page) -> None:
    here = page.url
    page.get_by_role("button", name="저장하고 다음").click()
    expect(page).not_to_have_url(here)


def test_an_application_is_returned_corrected_and_read_side_by_side(
    application: Application, sit_down: Callable[..., Page], live_server: LiveServer
) -> None:
    kang = UserFactory(roles=["operator"], name_ko="강태오", password=PASSWORD)
    office = sit_down(kang)
    office.goto(f"/office/applications/{application.pk}/")
    office.locator("details:has([name=text]) summary").click()
    office.locator("[name=text]").fill(REQUEST)
    office.locator("button[value=return]").click()
    expect(office.locator(".messages")).to_be_visible()
    letter = next(row for row in reversed(mail.outbox) if row.to == [application.applicant.email])
    assert REQUEST in letter.body

    # The applicant, at a phone, finds the request on the home page and what it says on every step of the form.
    lee = sit_down(application.applicant, viewport={"width": 390, "height": 844}, is_mobile=True)
    lee.goto(f"/applications/{application.pk}/")
    expect(lee.get_by_text(REQUEST)).to_be_visible()
    expect(lee.get_by_role("link", name="보완하기")).to_be_visible()
    lee.goto("/")
    lee.get_by_role("link", name=str(application.number)).first.click()
    expect(lee.locator("[aria-labelledby=correction]")).to_contain_text(REQUEST)
    is_clean(lee)
    step(lee, "submit")
    expect(lee.locator("[aria-labelledby=changed]")).to_contain_text("아직 수정한 내용이 없습니다")

    step(lee, "need")
    lee.locator("[name=h100-runs]").fill("10")
    expect(lee.locator("[name=h100-requested]")).to_have_value("480")
    save(lee)
    step(lee, "project")
    lee.locator("[name=title_ko]").fill("압연 강판 표면 결함 검출")
    save(lee)

    step(lee, "submit")
    changed = lee.locator("[aria-labelledby=changed]")
    expect(changed).to_contain_text("철강 표면 결함 검출")
    expect(changed).to_contain_text("압연 강판 표면 결함 검출")
    is_clean(lee)
    lee.get_by_role("button", name="보완 제출").click()
    expect(lee.locator(".messages")).to_contain_text(str(application.number))
    expect(lee.get_by_role("link", name="보완하기")).to_have_count(0)
    application.refresh_from_db()
    assert (application.status, application.requested_gpu_seconds) == ("submitted", 480 * 3600)

    # A second look at the form from the browser's history changes nothing: it has been handed in.
    lee.goto(f"/applications/{application.pk}/edit/need/")
    expect(lee).to_have_url(f"{live_server.url}/applications/{application.pk}/")

    # The office reads what it asked for and both versions side by side.
    office.goto(f"/office/applications/{application.pk}/")
    expect(office.locator("[aria-labelledby=corrections]")).to_contain_text(REQUEST)
    office.locator("[aria-labelledby=corrections] a").click()
    expect(office.get_by_text(REQUEST)).to_be_visible()
    title = office.locator("table.versions tbody tr").filter(has_text="과제명(국문)")
    expect(title.locator("td").nth(0)).to_have_text("철강 표면 결함 검출")
    expect(title.locator("td").nth(1)).to_have_text("압연 강판 표면 결함 검출")
    need = office.locator("table.versions tbody tr").filter(has_text="20회")
    expect(need.locator("td").nth(0)).to_contain_text("960 GPU시간")
    expect(need.locator("td").nth(1)).to_contain_text("480 GPU시간")
    expect(office.locator("table.versions tbody tr")).to_have_count(2)
    is_clean(office)
