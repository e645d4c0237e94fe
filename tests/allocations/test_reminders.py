"""People are told of deadlines before, on and after their day, each once; nothing is decided by one that passed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from allocations.models import Application, FinalReport, Notice
from allocations.services import reminders
from allocations.services.reminders import OVERDUE, remind, stage_of
from allocations.services.technical import technical_start
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.post.models import Mail
from portal.schedule import Chore, tasks
from portal.slurm.errors import SlurmUnavailable
from portal.worker import Worker
from tests.factories import (
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    ProjectFactory,
    ReviewFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
S = ApplicationStatus

DUE = kst(2026, 3, 20, 18)  # a Friday
FIVE_BEFORE = kst(2026, 3, 13, 9)
THREE_BEFORE = kst(2026, 3, 17, 9)
TWO_BEFORE = kst(2026, 3, 18, 9)
ON_THE_DAY = kst(2026, 3, 20, 9)
AFTER = kst(2026, 3, 23, 9)


@pytest.fixture
def tess(db: None) -> User:
    return UserFactory(email="tess@center.example", name_en="Tess", roles=["technical"])


def told(at: Any) -> list[tuple[str, str]]:
    """Receiver and subject of the mails that a round writes."""
    before = set(Mail.objects.values_list("pk", flat=True))
    remind(at)
    written = Mail.objects.exclude(pk__in=before).order_by("pk")
    return [(mail.to, mail.subject) for mail in written]


def waiting(status: ApplicationStatus, **fields: Any) -> Application:
    return ApplicationFactory(status=status, due_at=DUE, number="2026-0001", **fields)


@pytest.mark.parametrize(
    ("at", "stage"),
    [
        (kst(2026, 3, 12, 9), ""),
        (FIVE_BEFORE, "5"),
        (THREE_BEFORE, "5"),
        (TWO_BEFORE, "2"),
        (kst(2026, 3, 19, 23), "2"),
        (ON_THE_DAY, "0"),
        (DUE, "0"),
        (DUE + timedelta(seconds=1), OVERDUE),
    ],
)
def test_the_nearest_stage_holds(at, stage):
    assert stage_of(DUE, at, (5, 2)) == stage


def test_a_correction_is_asked_for_again_and_stays_where_it_is(alice):
    application = waiting(S.RETURNED, applicant=alice)
    assert told(THREE_BEFORE) == []
    ((to, _subject),) = told(TWO_BEFORE)
    assert to == alice.email
    assert told(TWO_BEFORE + timedelta(hours=1)) == []
    ((_to, subject),) = told(AFTER)
    assert "overdue" in subject
    assert told(AFTER + timedelta(days=30)) == []
    application.refresh_from_db()
    assert application.status == S.RETURNED


def test_after_a_pause_only_what_holds_now_is_told(alice):
    waiting(S.RETURNED, applicant=alice)
    assert len(told(AFTER)) == 1


def test_a_moved_deadline_is_told_anew(alice):
    application = waiting(S.RETURNED, applicant=alice)
    assert len(told(AFTER)) == 1
    Application.objects.filter(pk=application.pk).update(due_at=DUE + timedelta(days=7))
    assert len(told(kst(2026, 3, 25, 9))) == 1


def test_the_technical_reviewer_is_reminded_and_the_office_told_once(tess, oh):
    application = waiting(S.TECHNICAL)
    technical_start(application=application, by=tess, at=NOW)
    UserFactory(roles=["technical"])
    assert [to for to, _ in told(THREE_BEFORE)] == [tess.email]
    assert [to for to, _ in told(ON_THE_DAY)] == [tess.email]
    assert sorted(to for to, _ in told(AFTER)) == sorted([tess.email, oh.email])
    assert told(AFTER + timedelta(days=1)) == []


def test_where_nobody_has_taken_it_on_every_technical_reviewer_is_reminded_but_those_with_a_stake(tess):
    application = waiting(S.TECHNICAL)
    UserFactory(roles=["technical"], institution=application.institution)
    assert [to for to, _ in told(THREE_BEFORE)] == [tess.email]


def test_a_late_review_is_told_to_the_office_and_costs_the_application_nothing(rhee, oh):
    application = ApplicationFactory(status=S.REVIEW)
    # The mail names the reviewer, whom a colleague with a stake must not know.
    UserFactory(roles=["operator"], institution=application.institution)
    review = ReviewFactory(application=application, reviewer=rhee, submitted_at=None, due_at=DUE)
    assert [to for to, _ in told(THREE_BEFORE)] == [rhee.email]
    assert sorted(to for to, _ in told(AFTER)) == sorted([rhee.email, oh.email])
    application.refresh_from_db()
    review.refresh_from_db()
    assert (application.status, review.released_at) == (S.REVIEW, None)


def test_a_reviewers_mail_names_neither_person_nor_institution(rhee):
    application = ApplicationFactory(status=S.REVIEW)
    ReviewFactory(application=application, reviewer=rhee, submitted_at=None, due_at=DUE)
    told(AFTER)
    body = Mail.objects.get(to=rhee.email).body
    for secret in (application.applicant.name_en, application.institution.name_en, application.title_en):
        assert secret not in body


@pytest.mark.parametrize("fields", [{"released_at": NOW}, {"submitted_at": NOW}])
def test_nobody_is_reminded_of_what_is_done_or_no_longer_theirs(rhee, fields):
    application = ApplicationFactory(status=S.REVIEW)
    ReviewFactory(**{"application": application, "reviewer": rhee, "submitted_at": None, "due_at": DUE} | fields)
    assert told(AFTER) == []


@pytest.mark.parametrize("status", [S.PANEL, S.DECIDED])
def test_deciders_are_reminded(dana, status):
    waiting(status)
    assert [to for to, _ in told(ON_THE_DAY)] == [dana.email]
    assert [to for to, _ in told(AFTER)] == [dana.email]


def test_the_office_is_reminded_of_its_own_check(oh):
    User.objects.filter(pk=oh.pk).update(language="en")
    waiting(S.SUBMITTED)
    assert [to for to, _ in told(ON_THE_DAY)] == [oh.email]
    assert "overdue" in told(AFTER)[0][1]


def test_an_offer_does_not_lapse_before_anybody_was_reminded(alice):
    """As after days in which the worker stood still."""
    application = waiting(S.OFFERED, applicant=alice)
    assert [to for to, _ in told(AFTER)] == [alice.email]
    application.refresh_from_db()
    assert (application.status, application.due_at) == (S.OFFERED, kst(2026, 3, 25, 18))
    assert told(AFTER) == []
    told(kst(2026, 3, 26, 9))
    application.refresh_from_db()
    assert application.status == S.LAPSED


def test_an_offer_is_reminded_of_twice_and_lapses(alice):
    application = waiting(S.OFFERED, applicant=alice)
    assert [to for to, _ in told(FIVE_BEFORE)] == [alice.email]
    assert told(THREE_BEFORE) == []
    assert [to for to, _ in told(TWO_BEFORE)] == [alice.email]
    remind(AFTER)
    application.refresh_from_db()
    assert application.status == S.LAPSED


def test_a_draft_is_reminded_of_before_its_call_closes(alice):
    call = CallFactory(closes_at=DUE)
    ApplicationFactory(call=call, applicant=alice, status=S.DRAFT, revision=3)
    ApplicationFactory(call=call, status=S.DRAFT, revision=0)
    assert told(DUE - timedelta(days=3, hours=1)) == []
    assert [to for to, _ in told(DUE - timedelta(days=2))] == [alice.email]
    assert told(DUE - timedelta(days=1)) == []
    assert told(DUE + timedelta(days=1)) == []


def test_a_final_report_is_asked_for_and_then_overdue(alice):
    grant = GrantFactory(project=ProjectFactory(pi=alice), ends_at=kst(2026, 4, 1))
    assert told(kst(2026, 3, 31, 9)) == []
    assert len(told(kst(2026, 4, 10, 9))) == 1
    assert "overdue" in told(kst(2026, 5, 4, 9))[0][1]
    FinalReport.objects.create(grant=grant, updated_at=NOW, submitted_at=NOW, submitted_by=alice)
    Notice.objects.all().delete()
    assert told(kst(2026, 5, 5, 9)) == []


def test_one_reminder_that_cannot_be_told_stops_no_other_and_is_tried_again(alice, monkeypatch):
    poison = waiting(S.RETURNED)
    Application.objects.filter(pk=poison.pk).update(number="2026-0666")
    ApplicationFactory(status=S.RETURNED, due_at=DUE, applicant=alice)
    tell = reminders.mails.correction

    def failing(application: Application, late: bool) -> None:
        if application.pk == poison.pk:
            raise ZeroDivisionError
        tell(application, late)

    monkeypatch.setattr(reminders.mails, "correction", failing)
    assert [to for to, _ in told(TWO_BEFORE)] == [alice.email]
    monkeypatch.setattr(reminders.mails, "correction", tell)
    assert [to for to, _ in told(TWO_BEFORE)] == [poison.applicant.email]


def test_one_failing_source_stops_no_other(alice, monkeypatch):
    def broken(at: Any) -> Any:
        raise ZeroDivisionError

    waiting(S.RETURNED, applicant=alice)
    monkeypatch.setattr(reminders, "SOURCES", (broken, *reminders.SOURCES))
    assert len(told(TWO_BEFORE)) == 1


def test_the_round_takes_as_many_queries_for_many_as_for_few(django_assert_max_num_queries):
    for _ in range(20):
        waiting_row = ApplicationFactory(status=S.RETURNED, due_at=DUE)
        ReviewFactory(application=ApplicationFactory(status=S.REVIEW), submitted_at=None, due_at=DUE)
        Notice.objects.create(key=f"returned:{waiting_row.pk}:2:202603200900", at=NOW)
    remind(AFTER)
    with django_assert_max_num_queries(40):
        assert remind(AFTER) == 0


def test_the_worker_tells_also_while_slurm_is_away(alice, monkeypatch):
    def away(self: Worker) -> Any:
        raise SlurmUnavailable("away")

    waiting(S.RETURNED, applicant=alice, call=CallFactory())
    monkeypatch.setattr(Worker, "_gateway", away)
    Worker([task for task in tasks() if isinstance(task, Chore) or task.name == "capacity"]).run(once=True)
    assert not Mail.objects.exists()  # not due yet at NOW
    Application.objects.update(due_at=NOW)
    Worker([task for task in tasks() if isinstance(task, Chore)]).run(once=True)
    assert Mail.objects.filter(to=alice.email).count() == 1


def test_the_command_says_how_many(alice, capsys):
    Application.objects.filter(pk=waiting(S.RETURNED, applicant=alice).pk).update(due_at=NOW - timedelta(days=1))
    call_command("remind")
    assert capsys.readouterr().out == "1 told.\n"
    call_command("remind")
    assert capsys.readouterr().out == "0 told.\n"
