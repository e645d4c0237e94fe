"""Every mail the portal can send, as it reads in both languages; the mailbox of the demo; choosing which mails come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import translation

from allocations.mails import members
from portal import schedule
from portal.operations.needs import needs_operator
from portal.people.models import User
from portal.post import models
from portal.post.kinds import MailKind
from portal.post.models import Mail, MailPreference
from portal.post.sending import rendered
from tests.factories import NOW, InvitationFactory, ProjectFactory, UserFactory

FOLDER = Path(portal_settings.BASE_DIR, "templates", "mails")
TEMPLATES = sorted(path.name.removesuffix(".subject.txt") for path in FOLDER.glob("*.subject.txt"))
LINK = "https://portal.example/there/"
PREFERENCES = "https://portal.example/me/mails/"
# Words that are the same in a Korean sentence.
KEPT_WORDS = {"GPU", "KST", "Slurm", "PDF"}


@pytest.fixture(autouse=True)
def address(settings: Any) -> None:
    settings.PORTAL_URL = "https://portal.example"


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Any) -> Any:
    return lambda: django_capture_on_commit_callbacks(execute=True)


class Anything:
    """Stands for whatever a mail tells of: moments where the name says so, amounts, else more of the same."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith(("_at", "_on", "due", "deadline")):
            return NOW
        if "seconds" in name:
            return 3600
        if name.endswith("_count"):
            return 2
        if name == "link":
            return LINK
        return Anything()

    def __str__(self) -> str:
        return "7"

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Anything]:
        return iter([Anything()])


class Everything(dict[str, Any]):
    """A context in which nothing is missing."""

    def __init__(self, template: str) -> None:
        names = set(re.findall(r"[a-z_]+", (FOLDER / f"{template}.txt").read_text()))
        names |= set(re.findall(r"[a-z_]+", (FOLDER / f"{template}.subject.txt").read_text()))
        super().__init__({name: getattr(Anything(), name) for name in names - {"link", "receiver", "forloop"}})


