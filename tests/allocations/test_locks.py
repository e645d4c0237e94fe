"""Whatever takes hours or reviewers of a call locks in one order (services/room.py), so that nobody waits for somebody
who waits for them; and what is locked is what is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.models import Application, ChangeRequest, Drift, Overrun, Review, TechnicalReview
from allocations.services import Refused
from allocations.services.applications import application_start, application_submit
from allocations.services.assignment import call_assign
from allocations.services.calls import call_take_back
from allocations.services.changes import change_grant, grant_return, hours_return, supplement_ask
from allocations.services.decisions import Verdict, decision_by_rule, decision_make, decisions_adopt, decisions_announce
from allocations.services.drift import drift_adopt
from allocations.services.offers import offer_accept
from allocations.services.overruns import line_settle, overrun_carry, overrun_found, overrun_write_off
from allocations.services.reviews import (
    Opinion,
    review_assign,
    review_declare,
    review_release,
    review_save,
    review_submit,
)
from allocations.services.suspension import grant_suspend
from allocations.services.technical import TechnicalOpinion, technical_start, technical_submit
from allocations.workflow import ApplicationStatus as S
from allocations.workflow import LostRace
from tests.allocations.applying import completed
from tests.factories import HOUR, NOW, DecisionFactory, GrantFactory, ReviewFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
ORDER = ["allocations_application", "people_user", "allocations_call", "allocations_callpool"]
LOCK = re.compile(r'FROM "(\w+)".* FOR (NO KEY )?UPDATE')


def locks(act: Callable[[], object], tables: list[str] = ORDER) -> list[tuple[str, bool]]:
    """The rows that an act locks one after the other: of which table, and whether also against being referred to."""
    with CaptureQueriesContext(connection) as asked, suppress(Refused):
        act()
    found = [found for query in asked if (found := LOCK.search(query["sql"]))]
    return [(row[1], row[2] is None) for row in found if row[1] in tables]


@pytest.fixture
def at(submitted: Application) -> Callable[[S], Application]:
    def standing(status: S) -> Application:
        Application.objects.filter(pk=submitted.pk).update(status=status)
        submitted.refresh_from_db()
        return submitted

    return standing


@pytest.fixture
def acts(at, call, alice, dana, oh, draft) -> dict[str, Callable[[], object]]:
    tess, reviewer = UserFactory(roles=["technical"]), UserFactory(roles=["reviewer"])
    requested = {}

    def prepared(status: S) -> Application:
        application = at(status)
        requested.update({line.pool: line.requested_gpu_seconds for line in application.lines.all()})
        return application

    def review(**stands: object) -> Review:
        return ReviewFactory(application=at(S.REVIEW), reviewer=reviewer, submitted_at=None, **stands)

    def assessed() -> TechnicalReview:
        return technical_start(application=at(S.TECHNICAL), by=tess, at=NOW)

    def decided(status: S, **decision: object) -> Application:
        DecisionFactory(application=at(status), **decision)
        return at(status)

    who = {"by": oh, "at": NOW}
    return {
        "assign": lambda: review_assign(application=at(S.REVIEW), reviewer=reviewer, **who),
        "assign all": lambda: call_assign(call=at(S.REVIEW).call, **who),
        "release": lambda: review_release(review=review(), **who),
        "declare": lambda: review_declare(review=review(declared_at=None), by=reviewer, at=NOW),
        "conflict": lambda: review_declare(review=review(), conflict_reason="My student's.", by=reviewer, at=NOW),
        "assess": lambda: technical_submit(review=assessed(), opinion=TechnicalOpinion("feasible"), by=tess, at=NOW),
        "decide": lambda: decision_make(
            application=prepared(S.PANEL), outcome="awarded", awards=requested, reason="Good.", by=dana, at=NOW
        ),
        "adopt": lambda: decisions_adopt(verdicts=[(at(S.PANEL), Verdict("declined", reason="No."))], by=dana, at=NOW),
        "announce": lambda: decisions_announce(applications=[decided(S.DECIDED, announced_at=None)], by=dana, at=NOW),
        "rule": lambda: decision_by_rule(application=at(S.SUBMITTED), at=NOW),
        "start": lambda: application_start(call=call, by=alice, at=NOW),
        "submit": lambda: application_submit(application=completed(draft), by=alice, at=NOW),
        "accept": lambda: offer_accept(application=decided(S.OFFERED), given={}, by=alice, at=NOW),
    }


ACTS = [
    *("assign", "assign all", "release", "declare", "conflict", "assess"),
    *("decide", "adopt", "announce", "rule", "start", "submit", "accept"),
]


@pytest.mark.parametrize("name", ACTS)
def test_everybody_locks_in_one_order_and_against_no_reference(name, acts):
    taken = locks(acts[name])
    places = [ORDER.index(table) for table, _against_references in taken]
    first = [places.index(place) for place in sorted(set(places))]
    assert first == sorted(first), taken
    assert not any(against_references for _table, against_references in taken), taken


GRANT_ORDER = ["allocations_drift", "allocations_grant", "allocations_grantline"]


@pytest.fixture
def grant_acts(project, alice, dana, oh) -> dict[str, Callable[[], object]]:
    """On the project's running grant, and on one that is over and was overrun."""
    grant, who = project.grants.get(), {"by": oh, "at": NOW}
    ended = GrantFactory(project=project, hours=10, starts_at=kst(2026, 1, 1), ends_at=kst(2026, 2, 1))
    line, over = grant.lines.get(), ended.lines.get()
    limit = Drift.objects.create(kind="limit", account="p26001-h100", expected="60", found="120", found_at=NOW)

    def ask() -> ChangeRequest:
        return supplement_ask(line=line, gpu_seconds=HOUR, reason="r", by=alice, at=NOW)

    def overrun() -> Overrun:
        return overrun_found(line=over, gpu_seconds=HOUR, at=NOW)

    return {
        "suspend": lambda: grant_suspend(grant=grant, reason="r", **who),
        "give back some": lambda: hours_return(line=line, gpu_seconds=HOUR, reason="r", by=alice, at=NOW),
        "give back all": lambda: grant_return(grant=grant, reason="r", by=alice, at=NOW),
        "supplement": lambda: change_grant(change=ask(), by=dana, at=NOW),
        "settle": lambda: line_settle(line=over, at=NOW),
        "carry": lambda: overrun_carry(overrun=overrun(), to=line, at=NOW),
        "write off": lambda: overrun_write_off(overrun=overrun(), reason="r", **who),
        "adopt": lambda: drift_adopt(drift=limit, gpu_seconds=HOUR, line=line, reason="r", **who),
    }


