"""Somebody from a firm that the portal does not know, at a phone, in Korean: from sign-up to submission."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from allocations.models import Application, Call, ConsentText
from tests.factories import CallFactory, PoolFactory, TierFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
PATIENCE = 60_000  # milliseconds, for a machine that is busy with other things
PASSWORD = "gpu-hours-2026!"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    cache.clear()


@pytest.fixture
def call() -> Call:
    now = timezone.now()
    call = CallFactory(
        title_ko="2026년 기업 AI 전환 지원 공고",
        track=Call.Track.FIRM,
        pools=[PoolFactory(code="h100", gpus=8), PoolFactory(code="a100", position=1)],
        tiers=False,
        published_at=now - timedelta(days=2),
        opens_at=now - timedelta(days=1),
        closes_at=now + timedelta(days=20),
    )
    TierFactory(call=call, name_ko="소규모", upto_gpu_seconds=1000 * 3600, route="technical")
    TierFactory(call=call, name_ko="대규모")
    ConsentText.objects.create(
        code="privacy",
        version=1,
        stage=ConsentText.Stage.APPLICATION,
        title_ko="개인정보 수집·이용 동의",
        title_en="Personal data",
        text_ko="수집 항목과 보유 기간입니다.",
        text_en="What is collected.",
        created_at=now,
    )
    return call


@pytest.fixture
def phone(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """What its console says as an error fails the test."""
    context = chromium.new_context(base_url=live_server.url, locale="ko-KR", timezone_id="Asia/Seoul", **PHONE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    expect.set_options(timeout=5_000)
    context.close()
    # The server of a test speaks no WebSocket: live pages say so.
    assert [error for error in errors if "/live/" not in error] == []


def fits(page: Page) -> None:
    """Nothing is wider than the phone, and axe finds nothing."""
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def go_on(page: Page, heading: str) -> None:
    page.get_by_role("button", name="저장하고 다음").tap()
    expect(page.locator("[aria-current=step]")).to_contain_text(heading)


def sign_up(page: Page) -> None:
    page.goto("/auth/signup/")
    page.locator("[name=name_ko]").fill("이영일")
    page.locator("[name=email]").fill("lee@yeongil.example")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.locator("main button[type=submit]").last.tap()
    expect(page.locator("[name=code]")).to_be_visible()
    code = re.search(r"^    (\S+)$", mail.outbox[-1].body, re.MULTILINE)
    assert code
    page.locator("[name=code]").fill(code[1])
    page.locator("[name=code]").press("Enter")
    page.wait_for_url(lambda url: "/auth/" not in url)


def register_the_firm(page: Page) -> None:
    page.goto("/institution/")
    fits(page)
    page.locator("[name=name_ko]").fill("주식회사 영일정밀")
    page.locator("[name=kind][value=firm]").check()
    page.locator("[name=business_number]").fill("123-45-67890")
    page.get_by_role("button", name="등록", exact=True).tap()
    expect(page.locator("#error-summary")).to_contain_text("올바른 사업자등록번호가 아닙니다")
    page.locator("[name=business_number]").fill("124-81-00998")
    page.get_by_role("button", name="등록", exact=True).tap()
    expect(page.locator(".messages")).to_contain_text("등록이 완료되었습니다")


def test_a_firm_applies_from_a_phone_in_korean(call: Call, phone: Page) -> None:
    page = phone
    sign_up(page)
    register_the_firm(page)

    page.goto(f"/calls/{call.pk}/")
    page.locator(f'form[action="/applications/new/{call.pk}/"] button').first.tap()
    expect(page.locator("[aria-current=step]")).to_contain_text("과제")
    fits(page)

    # 과제: what is written is saved by itself, before any button is touched.
    page.locator("[name=title_ko]").fill("압연 공정 표면 결함 검출")
    page.locator("[name=summary]").fill("영상으로 표면 결함을 찾습니다.")
    expect(page.locator("[data-autosave-status]")).to_contain_text(re.compile(r"\d\d:\d\d"))
    assert Application.objects.get().title_ko == "압연 공정 표면 결함 검출"
    page.locator("[name=purpose]").fill("비전 트랜스포머를 미세 조정합니다.")
    page.locator("[name=keywords]").fill("철강, 비전")
    page.locator("[name=domain]").select_option("steel")
    for name in ("outcomes", "impact", "commercialisation"):
        page.locator(f"[name={name}]").fill("불량률을 줄입니다.")
    go_on(page, "GPU")

    # GPU 시간: the amount follows the figures, and the page says whether it fits and which way it goes.
    fits(page)
    for name, figure in {"gpus_per_job": "4", "hours_per_run": "10", "runs": "10", "margin": "10"}.items():
        page.locator(f"[name=h100-{name}]").fill(figure)
    expect(page.locator("[name=h100-requested]")).to_have_value("440")
    page.locator("[name=h100-minimum]").fill("200")
    page.locator("[name=h100-minimum]").press("Tab")
    expect(page.locator("#fit")).to_contain_text("신청량 440 GPU시간은 여유분 이내입니다.")
    expect(page.locator("#fit")).to_contain_text("소규모")
    go_on(page, "기술 계획")

    page.locator("[name=framework]").fill("PyTorch 2")
    go_on(page, "참여 인력")

    # 참여 인력: a row more without a round trip.
    fits(page)
    page.locator("[name=members-0-email]").fill("park@yeongil.example")
    page.locator("#members [data-rows-add]").tap()
    page.locator("[name=members-1-email]").fill("choi@yeongil.example")
    go_on(page, "기업")

    fits(page)
    expect(page.locator("[name=business_number]")).to_have_value("124-81-00998")
    page.locator("[name=representative]").fill("이영일")
    page.locator("[name=size]").first.check()
    page.locator("[name=address]").fill("포항시 남구 철강로 1")
    page.locator("[name=in_pohang]").first.check()
    go_on(page, "데이터")

    page.locator("[name=personal_data]").first.check()
    page.locator("[name=export_control]").nth(1).check()
    go_on(page, "첨부 파일")

    fits(page)
    page.locator("[name=files]").set_input_files(
        {"name": "사업자등록증.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 ..."}
    )
    go_on(page, "확인 및 제출")

    # 확인 및 제출: one thing is missing still; its link leads to the field.
    fits(page)
    page.get_by_role("button", name="제출", exact=True).tap()
    page.locator(".error-summary a").filter(has_text="국가핵심기술").tap()
    expect(page.locator("#id_national_core_technology_0")).to_be_in_viewport()
    page.locator("[name=national_core_technology]").nth(1).check()
    go_on(page, "첨부 파일")
    go_on(page, "확인 및 제출")
    page.get_by_label("개인정보 수집·이용 동의").check()
    page.get_by_role("button", name="제출", exact=True).tap()

    expect(page.locator(".messages")).to_contain_text(f"{timezone.localdate():%Y}-0001")
    application = Application.objects.get()
    assert (application.status, application.tier and application.tier.name_ko) == ("submitted", "소규모")
    assert [member.email for member in application.proposed_members.all()] == [
        "park@yeongil.example",
        "choi@yeongil.example",
    ]
    assert application.attachments.get().name == "사업자등록증.pdf"
    assert application.consents.get().given
    assert str(application.number) in page.content()
    fits(page)
