"""Text survives a lost connection, an ended session, a second window, a double press and a closed tab, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from portal.people.models import User
from tests.factories import UserFactory
from tests.rig import log_in
from tests.web import tiny_form
from tests.web.tiny_form import Stored

pytestmark = [pytest.mark.browser, pytest.mark.urls("tests.web.urls"), pytest.mark.django_db(transaction=True)]
PASSWORD = "gpu-hours-2026!"
LONG_AGO = "localStorage.setItem('autosave:%s:/tiny/:old.0', JSON.stringify({at: Date.now(), fields: %s}))"


@pytest.fixture
def stored() -> Stored:
    return tiny_form.start_again(title="철강", text="first")


@pytest.fixture
def alice() -> User:
    return UserFactory(email="alice@postech.ac.kr", password=PASSWORD)


def enter(context: BrowserContext, user: User, address: str) -> None:
    """Signed in, without the form."""
    client = Client()
    client.force_login(user)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}])


def sign_in(tab: Page, user: User) -> None:
    """In the tab that a page opened for it."""
    tab.locator("input[name=login]").fill(user.email)
    tab.locator("input[name=password]").fill(PASSWORD)
    tab.locator("input[name=password]").press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("You are signed in")


@pytest.fixture
def contexts(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[..., BrowserContext]]:
    opened: list[BrowserContext] = []

    def open_context(**options: object) -> BrowserContext:
        opened.append(chromium.new_context(base_url=live_server.url, **options))  # type: ignore[arg-type]
        opened[-1].add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])
        return opened[-1]

    yield open_context
    for context in opened:
        context.close()


@pytest.fixture
def page(contexts: Callable[..., BrowserContext], alice: User, stored: Stored, live_server: LiveServer) -> Page:
    """Alice at the tiny form."""
    page = contexts().new_page()
    enter(page.context, alice, live_server.url)
    page.goto("/tiny/")
    return page


def note(page: Page) -> str:
    return page.locator(".autosave-note").inner_text()


def copies(page: Page) -> int:
    return int(page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('autosave:')).length"))


def expect_saved(page: Page) -> None:
    expect(page.locator("[data-autosave-status]")).to_contain_text("Saved at")


def expect_note(page: Page, text: str) -> None:
    expect(page.locator(".autosave-note")).to_contain_text(text)


def test_what_is_written_is_saved_by_itself(page: Page, stored: Stored) -> None:
    page.locator("#id_text").fill("second")
    page.get_by_label("L", exact=True).check()
    expect_saved(page)
    assert (stored.text, stored.size, stored.revision, stored.autosaves) == ("second", "L", 1, 1)
    expect(page.locator("input[name=revision]")).to_have_value("1")
    expect(page.locator("[data-meter] .num")).to_have_text("100 %")
    assert page.locator("[data-meter] progress").evaluate("bar => bar.value") == 100
    assert copies(page) == 0


def test_an_untouched_form_is_not_saved(page: Page, stored: Stored) -> None:
    page.get_by_role("link", name="Elsewhere").click()
    page.wait_for_url("**/tiny/sent/")
    assert stored.autosaves == 0


def test_a_link_waits_for_the_save(page: Page, stored: Stored) -> None:
    page.locator("#id_text").fill("second")
    page.get_by_role("link", name="Elsewhere").click()
    expect(page.locator("#text")).to_have_text("second")


def test_hiding_the_page_saves_at_once(page: Page, stored: Stored) -> None:
    page.locator("#id_text").fill("second")
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { value: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect_saved(page)
    assert stored.text == "second"


def test_a_submit_takes_along_what_was_just_written_once(page: Page, stored: Stored) -> None:
    page.locator("#id_text").fill("second")
    page.get_by_role("button", name="Keep").dblclick()
    expect(page.locator("#text")).to_have_text("second")
    assert stored.buttons == ["keep"]


def test_a_double_press_on_a_slow_connection_is_one_submit(page: Page, stored: Stored) -> None:
    waiting: list[Route] = []
    page.route("**/tiny/", lambda route: route.continue_() if waiting else waiting.append(route))
    page.locator("#id_text").fill("second")
    button = page.get_by_role("button", name="Submit")
    button.click()
    button.click()
    expect(page.locator("[data-autosave-status]")).to_have_text("Saving…")
    assert len(waiting) == 1  # the autosave; the submit waits for it
    waiting[0].continue_()
    expect(page.locator("#text")).to_have_text("second")
    assert stored.buttons == ["submit"]


def test_without_a_connection_the_text_stays_and_is_saved_when_it_is_back(page: Page, stored: Stored) -> None:
    page.context.set_offline(True)
    page.locator("#id_text").fill("written in a tunnel")
    expect(page.locator("[data-autosave-status]")).to_contain_text("no connection. Kept in this browser")
    assert copies(page) == 1
    page.get_by_role("button", name="Submit").click()
    expect_note(page, "Not sent: there is no connection")
    assert page.url.endswith("/tiny/")
    page.context.set_offline(False)
    expect_saved(page)
    assert stored.text == "written in a tunnel"
    assert stored.buttons == []
    expect(page.locator(".autosave-note")).to_have_count(0)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/tiny/sent/")


def test_a_tab_closed_without_a_connection_offers_its_text_later(page: Page, stored: Stored) -> None:
    page.context.set_offline(True)
    page.locator("#id_text").fill("written in a tunnel")
    expect(page.locator("[data-autosave-status]")).to_contain_text("Kept in this browser")
    context = page.context
    page.close()
    context.set_offline(False)
    again = context.new_page()
    again.goto("/tiny/")
    expect_note(again, "was not saved. It differs in: Text.")
    expect(again.locator("#id_text")).to_have_value("first")
    again.get_by_role("button", name="Bring back").click()
    expect(again.locator("#id_text")).to_have_value("written in a tunnel")
    expect_saved(again)
    assert stored.text == "written in a tunnel"
    assert copies(again) == 0


def test_an_older_text_can_be_discarded(page: Page, alice: User, stored: Stored) -> None:
    page.evaluate(LONG_AGO % (alice.pk, '[["title", "철강"], ["text", "older"]]'))
    page.reload()
    page.get_by_role("button", name="Discard that text").click()
    expect(page.locator(".autosave-note")).to_have_count(0)
    assert copies(page) == 0
    expect(page.locator("#id_text")).to_have_value("first")


def test_a_copy_that_is_what_is_stored_is_not_offered(page: Page, alice: User) -> None:
    page.evaluate(LONG_AGO % (alice.pk, r'[["title", " 철강 "], ["text", "first\r\n"]]'))
    page.reload()
    expect(page.locator(".autosave-note")).to_have_count(0)
    assert copies(page) == 0


def test_what_the_server_cannot_keep_is_kept_in_the_browser(page: Page, stored: Stored) -> None:
    page.locator("#id_title").fill("A title that is longer than may be")
    page.locator("#id_text").fill("second")
    expect(page.locator("[data-autosave-status]")).to_contain_text("cannot be kept as it is written: Title")
    assert (stored.title, stored.text) == ("철강", "second")
    page.reload()
    expect(page.locator("#id_title")).to_have_value("철강")
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator("#id_title")).to_have_value("A title that is longer than may be")


def test_an_answer_of_another_kind_is_no_save(page: Page, stored: Stored) -> None:
    page.route("**/tiny/", lambda route: route.fulfill(body="<h1>Maintenance</h1>", content_type="text/html"))
    page.locator("#id_text").fill("second")
    expect(page.locator("[data-autosave-status]")).to_contain_text("something went wrong at the center")
    assert copies(page) == 1


def test_nobody_sees_the_copies_of_others(page: Page) -> None:
    page.evaluate(LONG_AGO % (0, '[["text", "of somebody else"]]'))
    page.reload()
    expect(page.locator(".autosave-note")).to_have_count(0)


def test_an_answer_that_got_lost_is_not_taken_for_another_window(page: Page, stored: Stored) -> None:
    lost: list[Route] = []

    def arrives_but_is_not_answered(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route)
        route.fetch()
        route.abort()

    page.route("**/tiny/", arrives_but_is_not_answered)
    page.locator("#id_text").fill("second")
    expect(page.locator("[data-autosave-status]")).to_contain_text("no connection")
    page.locator("#id_title").fill("배터리")
    expect_saved(page)
    assert (stored.title, stored.text, stored.revision) == ("배터리", "second", 2)


def test_after_an_ended_session_saving_goes_on_when_signed_in_again(page: Page, alice: User, stored: Stored) -> None:
    Session.objects.all().delete()
    page.locator("#id_text").fill("a long text")
    expect_note(page, "You were signed out. Nothing is lost")
    page.get_by_role("button", name="Submit").click()
    expect(page).to_have_url(page.url)
    with page.context.expect_page() as opened:
        page.locator(".autosave-note a").click()
    tab = opened.value
    sign_in(tab, alice)
    tab.close()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect_saved(page)
    assert stored.text == "a long text"
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#text")).to_have_text("a long text")
    assert stored.buttons == ["submit"]


def test_when_somebody_else_signs_in_nothing_is_saved_for_them(page: Page, stored: Stored) -> None:
    bob = UserFactory(password=PASSWORD)
    Session.objects.all().delete()
    tab = page.context.new_page()
    log_in(tab, bob.email, PASSWORD)
    page.locator("#id_text").fill("Alice's text")
    expect_note(page, "Somebody else is signed in")
    assert stored.text == "first"


def test_two_tabs_do_not_overwrite_each_other(page: Page, stored: Stored) -> None:
    other = page.context.new_page()
    other.goto("/tiny/")
    page.locator("#id_text").fill("from the first tab")
    expect_saved(page)
    other.locator("#id_text").fill("from the second tab")
    expect_note(other, "changed in another window")
    assert stored.text == "from the first tab"
    other.get_by_role("button", name="Load the page again").click()
    expect(other.locator("#id_text")).to_have_value("from the first tab")
    expect_note(other, "It differs in: Text.")
    other.get_by_role("button", name="Bring back").click()
    expect_saved(other)
    assert stored.text == "from the second tab"


def test_what_another_tab_stored_is_shown_beside_what_was_sent_here(page: Page, stored: Stored) -> None:
    stored.revision, stored.text = 5, "stored elsewhere"
    page.locator("#id_text").fill("from here")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#stale")).to_contain_text("stored elsewhere")
    expect(page.locator("#id_text")).to_have_value("from here")


def test_signing_out_leaves_nothing_in_the_browser(page: Page, stored: Stored) -> None:
    page.locator("#id_text").fill("the last sentence")
    page.locator(".site-tools details.menu summary").click()
    page.get_by_role("button", name="Sign out").first.click()
    page.wait_for_url(lambda url: "/tiny/" not in url)
    assert stored.text == "the last sentence"
    assert copies(page) == 0


def test_signing_out_with_unsaved_text_asks_first(page: Page, alice: User) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.evaluate(LONG_AGO % (alice.pk, '[["text", "older"]]'))
    page.locator(".site-tools details.menu summary").click()
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Tiny")).to_be_visible()
    page.wait_for_function("true")
    assert len(asked) == 1
    assert copies(page) == 1


def test_a_page_from_the_browsers_cache_shows_what_is_stored_now(page: Page, stored: Stored) -> None:
    stored.revision, stored.text = 3, "stored meanwhile"
    with page.expect_navigation():
        page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.locator("#id_text")).to_have_value("stored meanwhile")


def test_leaving_with_a_chosen_file_asks_first(page: Page) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.locator("#id_plan").set_input_files({"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    page.goto("/tiny/sent/")
    assert asked == ["beforeunload"]


# --- without scripts, and forms that do not save themselves ------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False])
def test_a_form_sent_while_signed_out_is_carried_over_and_sent_again(
    contexts: Callable[..., BrowserContext], alice: User, stored: Stored, live_server: LiveServer, scripts: bool
) -> None:
    page = contexts(java_script_enabled=scripts).new_page()
    enter(page.context, alice, live_server.url)
    page.goto("/tiny/short/")
    page.locator("#id_text").fill('A "long" <text>\nof two lines')
    page.locator("#id_plan").set_input_files({"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    Session.objects.all().delete()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You were signed out")
    expect(page.locator("main")).to_contain_text("Files have to be chosen again: plan.pdf")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    tab = opened.value
    sign_in(tab, alice)
    page.get_by_role("button", name="Send it again now").click()
    if not scripts:  # the token is from before signing in
        expect(page.get_by_role("heading", level=1)).to_have_text("Please send it again")
        page.get_by_role("button", name="Send it again now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent")
    assert stored.text.replace("\r\n", "\n") == 'A "long" <text>\nof two lines'
    assert stored.buttons == ["submit"]
