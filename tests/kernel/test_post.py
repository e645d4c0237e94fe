"""The outbox: written with the act, sent once after the commit, tried again where that failed; the mail of the day."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import transaction

from portal.people.models import User
from portal.post import models, sending
from portal.post.kinds import Delivery, MailKind
from portal.post.models import Mail, MailPreference, pause_after
from portal.post.preferences import PreferencesForm, next_digest
from portal.post.rounds import send_due
from portal.post.sending import post, signed
from tests.factories import NOW, UserFactory, kst

pytestmark = pytest.mark.django_db

MORNING = kst(2026, 3, 3, 8)
LINK = "https://portal.example/there/"


class Broken:
    """A mail server that is down."""

    def __init__(self, **options: Any) -> None:
        pass

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")


@pytest.fixture(autouse=True)
def surroundings(settings: Any) -> Any:
    settings.PORTAL_URL = "https://portal.example"
    settings.TEMPLATES = [
        settings.TEMPLATES[0]
        | {
            "APP_DIRS": False,
            "OPTIONS": settings.TEMPLATES[0]["OPTIONS"]
            | {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "news.subject.txt": "News {{ number }}\n",
                            "news.txt": "Dear {{ receiver.display_name }},\n\n\n\nsee {{ link }}\n\n",
                            "broken.subject.txt": "{% load nothing %}",
                        },
                    ),
                    "django.template.loaders.filesystem.Loader",
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ]
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return UserFactory(email="alice@postech.ac.kr", name_en="Alice Kim", language="en")


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Any) -> Callable[[], Any]:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def takes(user: User, kind: MailKind, delivery: Delivery) -> None:
    MailPreference.objects.create(user=user, kind=kind, delivery=delivery)


def tell(user: User | str, kind: MailKind = MailKind.STEP, number: int = 1) -> None:
    post(kind, user, "news", link=LINK, number=number)


def later(**pause: float) -> datetime:
    return NOW + timedelta(**pause)


def test_a_mail_is_sent_after_the_commit_and_noted(alice, commit):
    with commit():
        tell(alice)
        assert mail.outbox == []
    (message,) = mail.outbox
    (row,) = Mail.objects.all()
    assert (message.subject, message.to) == ("News 1", ["alice@postech.ac.kr"])
    assert (row.sent_at, row.due_at, row.tries, row.kind) == (NOW, None, 1, "step")
    assert message.extra_headers["Message-ID"].endswith("@portal.example>")


def test_no_empty_lines_are_doubled_and_the_last_line_leads_to_the_preferences(alice, commit):
    with commit():
        tell(alice)
    assert mail.outbox[0].body == (
        f"Dear Alice Kim,\n\nsee {LINK}\n\n--\n"
        "Which mails you receive, and how often: https://portal.example/me/mails/\n"
    )


def test_an_address_without_a_person_has_no_preferences(commit):
    with commit():
        tell("new@x.example", MailKind.MEMBER)
    assert "/me/mails/" not in mail.outbox[0].body


def test_what_is_undone_leaves_no_mail(alice, commit):
    with commit(), suppress(RuntimeError), transaction.atomic():
        tell(alice)
        raise RuntimeError
    assert mail.outbox == []
    assert not Mail.objects.exists()


def test_a_crash_right_after_the_commit_loses_nothing(alice, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=False):
        tell(alice)
    assert mail.outbox == []
    assert send_due(later(seconds=30)) == 1
    assert len(mail.outbox) == 1
    assert send_due(later(seconds=60)) == 0


def test_two_processes_send_a_mail_once(alice, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=False):
        tell(alice)
    one, other = Mail.objects.get(), Mail.objects.get()
    assert sending.send(one, NOW)
    assert not sending.send(other, NOW)
    assert len(mail.outbox) == 1


def test_a_crash_while_sending_is_tried_again_after_a_pause(alice, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=False):
        tell(alice)
    assert Mail.objects.claim(Mail.objects.get(), NOW)  # and the process is gone
    assert send_due(later(seconds=30)) == 0
    assert send_due(later(seconds=90)) == 1


def test_a_server_that_is_down_undoes_nothing_and_is_asked_again(alice, commit, settings, caplog):
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.kernel.test_post.Broken"
    with commit():
        tell(alice)
    row = Mail.objects.get()
    assert (row.sent_at, row.due_at) == (None, later(minutes=1))
    assert row.error == "ConnectionRefusedError: no mail server"
    assert "could not be sent" in caplog.text
    settings.EMAIL_BACKEND = working
    assert send_due(later(seconds=59)) == 0
    assert send_due(later(minutes=1)) == 1
    row.refresh_from_db()
    assert (row.error, row.due_at) == ("", None)


def test_the_pauses_grow_and_the_tries_end(alice, commit, settings):
    settings.EMAIL_BACKEND = "tests.kernel.test_post.Broken"
    with commit():
        tell(alice)
    at = NOW
    while (due := Mail.objects.get().due_at) is not None:
        assert due > at
        at = due
        send_due(at)
    row = Mail.objects.get()
    assert row.tries == models.MOST_TRIES
    assert row.is_given_up
    assert [pause_after(tries).total_seconds() / 60 for tries in (1, 2, 3, 9, 15)] == [1, 2, 4, 240, 240]
    assert Mail.objects.failed_since(NOW).count() == 1


def test_a_server_that_is_down_is_not_asked_for_every_mail(alice, settings, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=False):
        for number in range(9):
            tell(alice, number=number)
    settings.EMAIL_BACKEND = "tests.kernel.test_post.Broken"
    send_due(NOW)
    assert Mail.objects.filter(tries=1).count() == 3


def test_a_mail_that_cannot_be_written_does_not_undo_the_act(alice, commit, caplog):
    with commit():
        post(MailKind.STEP, alice, "broken", link=LINK)
        tell(alice)
    assert [message.subject for message in mail.outbox] == ["News 1"]
    assert "could not be written" in caplog.text


def test_what_is_switched_off_is_not_written(alice, commit):
    takes(alice, MailKind.STEP, Delivery.OFF)
    with commit():
        tell(alice)
        tell(alice, MailKind.REMINDER, 2)
    assert [message.subject for message in mail.outbox] == ["News 2"]


@pytest.mark.parametrize("kind", [MailKind.DECISION, MailKind.MEMBER])
def test_what_concerns_ones_rights_comes_at_once_whatever_was_chosen(alice, commit, kind):
    takes(alice, kind, Delivery.OFF)
    with commit():
        tell(alice, kind)
    assert len(mail.outbox) == 1


def test_who_has_left_receives_nothing(alice, commit):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    alice.refresh_from_db()
    with commit():
        tell(alice)
    assert not Mail.objects.exists()


def test_the_mails_of_the_day_come_together_at_eight(alice, commit):
    takes(alice, MailKind.STEP, Delivery.DAILY)
    with commit():
        for number in (1, 2, 2):
            tell(alice, number=number)
    assert send_due(MORNING - timedelta(seconds=1)) == 0
    assert send_due(MORNING) == 1
    (message,) = mail.outbox
    assert message.subject == "2 pieces of news from the allocation portal"
    assert message.body.count(LINK) == 2
    assert "- News 1\n" in message.body
    assert send_due(MORNING + timedelta(days=1)) == 0


def test_the_mail_of_the_day_is_in_the_language_of_its_receiver(alice, commit, settings):
    alice.language = "ko"
    alice.save()
    takes(alice, MailKind.STEP, Delivery.DAILY)
    with commit():
        tell(alice)
    send_due(MORNING)
    assert Mail.objects.get(kind=MailKind.DIGEST).language == "ko"


def test_a_mail_of_the_day_that_cannot_be_written_keeps_nobody_from_theirs(alice, commit, monkeypatch, caplog):
    bob = UserFactory()
    for user in (alice, bob):
        takes(user, MailKind.STEP, Delivery.DAILY)
        with commit():
            tell(user)
    from portal.post import rounds

    whole = rounds.write_digest

    def poisoned(user: User, at: datetime) -> Mail | None:
        if user == alice:
            raise ZeroDivisionError
        return whole(user, at)

    monkeypatch.setattr(rounds, "write_digest", poisoned)
    assert send_due(MORNING) == 1
    assert mail.outbox[0].to == [bob.email]
    assert "could not be put together" in caplog.text


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (kst(2026, 3, 2, 7, 59), kst(2026, 3, 2, 8)),
        (kst(2026, 3, 2, 8), kst(2026, 3, 3, 8)),
        (kst(2026, 12, 31, 23, 59), kst(2027, 1, 1, 8)),
    ],
)
def test_the_day_is_koreas(at, due):
    assert next_digest(at) == due


def test_a_round_without_mails_asks_little_of_the_database(alice, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        send_due(NOW)


def test_the_choices_are_kept(alice):
    form = PreferencesForm({"task": "at_once", "step": "daily", "reminder": "off", "usage": "daily"}, user=alice)
    assert form.is_valid(), form.errors
    form.save()
    form.save()
    assert dict(MailPreference.objects.values_list("kind", "delivery")) == form.cleaned_data


def test_news_for_the_office_is_offered_to_the_office(alice):
    assert "office" not in PreferencesForm(user=alice).fields
    assert PreferencesForm(user=UserFactory(roles=["operator"])).fields["office"].initial == Delivery.DAILY


def test_signing_makes_one_text_of_it():
    assert signed("\n\nOne  \n\n\n\nTwo\n", None) == "One\n\nTwo\n"
