"""What only a browser can tell: the security policy holds, nothing overflows, axe finds nothing, the scripts work.

No database is touched, so the server runs without one; the live connection is played by the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect
from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.urls("tests.web.urls")]

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


@pytest.fixture
def visit(chromium: Browser, address: str) -> Iterator[Visit]:
    """Open a page in a fresh browser; what it wrote to the console as an error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(
        path: str, language: str = "ko", prepare: Callable[[Page], None] | None = None, **context: Any
    ) -> Page:
        contexts.append(chromium.new_context(base_url=address, **context))
        contexts[-1].add_cookies([{"name": "django_language", "value": language, "url": address}])
        page = contexts[-1].new_page()
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if prepare:
            prepare(page)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_component_is_accessible_and_fits(visit: Visit, width: int, language: str, scheme: str) -> None:
    page = visit("/components/", language, viewport={"width": width, "height": 900}, color_scheme=scheme)
    expect(page.locator("#example-chart .main-svg").first).to_be_visible()
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], [node["target"] for node in found["nodes"]]) for found in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_chart_takes_its_colours_from_the_scheme_and_changes_with_it(visit: Visit) -> None:
    page = visit("/components/", color_scheme="light")
    line = page.locator("#example-chart .js-line").first
    expect(line).to_have_css("stroke", "rgb(11, 106, 162)")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("#example-chart .js-line").first).to_have_css("stroke", "rgb(92, 179, 234)")


def test_on_paper_a_chart_is_drawn_in_the_light_colours(visit: Visit) -> None:
    page = visit("/components/", color_scheme="dark")
    line = page.locator("#example-chart .js-line").first
    expect(line).to_have_css("stroke", "rgb(92, 179, 234)")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#example-chart .js-line").first).to_have_css("stroke", "rgb(11, 106, 162)")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#example-chart .js-line").first).to_have_css("stroke", "rgb(92, 179, 234)")


def test_the_chosen_display_holds_against_the_systems(visit: Visit) -> None:
    page = visit("/components/", color_scheme="light")
    page.context.add_cookies([{"name": "theme", "value": "dark", "url": page.url}])
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 20, 27)")
    expect(page.locator("#example-chart .js-line").first).to_have_css("stroke", "rgb(92, 179, 234)")
    expect(page.locator(".theme [aria-pressed=true]")).to_have_text("어둡게")


