"""Where things stand, in words: who has an application, since when, what comes next; how far Slurm has followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from allocations.models import Account, Application, Cluster, Grant
from allocations.workflow import ApplicationStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """Who has the application (nobody when it is closed), since when, and what happens next."""

    holder: str
    since: datetime | None
    next: str


def standing(application: Application) -> Standing:
    """Reads `application.reviews`, `.call` and `.decision`, which lists prefetch."""
    status = application.status
    if status == ApplicationStatus.DRAFT:
        return Standing(_("Applicant"), application.updated_at, _("Submit it before the call closes."))
    if status == ApplicationStatus.SUBMITTED:
        return _under_review(application)
    if status == ApplicationStatus.AWARDED:
        return Standing(_("PI"), application.updated_at, _("The grant is put into force in Slurm by itself."))
    return Standing(_("Nobody: closed"), application.updated_at, _("Nothing more happens with this application."))


def _under_review(application: Application) -> Standing:
    moments = [review.submitted_at for review in application.reviews.all() if review.submitted_at is not None]
    needed = application.call.reviews_needed
    if len(moments) >= needed:
        return Standing(_("Panel"), max(moments, default=application.submitted_at), _("The panel decides."))
    holder = _("Reviewers (%(done)s of %(needed)s reviews)") % {"done": len(moments), "needed": needed}
    return Standing(holder, application.submitted_at, _("After the reviews the panel decides."))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: `state` is done, current or ahead."""

    label: str
    state: str
    at: datetime | None = None
    note: str = ""


def steps(application: Application) -> list[Step]:
    """The way of an application with the step it is at."""
    status, now = application.status, standing(application)
    note = f"{now.holder} · {now.next}"
    if status == ApplicationStatus.DRAFT:
        ahead = [Step(label, "ahead") for label in [_("Submitted"), _("Review"), _("Decision")]]
        return [Step(_("Draft"), "current", now.since, note), *ahead]
    written = Step(_("Written"), "done", application.created_at)
    handed_in = Step(_("Submitted"), "done", application.submitted_at)
    if status == ApplicationStatus.SUBMITTED:
        return [written, handed_in, Step(_("Review"), "current", now.since, note), Step(_("Decision"), "ahead")]
    if status == ApplicationStatus.WITHDRAWN:
        before = [written, handed_in] if application.submitted_at else [written]
        return [*before, Step(_("Withdrawn"), "current", application.updated_at)]
    outcome = Step(_("Decision"), "current", application.updated_at, application.get_status_display())
    return [written, handed_in, Step(_("Review"), "done"), outcome]


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How far Slurm has followed for an account: kind of badge, words, a sentence more where there is one."""

    badge: str
    words: str
    note: str = ""
    since: datetime | None = None


def account_standing(account: Account, cluster: Cluster, at: datetime) -> AccountStanding:
    if account.state == Account.State.IN_FORCE:
        note = _("No grant is open now, so nothing can start.") if account.parked else ""
        return AccountStanding("success", _("In force"), note, since=account.in_force_since)
    if account.state == Account.State.REFUSED:
        words = _("Refused by Slurm: %(words)s") % {"words": account.slurm_words}
        return AccountStanding("danger", words, _("The center's operators see this and will act."))
    if not cluster.is_attached(at):
        absent = settings.SLURM_ABSENT_REASON
        note = _(absent) if absent else _("No worker of the cluster has reported lately.")
        return AccountStanding("warning", _("Waiting: no cluster is attached"), note)
    if not cluster.writing_enabled:
        note = _("The portal only observes the cluster now. It goes on when an operator switches writing on.")
        return AccountStanding("warning", _("Waiting: observing only"), note)
    return AccountStanding("pending", _("Being applied"), _("Slurm is told by itself, usually within seconds."))


def grant_phase(grant: Grant, at: datetime) -> tuple[str, str]:
    """Kind of badge and word: open, suspended, ended or to come."""
    if at >= grant.ends_at:
        return "neutral", _("Ended")
    if grant.suspended_at is not None:
        return "danger", _("Suspended")
    return ("info", _("Not yet open")) if at < grant.starts_at else ("success", _("Open"))
