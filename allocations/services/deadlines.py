"""By when the next step should be done: the call's business days, counted from the moment of the last one."""

from __future__ import annotations

from datetime import datetime

from allocations.models import Call
from allocations.workdays import business_days_after
from allocations.workflow import Action, ApplicationStatus, target_of

# What the days of a state are called on the call. The other states wait for nobody.
DAYS_IN: dict[ApplicationStatus, str] = {
    ApplicationStatus.SUBMITTED: "days_for_check",
    ApplicationStatus.RETURNED: "days_for_correction",
    ApplicationStatus.TECHNICAL: "days_for_technical",
    ApplicationStatus.REVIEW: "days_for_reviews",
    ApplicationStatus.PANEL: "days_for_decision",
    ApplicationStatus.DECIDED: "days_for_decision",
    ApplicationStatus.OFFERED: "days_for_acceptance",
}


def due_after(step: Action | ApplicationStatus, call: Call, at: datetime) -> datetime | None:
    """By when who has the application after the step, or in the state, should have done their part; None where it
    waits for nobody. What goes into `advance(due_at=…)`.

    The panel compares what a call brought in, so its days run from the close of the call; an urgent call is decided
    as applications come.
    """
    status = target_of(step) if isinstance(step, Action) else ApplicationStatus(step)
    days = DAYS_IN.get(status)
    if days is None:
        return None
    waits_for_close = status == ApplicationStatus.PANEL and call.track != Call.Track.URGENT
    return business_days_after(max(at, call.closes_at) if waits_for_close else at, getattr(call, days))