@pytest.fixture
def letter(db: None) -> Any:
    def written(template: str, language: str) -> tuple[str, str]:
        receiver = UserFactory(name_ko="김하늘", name_en="Alice Kim", language=language)
        with translation.override(language):
            return rendered(f"mails/{template}", receiver=receiver, **Everything(template) | {"link": LINK})

    return written


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_has_a_greeting_one_link_and_an_end(letter: Any, template: str, language: str) -> None:
    subject, body = letter(template, language)
    lines = body.splitlines()
    assert subject.strip()
    assert re.findall(r"https?://\S+", body) == [LINK, PREFERENCES]
    assert "\n\n\n" not in body
    assert lines[0].startswith("Dear ") if language == "en" else lines[0].endswith("님께")
    assert lines[-4] == ("Pohang AI Accelerator Center" if language == "en" else "포항 AI가속기 센터")
    assert lines[-1].endswith(PREFERENCES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_korean_mail_is_korean_throughout(letter: Any, template: str) -> None:
    subject, body = letter(template, "ko")
    text = re.sub(r"https?://\S+|\S+@\S+", "", f"{subject}\n{body}").replace("AI가속기", "")
    assert set(re.findall(r"[A-Za-z]{2,}", text)) <= KEPT_WORDS
    assert re.search("[가-힣]", subject)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_is_plain_text_not_markup(template: str) -> None:
    for name in (f"{template}.txt", f"{template}.subject.txt"):
        assert "{% autoescape off %}" in (FOLDER / name).read_text()


@pytest.mark.parametrize(("email", "title"), [("bob@postech.ac.kr", "Finding defects"), ("new@x.example", "철강 표면")])
def test_an_invitation_is_in_the_language_of_who_is_known_else_in_korean(email, title, alice, bob, commit, mailoutbox):
    bob.language = "en"
    bob.save()
    with commit():
        members.invited(InvitationFactory(project=ProjectFactory(pi=alice), email=email))
    assert mailoutbox[0].to == [email]
    assert title in mailoutbox[0].body


# --- the demo's mailbox ------------------------------------------------------------------------------------------


def written(subject: str, to: str = "alice@postech.ac.kr", minutes: int = 0, **values: Any) -> Mail:
    at = NOW + timedelta(minutes=minutes)
    told = {"kind": MailKind.STEP, "language": "ko", "body": "Text", "created_at": at, "sent_at": at} | values
    return Mail.objects.create(subject=subject, to=to, **told)


@pytest.fixture
def mailbox(db: None, browser: Any, settings: Any) -> Any:
    settings.DEMO = True

    def page(**chosen: str) -> str:
        return browser().get(reverse("demo_mailbox"), chosen).content.decode()

    return page


def test_the_mailbox_shows_the_newest_first_with_links(mailbox):
    written("First", body="Open https://portal.example/a/ <b>")
    written("Second", minutes=1)
    page = mailbox()
    assert page.index("Second") < page.index("First")
    assert '<a href="https://portal.example/a/" rel="nofollow">' in page
    assert "&lt;b&gt;" in page


def test_the_mailbox_says_what_became_of_a_mail(mailbox):
    written("One", sent_at=None, due_at=NOW)
    written("Two", sent_at=None, due_at=NOW, daily=True)
    written("Three", within=written("Four"))
    written("Five", sent_at=None, tries=models.MOST_TRIES)
    page = mailbox()
    for said in ("Not sent yet", "Waits for the mail of the day", "Part of the mail of the day", "Could not be sent"):
        assert said in page


def test_the_mailbox_can_be_searched(mailbox):
    written("Steel")
    written("Battery", to="bob@postech.ac.kr", kind=MailKind.TASK, body="cells")
    for chosen in ({"to": "bob@postech.ac.kr"}, {"kind": "task"}, {"text": "CELLS"}, {"text": "batt"}):
        page = mailbox(**chosen)
        assert "<strong>Battery</strong>" in page
        assert "<strong>Steel</strong>" not in page
    assert "No mail fits" in mailbox(text="nothing of the kind")
    assert "<strong>Steel</strong>" in mailbox(kind="nonsense")


def test_the_mailbox_has_pages_and_a_bounded_number_of_questions(mailbox, django_assert_max_num_queries):
    for number in range(45):
        written(f"Mail {number}", minutes=number)
    with django_assert_max_num_queries(4):
        first = mailbox()
    assert "<strong>Mail 44</strong>" in first
    assert "<strong>Mail 24</strong>" not in first
    assert "<strong>Mail 24</strong>" in mailbox(page="2")


def test_an_empty_mailbox_says_so(mailbox):
    assert "No mails yet" in mailbox()


def test_outside_a_demo_there_is_no_mailbox(db, browser, settings):
    settings.DEMO = False
    assert browser().get(reverse("demo_mailbox")).status_code == 404


# --- choosing ----------------------------------------------------------------------------------------------------


def chosen_by(user: User) -> dict[str, str]:
    return dict(MailPreference.objects.filter(user=user).values_list("kind", "delivery"))


def test_which_mails_come_is_chosen_on_a_page_of_ones_own(browser, alice, oh):
    client: Client = browser(alice)
    page = client.get(reverse("mail_preferences")).content.decode()
    assert "Decisions on your applications and grants" in page
    assert "News for the office" not in page
    choice = {"task": "at_once", "step": "daily", "reminder": "off", "usage": "at_once"}
    assert client.post(reverse("mail_preferences"), choice | {"decision": "off"}).status_code == 302
    assert chosen_by(alice) == choice
    assert "News for the office" in browser(oh).get(reverse("mail_preferences")).content.decode()


def test_a_nonsensical_choice_is_refused(browser, alice):
    client: Client = browser(alice)
    assert "There are" in client.post(reverse("mail_preferences"), {"task": "never"}).content.decode()
    assert chosen_by(alice) == {}


def test_the_profile_leads_to_the_choice(browser, alice):
    assert f'href="{reverse("mail_preferences")}"' in browser(alice).get(reverse("profile")).content.decode()


# --- the worker and the operator ---------------------------------------------------------------------------------


def test_the_worker_sends_what_is_due(db, mailoutbox):
    written("Late", sent_at=None, due_at=NOW)
    (chore,) = [task for task in schedule.tasks() if task.name == "post"]
    assert isinstance(chore, schedule.Chore)
    chore.do()
    assert [message.subject for message in mailoutbox] == ["Late"]


def test_the_operator_hears_of_mails_that_could_not_be_sent(db):
    said = "Mails could not be sent: please look at the mail server."
    written("Lost", sent_at=None, tries=models.MOST_TRIES)
    with translation.override("en"):
        assert said in needs_operator(NOW)
        assert said not in needs_operator(NOW + timedelta(days=8))


def test_the_line_about_preferences_is_the_only_part_without_a_subject() -> None:
    parts = {path.name for path in FOLDER.glob("*.txt") if not path.name.endswith(".subject.txt")}
    assert parts - {f"{name}.txt" for name in TEMPLATES} == {"preferences_line.txt"}
    assert render_to_string("mails/preferences_line.txt", {"link": LINK}).strip().endswith(LINK)