def test_without_plotly_the_table_takes_the_place_of_the_chart(visit: Visit) -> None:
    def without_plotly(page: Page) -> None:
        page.route("**/plotly-basic.min*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))

    page = visit("/components/", prepare=without_plotly)
    expect(page.locator("#example-chart")).to_be_hidden()
    expect(page.locator("#example-twin table")).to_be_visible()


def test_without_scripts_everything_is_there_but_the_chart(visit: Visit) -> None:
    page = visit("/components/", java_script_enabled=False, viewport={"width": 390, "height": 900})
    page.get_by_text("메뉴", exact=True).click()
    expect(page.get_by_role("navigation", name="주 메뉴").get_by_role("link", name="공고")).to_be_visible()
    expect(page.locator(".codebox code")).to_be_visible()
    expect(page.locator("[data-copy]")).to_be_hidden()
    expect(page.locator("#example-chart")).to_be_hidden()


def test_the_line_is_copied_with_one_press(visit: Visit) -> None:
    page = visit("/components/", permissions=["clipboard-read", "clipboard-write"])
    page.locator("[data-copy]").click()
    expect(page.locator("[data-copy]")).to_have_text("복사됨")
    assert str(page.evaluate("navigator.clipboard.readText()")).startswith("sbatch --account=p26001-h100")


def test_a_form_is_sent_once_however_often_the_button_is_pressed(visit: Visit) -> None:
    sent: list[str] = []

    def unanswered(route: Route) -> None:
        sent.append(route.request.method)
        route.fulfill(status=204)  # the browser stays on the page

    page = visit("/components/", prepare=lambda page: page.route("**/language/", unanswered))
    button = page.locator(".site-tools button[name=language]")
    button.click()
    expect(button).to_be_disabled()
    page.evaluate("document.querySelector('.site-tools form').requestSubmit()")
    assert page.evaluate("document.querySelector('.site-tools form').dataset.sending") == "yes"
    assert sent == ["POST"]


def test_leaving_a_changed_form_asks_first(visit: Visit) -> None:
    page = visit("/components/")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto("/components/?untouched")
    assert asked == []
    page.locator("#id_title").fill("철강 결함 검출")
    page.goto("/components/?changed")
    assert asked == ["beforeunload"]


def test_escape_closes_the_menu_and_returns_to_it(visit: Visit) -> None:
    page = visit("/components/", viewport={"width": 390, "height": 900})
    menu = page.locator("details.menu.narrow-only")
    menu.locator("summary").click()
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(menu.locator("summary")).to_be_focused()


def test_told_moments_grow_old_by_themselves(visit: Visit) -> None:
    page = visit("/components/", "en", prepare=lambda page: page.clock.install())
    moment = page.locator(".figure time").first
    expect(moment).to_have_text("3 minutes ago")
    page.clock.fast_forward("05:00")
    expect(moment).to_have_text("8 minutes ago")


class Live:
    """The server's end of /live/, as the test plays it."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.routes: list[WebSocketRoute] = []
        self.answers = True

    def attach(self, page: Page) -> None:
        page.clock.install()
        page.route_web_socket("**/live/**", self._connected)

    def _connected(self, route: WebSocketRoute) -> None:
        self.addresses.append(route.url)
        self.routes.append(route)
        if not self.answers:
            route.close(code=1011)
            return
        route.send('{"listening": ["project:p26001"]}')


def number_in(page: Page) -> int:
    """How often the section has been asked for, once it has."""
    expect(page.locator("#part")).not_to_have_text("first")
    return int(page.locator("#part").inner_text())


def test_a_section_asks_for_itself_again_when_its_topic_is_heard_of(visit: Visit) -> None:
    live = Live()
    page = visit("/live-page/", prepare=live.attach)
    before = number_in(page)
    assert live.addresses[0].endswith("/live/?topic=project%3Ap26001&topic=operations")
    live.routes[0].send('{"topic": "operations", "action": "plan.changed"}')
    live.routes[0].send('{"topic": "project:p26001", "action": "usage.refreshed"}')
    expect(page.locator("#part")).to_have_text(str(before + 1))


def test_however_much_happens_a_section_asks_now_and_then_and_after_the_last(visit: Visit) -> None:
    live = Live()
    page = visit("/live-page/", prepare=live.attach)
    before = number_in(page)
    for _ in range(40):
        live.routes[0].send('{"topic": "project:p26001", "action": "usage.refreshed"}')
        page.clock.run_for(50)
    page.clock.run_for(2000)
    asked = number_in(page) - before
    assert 2 <= asked <= 6


def test_what_happens_while_a_section_asks_is_asked_for_after_that(visit: Visit) -> None:
    live = Live()
    page = visit("/live-page/", prepare=live.attach)
    before = number_in(page)
    asked: list[Route] = []

    def hold_the_first(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route("**/live-part/", hold_the_first)
    with page.expect_request("**/live-part/"):
        live.routes[0].send('{"topic": "project:p26001", "action": "usage.refreshed"}')
        page.clock.run_for(1000)
    live.routes[0].send('{"topic": "project:p26001", "action": "usage.refreshed"}')
    page.clock.run_for(1000)
    assert len(asked) == 1
    asked[0].continue_()
    expect(page.locator("#part")).to_have_text(str(before + 2))


def test_a_lost_connection_is_hinted_at_and_caught_up(visit: Visit) -> None:
    live = Live()
    page = visit("/live-page/", prepare=live.attach)
    before = number_in(page)
    live.answers = False
    live.routes[0].close(code=1012)
    page.clock.run_for(6000)
    expect(page.locator(".live-hint")).to_have_text("연결이 끊어져 다시 연결하고 있습니다.")
    live.answers = True
    page.clock.run_for(60_000)
    expect(page.locator("#part")).to_have_text(str(before + 1))
    expect(page.locator(".live-hint")).to_be_hidden()


def test_whoever_may_not_listen_does_not_keep_trying(visit: Visit) -> None:
    live = Live()
    page = visit("/live-page/", prepare=live.attach)
    number_in(page)
    live.routes[0].close(code=4403)
    page.clock.run_for(120_000)
    assert len(live.routes) == 1
    expect(page.locator(".live-hint")).to_be_hidden()