GRANT_ACTS = ["suspend", "give back some", "give back all", "supplement", "settle", "carry", "write off", "adopt"]


@pytest.mark.parametrize("name", GRANT_ACTS)
def test_a_grant_is_locked_before_its_lines(name, grant_acts):
    taken = [GRANT_ORDER.index(table) for table, _against_references in locks(grant_acts[name], GRANT_ORDER)]
    assert taken
    assert taken == sorted(taken)


def test_a_call_that_was_taken_back_meanwhile_takes_no_application(call, alice, oh):
    stale = type(call).objects.get(pk=call.pk)
    call_take_back(call=call, by=oh, at=NOW)
    with pytest.raises(Refused):
        application_start(call=stale, by=alice, at=NOW)
    assert not call.applications.exists()


def test_a_review_changed_meanwhile_is_not_handed_in(review, rhee, call):
    read = Review.objects.get(pk=review.pk)
    opinion = Opinion({row.pk: 4 for row in call.criteria.all()}, "Well planned.", "", HOUR)
    review_save(review=review, opinion=Opinion({}, "Written later."), revision=review.revision, by=rhee, at=NOW)
    with pytest.raises(LostRace):
        review_submit(review=read, opinion=opinion, by=rhee, at=NOW)
    review.refresh_from_db()
    assert (review.comment_to_applicant, review.submitted_at) == ("Written later.", None)
