"""Every transition of the table, and every one that is not in it."""

from __future__ import annotations

import itertools

import pytest

from allocations.models import Decision, Project
from allocations.services.applications import application_submit, application_withdraw
from allocations.services.decisions import decision_award, decision_decline
from allocations.services.reviews import review_start
from allocations.workflow import TRANSITIONS, ApplicationStatus, LostRace, advance
from portal.events.models import Event
from tests.factories import HOUR, NOW, ApplicationFactory, PoolFactory, ReviewFactory

pytestmark = pytest.mark.django_db
PAIRS = list(itertools.product(ApplicationStatus, ApplicationStatus))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_status_follows_only_where_the_table_says(source, target):
    application = ApplicationFactory(status=source)
    if target in TRANSITIONS[source]:
        advance(application, target)
        assert application.status == target
    else:
        with pytest.raises(LostRace):
            advance(application, target)
        application.refresh_from_db()
        assert application.status == source


def act(target, application, dana):
    if target == ApplicationStatus.SUBMITTED:
        return application_submit(application=application, by=application.applicant, at=NOW)
    if target == ApplicationStatus.WITHDRAWN:
        return application_withdraw(application=application, by=application.applicant, at=NOW)
    if target == ApplicationStatus.AWARDED:
        return decision_award(application=application, awards={PoolFactory(): 10 * HOUR}, by=dana, at=NOW)
    return decision_decline(application=application, reason="자원이 부족합니다.", by=dana, at=NOW)


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[1] != ApplicationStatus.DRAFT])
def test_a_service_acts_only_where_the_table_says_and_leaves_nothing_behind_where_not(source, target, dana):
    application = ApplicationFactory(status=source)
    ReviewFactory(application=application)
    if target in TRANSITIONS[source]:
        act(target, application, dana)
        assert application.status == target
        return
    events = Event.objects.count()
    with pytest.raises(LostRace):
        act(target, application, dana)
    application.refresh_from_db()
    assert application.status == source
    assert (Decision.objects.count(), Project.objects.count(), Event.objects.count()) == (0, 0, events)


@pytest.mark.parametrize("status", [status for status in ApplicationStatus if status != ApplicationStatus.SUBMITTED])
def test_only_what_is_submitted_is_reviewed(status, rhee):
    with pytest.raises(Exception) as outcome:
        review_start(application=ApplicationFactory(status=status), by=rhee, at=NOW)
    assert outcome.typename in {"LostRace", "Refused"}
