"""Calls as everybody reads them, and as the office does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from allocations.fields import Field, Level, Section, fields_of
from allocations.models import Application, Call, CallPool, Criterion, Tier
from allocations.sizes import Size, sizes
from allocations.texts import center_text
from allocations.workdays import business_days_left
from allocations.workflow import ApplicationStatus
from portal.events.models import Event
from portal.people.models import User

EVENTS_SHOWN = 30
WHO_MAY_APPLY = {
    Call.Track.ACADEMIC: gettext_lazy("People of universities, research institutes and public bodies, and of firms."),
    Call.Track.FIRM: gettext_lazy("People of firms."),
    Call.Track.EDUCATION: gettext_lazy("Who teaches a course or class at a university, institute or firm."),
    Call.Track.STARTER: gettext_lazy("Everybody who wants to try the center's GPUs, from any institution."),
    Call.Track.URGENT: gettext_lazy("Everybody who cannot wait for the next call, with a reason."),
}


# With fewer business days left a deadline is marked.
SOON = 5


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """What is left until a deadline, in words."""

    text: str
    soon: bool


def time_left(call: Call, at: datetime) -> TimeLeft:
    """Business days; where none is left before a deadline on a holiday, days."""
    days = (timezone.localdate(call.closes_at) - timezone.localdate(at)).days
    business_days = business_days_left(at, call.closes_at)
    if days < 1:
        return TimeLeft(_("closes today"), soon=True)
    if business_days < 1:
        return TimeLeft(ngettext("%(days)s day left", "%(days)s days left", days) % {"days": days}, soon=True)
    text = ngettext("%(days)s business day left", "%(days)s business days left", business_days)
    return TimeLeft(text % {"days": business_days}, soon=business_days < SOON)


@dataclass(frozen=True, slots=True)
class CallRow:
    call: Call
    left: TimeLeft


def calls_listed(at: datetime) -> dict[str, list[CallRow]]:
    """Published calls: `open` by deadline, `upcoming` by opening, `closed` the latest first."""
    published = Call.objects.published(at).select_related("programme").prefetch_related("pools")
    rows = [_row(call, at) for call in published]
    return {
        "open": sorted((row for row in rows if row.call.is_open(at)), key=lambda row: row.call.closes_at),
        "upcoming": sorted((row for row in rows if row.call.opens_at > at), key=lambda row: row.call.opens_at),
        "closed": [row for row in rows if row.call.closes_at <= at],
    }


def _row(call: Call, at: datetime) -> CallRow:
    return CallRow(call, time_left(call, at))


@dataclass(frozen=True, slots=True)
class CallPage:
    """All that a call tells who thinks of applying."""

    call: Call
    stage: Call.Stage
    left: TimeLeft
    offers: list[CallPool]
    sizes: list[Size]
    criteria: list[Criterion]
    asked: list[tuple[Section, list[tuple[Field, Level]]]]
    who: str
    contact: str


def call_page(call: Call, at: datetime) -> CallPage:
    tiers = list(call.tiers.all())
    # Where no size goes before reviewers, nobody gives the scores that criteria are for.
    judged = not tiers or any(tier.route == Tier.Route.FULL for tier in tiers)
    return CallPage(
        call=call,
        stage=call.stage(at),
        left=time_left(call, at),
        offers=list(call.offers.select_related("pool")),
        sizes=sizes(call, tiers),
        criteria=list(call.criteria.all()) if judged else [],
        asked=fields_asked(call),
        who=str(WHO_MAY_APPLY[Call.Track(call.track)]),
        contact=center_text("contact"),
    )


def fields_asked(call: Call) -> list[tuple[Section, list[tuple[Field, Level]]]]:
    """What the form asks, step by step, without what is hidden."""
    steps = [(section, fields_of(call, section)) for section in Section]
    return [(section, rows) for section, rows in steps if rows]


def own_applications(call: Call, user: User) -> Mapping[str, object]:
    """What a person has in the call: a `draft` to go on with, and what is `submitted`."""
    own = list(Application.objects.filter(call=call, applicant=user).exclude(status=ApplicationStatus.WITHDRAWN))
    drafts = [row for row in own if row.status == ApplicationStatus.DRAFT]
    return {"draft": drafts[0] if drafts else None, "submitted": [row for row in own if row not in drafts]}


@dataclass(frozen=True, slots=True)
class OfficeCallRow:
    call: Call
    handed_in: int
    drafts: int


def office_calls(at: datetime) -> list[tuple[Call.Stage, list[OfficeCallRow]]]:
    """Every call by where it stands, drafts first."""
    counted = Call.objects.select_related("programme").annotate(
        handed_in=Count("applications", filter=~Q(applications__submitted_at=None)),
        drafts=Count("applications", filter=Q(applications__status=ApplicationStatus.DRAFT)),
    )
    by_stage: dict[Call.Stage, list[OfficeCallRow]] = {stage: [] for stage in Call.Stage}
    for call in counted:
        by_stage[call.stage(at)].append(OfficeCallRow(call, call.handed_in, call.drafts))
    return [(stage, rows) for stage, rows in by_stage.items() if rows]


def events_of(kind: str, pk: int | str) -> list[Event]:
    """What happened to a row, the latest first."""
    events = Event.objects.filter(target_kind=kind, target_id=str(pk)).select_related("by")
    return list(events[:EVENTS_SHOWN])
