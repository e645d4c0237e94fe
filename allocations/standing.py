"""Where things stand, in words: who has an application, since when, what comes next; how far Slurm has followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from allocations.budget import FLOORING_GPU_SECONDS, SECONDS_A_MINUTE
from allocations.models import Account, Application, Cluster, Grant, GrantLine, Review, Tier
from allocations.workflow import CLOSED, ApplicationStatus
from allocations.workflow import ApplicationStatus as S
from portal.web.templatetags.figures import gpu_hours


@dataclass(frozen=True, slots=True)
class Standing:
    """Who has the application (nobody when it is closed), since when, by when they should have done their part, and
    what happens next."""

    holder: str
    since: datetime | None
    due_at: datetime | None
    next: str

    def is_late(self, at: datetime) -> bool:
        return self.due_at is not None and at > self.due_at


def standing(application: Application, *, named: bool = False) -> Standing:
    """Where the application stands, in words; `named` tells the office who the people are, which is not for others.

    Reads `application.call`, `.tier`, `.reviews` and, where `named`, the applicant, `.technical_reviews` and the
    people behind both: what lists prefetch.
    """
    status = S(application.status)
    due_at = application.call.closes_at if status == S.DRAFT else application.due_at
    who = (_names(application) if named else "") or _holder(application)
    return Standing(who, application.status_since, None if status in CLOSED else due_at, _next(application))


def _holder(application: Application) -> str:
    status = S(application.status)
    if status in {S.DRAFT, S.RETURNED, S.OFFERED}:
        return _("Applicant")
    if status == S.REVIEW:
        done, needed = len(_submitted(application)), application.reviews_needed
        return _("Reviewers (%(done)s of %(needed)s reviews)") % {"done": done, "needed": needed}
    return {
        S.SUBMITTED: _("Office of the center"),
        S.TECHNICAL: _("Technical reviewer"),
        S.PANEL: _("Panel"),
        S.DECIDED: _("Panel"),
        S.RESERVE: _("Panel"),
        S.AWARDED: _("PI"),
    }.get(status) or _("Nobody: closed")


def _names(application: Application) -> str:
    """Who has it by name; empty where it is everybody's of a role or nobody's."""
    status = S(application.status)
    if status in {S.DRAFT, S.RETURNED, S.OFFERED, S.AWARDED}:
        return application.applicant.display_name
    if status == S.TECHNICAL:
        begun = [review for review in application.technical_reviews.all() if review.submitted_at is None]
        return ", ".join(review.reviewer.display_name for review in begun)
    if status == S.REVIEW:
        waiting = [row for row in application.reviews.all() if row.released_at is None and row.submitted_at is None]
        return ", ".join(review.reviewer.display_name for review in waiting) or _("No reviewer: assign one")
    return ""


def _submitted(application: Application) -> list[Review]:
    return [row for row in application.reviews.all() if row.released_at is None and row.submitted_at is not None]


def _next(application: Application) -> str:
    status, route = S(application.status), application.route
    if status == S.TECHNICAL and route != Tier.Route.FULL:
        return _("The technical check decides.")
    if status == S.SUBMITTED and route == Tier.Route.RULE:
        return _("The office checks what the rule could not decide by itself.")
    return {
        S.DRAFT: _("Submit it before the call closes."),
        S.SUBMITTED: _("After the check comes the technical review."),
        S.RETURNED: _("Once corrected and submitted again, it goes on."),
        S.TECHNICAL: _("After the technical review comes the scientific review."),
        S.REVIEW: _("After the reviews the panel decides."),
        S.PANEL: _("The panel decides."),
        S.DECIDED: _("The decision is made; it will be announced."),
        S.OFFERED: _("The grant begins once the agreement is made."),
        S.AWARDED: _("The grant is put into force in Slurm by itself."),
        S.RESERVE: _("It moves up where awarded hours become free."),
    }.get(status) or _("Nothing more happens with this application.")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: `state` is done, current or ahead."""

    label: str
    state: str
    at: datetime | None = None
    note: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Station:
    """A part of the way, with the states an application passes there; `at` is when it was done, where that is known."""

    label: str
    states: frozenset[ApplicationStatus] = frozenset()
    at: datetime | None = None


# Of those that ended on the way: the station they did not reach.
ENDED_BEFORE = {
    S.WITHDRAWN: S.SUBMITTED,
    S.INELIGIBLE: S.SUBMITTED,
    S.DECLINED: S.OFFERED,
    S.TURNED_DOWN: S.OFFERED,
    S.LAPSED: S.OFFERED,
}

# States that only the whole way has.
ON_THE_WHOLE_WAY = frozenset({S.REVIEW, S.PANEL, S.DECIDED, S.RESERVE})


def steps(application: Application) -> list[Step]:
    """The way of an application by its tier, with the step it is at. Reads what `standing` reads."""
    status, stations = S(application.status), _stations(application)
    place = _place(stations, ENDED_BEFORE.get(status, status))
    if status == S.WITHDRAWN and application.submitted_at is None:
        place = 1
    done = [Step(station.label, "done", station.at) for station in stations[:place]]
    label = str(application.get_status_display())
    if status in ENDED_BEFORE:
        return [*done, Step(label, "current", application.status_since)]
    now = standing(application)
    here = Step(label, "current", now.since, f"{now.holder} · {now.next}", now.due_at)
    return [*done, here, *(Step(station.label, "ahead") for station in stations[place + 1 :])]


