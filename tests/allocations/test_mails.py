"""Mails: after the act, in the receiver's language, with one link, and never in the way. And the demo's mailbox."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse

from allocations.services.applications import application_submit
from allocations.services.decisions import decision_award, decision_decline
from allocations.services.members import member_invite, member_remind
from tests.factories import HOUR, NOW, InvitationFactory, PoolFactory, ProjectFactory


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture(autouse=True)
def address(settings):
    settings.PORTAL_URL = "https://portal.example"


def test_a_submission_is_confirmed_in_the_applicants_language(draft, alice, commit, mailoutbox):
    with commit():
        application_submit(application=draft, by=alice, at=NOW)
    (message,) = mailoutbox
    assert message.to == [alice.email]
    assert message.subject == "Application 2026-0001 received"
    assert "960 GPU-hours" in message.body
    assert f"https://portal.example/applications/{draft.pk}/\n" in message.body


def test_a_decision_is_told_without_naming_anybody(reviewed, dana, rhee, commit, mailoutbox):
    with commit():
        decision_award(application=reviewed, awards={PoolFactory(): 500 * HOUR}, reason="Strong.", by=dana, at=NOW)
    (message,) = mailoutbox
    assert message.subject == "Application 2026-0001 selected"
    assert "- H100 80GB: 500 GPU-hours" in message.body
    assert "Strong." in message.body
    assert dana.name_en not in message.body
    assert rhee.name_en not in message.body


def test_declining_gives_the_reason(reviewed, dana, commit, mailoutbox):
    with commit():
        decision_decline(application=reviewed, reason='Not this time: "full" & <busy>', by=dana, at=NOW)
    assert 'Not this time: "full" & <busy>' in mailoutbox[0].body


def test_an_invitation_goes_to_the_address_with_the_link(project, alice, commit, mailoutbox):
    with commit():
        membership = member_invite(project=project, email="eve@x.example", name="이브", by=alice, at=NOW)
    (message,) = mailoutbox
    assert message.to == ["eve@x.example"]
    assert f"https://portal.example/invitations/{membership.token}/" in message.body


@pytest.mark.parametrize(("email", "title"), [("bob@postech.ac.kr", "Finding defects"), ("new@x.example", "철강 표면")])
def test_an_invitation_is_in_the_language_of_who_is_known_else_in_korean(email, title, alice, bob, commit, mailoutbox):
    bob.language = "en"
    bob.save()
    with commit():
        member_invite(project=ProjectFactory(pi=alice), email=email, by=alice, at=NOW)
    assert title in mailoutbox[0].body


def test_an_invitation_can_be_sent_again(project, alice, browser, commit, mailoutbox):
    membership = InvitationFactory(project=project)
    with commit():
        browser(alice).post(reverse("member_remind", args=["p26001", membership.pk]))
    assert [message.to for message in mailoutbox] == [[membership.email]]
    with commit():
        member_remind(membership=membership, by=alice, at=NOW)
    assert membership.token in mailoutbox[1].body


def test_nothing_is_sent_for_an_act_that_did_not_happen(draft, alice, mailoutbox, commit):
    with commit(), suppress(RuntimeError), transaction.atomic():
        application_submit(application=draft, by=alice, at=NOW)
        raise RuntimeError
    assert mailoutbox == []


def test_a_mail_server_that_fails_does_not_undo_the_act(draft, alice, commit, settings, caplog):
    settings.EMAIL_BACKEND = "tests.allocations.test_mails.Broken"
    with commit():
        application_submit(application=draft, by=alice, at=NOW)
    draft.refresh_from_db()
    assert draft.status == "submitted"
    assert "could not be sent" in caplog.text


class Broken:
    def __init__(self, **options):
        pass

    def send_messages(self, messages):
        raise ConnectionRefusedError("no mail server")


def test_the_demos_mailbox_shows_the_newest_first_with_links(db, browser, settings, tmp_path):
    settings.DEMO, settings.EMAIL_FILE_PATH = True, tmp_path / "mail"
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    mail.send_mail("첫 번째 안내", "Open https://portal.example/a/ <b>", None, ["alice@postech.ac.kr"])
    with mail.get_connection() as connection:
        for subject in ["Second", "Third"]:
            mail.EmailMessage(subject, "Text", to=["bob@postech.ac.kr"], connection=connection).send()
    page = browser().get(reverse("demo_mailbox")).content.decode()
    assert page.index("Third") < page.index("Second") < page.index("첫 번째 안내")
    assert '<a href="https://portal.example/a/" rel="nofollow">' in page
    assert "&lt;b&gt;" in page


def test_an_empty_mailbox_says_so(db, browser, settings, tmp_path):
    settings.DEMO, settings.EMAIL_FILE_PATH = True, tmp_path / "none"
    assert "No mails yet" in browser().get(reverse("demo_mailbox")).content.decode()


def test_outside_a_demo_there_is_no_mailbox(db, browser, settings):
    settings.DEMO = False
    assert browser().get(reverse("demo_mailbox")).status_code == 404
