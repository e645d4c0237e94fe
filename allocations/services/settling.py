"""A closed call is decided once nothing of it waits for a decision or its announcement."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.models import Call
from allocations.workflow import ApplicationStatus
from portal.events.services import record

# In these a closed call still has something to decide or to announce.
UNDECIDED = (
    ApplicationStatus.SUBMITTED,
    ApplicationStatus.RETURNED,
    ApplicationStatus.TECHNICAL,
    ApplicationStatus.REVIEW,
    ApplicationStatus.PANEL,
    ApplicationStatus.DECIDED,
)


@transaction.atomic
def call_settle(*, call: Call, at: datetime) -> bool:
    """Mark the call as decided where it is closed and nothing is left to do; whether it was marked now."""
    locked = Call.objects.select_for_update(no_key=True).get(pk=call.pk)
    if locked.stage(at) != Call.Stage.CLOSED or locked.applications.filter(status__in=UNDECIDED).exists():
        return False
    Call.objects.filter(pk=call.pk).update(decided_at=at)
    record("call.decided", target=locked, by=None, at=at, title=locked.title_ko)
    return True


def calls_settle(at: datetime) -> int:
    """Settle every closed call whose last application was decided, withdrawn or found ineligible; how many there were.
    The worker calls it, since not every end of an application is an announcement."""
    closed = Call.objects.published(at).filter(closes_at__lte=at, decided_at=None)
    done = closed.exclude(applications__status__in=UNDECIDED)
    return sum(call_settle(call=call, at=at) for call in done)