def _place(stations: list[_Station], status: ApplicationStatus) -> int:
    return next(place for place, station in enumerate(stations) if status in station.states)


def _stations(application: Application) -> list[_Station]:
    """RULE: decided at once. TECHNICAL: after one check. FULL: all of them, but for reviews that were not needed."""
    route = application.route
    by_rule = route == Tier.Route.RULE and not _assessed(application)
    # A tier that was changed on the way takes no step back from an application that is past it.
    whole = route == Tier.Route.FULL or application.status in ON_THE_WHOLE_WAY
    return [
        _Station(_("Written"), frozenset({S.DRAFT}), application.created_at),
        _Station(_("Submitted"), at=application.submitted_at),
        _Station(_("Decision by rule") if by_rule else _("Eligibility check"), frozenset({S.SUBMITTED, S.RETURNED})),
        *([] if by_rule else [_Station(_("Technical review"), frozenset({S.TECHNICAL}))]),
        *([_Station(_("Scientific review"), frozenset({S.REVIEW}))] if whole and _reviewed(application) else []),
        *([_Station(_("Decision"), frozenset({S.PANEL, S.DECIDED, S.RESERVE}))] if whole else []),
        _Station(_("Agreement"), frozenset({S.OFFERED})),
        _Station(_("GPU time granted"), frozenset({S.AWARDED})),
    ]


def _assessed(application: Application) -> bool:
    return application.status == S.TECHNICAL or bool(application.technical_reviews.all())


def _reviewed(application: Application) -> bool:
    """Whether scientific review is ahead, goes on, or has taken place: not where it was passed over."""
    if application.status == S.REVIEW:
        return True
    past = S(application.status) not in {S.DRAFT, S.SUBMITTED, S.RETURNED, S.TECHNICAL}
    return bool(_submitted(application)) if past else application.reviews_needed > 0


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How far Slurm has followed for an account: kind of badge, words, a sentence more where there is one."""

    badge: str
    words: str
    note: str = ""
    since: datetime | None = None


def account_standing(account: Account, cluster: Cluster, at: datetime, *, by_hand: bool = False) -> AccountStanding:
    """`by_hand`: somebody stopped the account in Slurm itself, which the portal respects."""
    if account.state == Account.State.REFUSED:
        words = _("Refused by Slurm: %(words)s") % {"words": account.slurm_words}
        return AccountStanding("danger", words, _("The center's operators see this and will act."))
    if by_hand:
        note = _(
            "The center has stopped this account in Slurm itself. Nothing new starts until the center releases it."
        )
        return AccountStanding("warning", _("Stopped by the center"), note)
    if not account.managed:
        note = _("This account stood in Slurm before the portal, and works there as it did.")
        return AccountStanding("info", _("Linked"), note)
    if account.state == Account.State.IN_FORCE:
        return _in_force(account)
    if not cluster.is_attached(at):
        absent = settings.SLURM_ABSENT_REASON
        note = _(absent) if absent else _("No worker of the cluster has reported lately.")
        return AccountStanding("warning", _("Waiting: no cluster is attached"), note)
    if not cluster.writing_enabled:
        note = _("The portal only observes the cluster now. It goes on when an operator switches writing on.")
        return AccountStanding("warning", _("Waiting: observing only"), note)
    return AccountStanding("pending", _("Being applied"), _("Slurm is told by itself, usually within seconds."))


def _in_force(account: Account) -> AccountStanding:
    if account.parked:
        note = _("No grant is open now, so nothing can start.")
    elif account.exhausted_at:
        note = _("The hours are used up: running jobs go on to their end, nothing new starts.")
    else:
        note = ""
    return AccountStanding("success", _("In force"), note, since=account.in_force_since)


def ended_standing(line: GrantLine, granted_gpu_seconds: int, covered_gpu_seconds: int) -> AccountStanding:
    """What a line whose grant is over came to. `covered`: what of the grant only covers an overrun that is past."""
    if line.settled_at is None or line.settled_gpu_seconds is None:
        note = _("Settled once the last jobs have ended and their use has been read.")
        return AccountStanding("neutral", _("Being settled"), note)
    note = _came_to(line.settled_gpu_seconds, granted_gpu_seconds, covered_gpu_seconds)
    return AccountStanding("neutral", _("Settled"), note, since=line.settled_at)


def _came_to(used: int, granted: int, covered: int) -> str:
    beyond = used - granted
    amounts = {"used": gpu_hours(used), "granted": gpu_hours(granted), "beyond": gpu_hours(covered or beyond)}
    if beyond >= FLOORING_GPU_SECONDS:
        text = _(
            "%(used)s GPU-hours used, %(beyond)s of them beyond the grant: the next grant in this pool bears them."
        )
    elif covered:
        text = _("%(used)s GPU-hours used, %(beyond)s of them beyond the grant, carried over or written off.")
    elif granted - used < SECONDS_A_MINUTE:
        text = _("All %(granted)s GPU-hours used.")
    else:
        text = _("%(used)s of %(granted)s GPU-hours used; what was left has lapsed.")
    return text % amounts


def grant_phase(grant: Grant, at: datetime, *, suspended: bool) -> tuple[str, str]:
    """Kind of badge and word: open, suspended, ended or to come."""
    if at >= grant.ends_at:
        return "neutral", _("Ended")
    if suspended:
        return "danger", _("Suspended")
    return ("info", _("Not yet open")) if at < grant.starts_at else ("success", _("Open"))
