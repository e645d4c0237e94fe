"""What an operator does about something that changed in Slurm behind the portal's back: put it right, or adopt it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, Cluster, Drift, GrantLine, LedgerEntry, Project
from allocations.services.guards import require_no_stake
from allocations.services.ledger import ledger_enter, left_gpu_seconds
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import hours_text

# What was taken away: given back by the portal itself, or on an operator's word (Cluster.repairs_by_itself).
TAKEN = frozenset({Drift.Kind.LIMIT, Drift.Kind.QOS, Drift.Kind.REMOVED})
# What the portal can put right once an operator says so.
REPAIRABLE = TAKEN | {Drift.Kind.STOPPED}


def may_be_repaired(drift: Drift, cluster: Cluster) -> bool:
    """Whether an operator's word is what is missing for the portal to put it right."""
    waits = REPAIRABLE - TAKEN if cluster.repairs_by_itself else REPAIRABLE
    return drift.closed_at is None and drift.repair_asked_at is None and drift.kind in waits


def is_left_to_a_person(drift: Drift) -> bool:
    """Whether nothing but a person's own work in Slurm ends it: the portal moves nothing there and removes nothing."""
    misplaced = drift.kind in (Drift.Kind.PARENT, Drift.Kind.LINEAGE)
    return misplaced or (drift.kind == Drift.Kind.ADDED and not drift.person)


def drifts_to_decide(*, repairs_by_itself: bool) -> QuerySet[Drift]:
    """Open ones that stay until a person acts. What somebody stopped by hand is somebody's will, and no trouble."""
    waiting = Q(kind__in=[Drift.Kind.PARENT, Drift.Kind.LINEAGE]) | Q(kind=Drift.Kind.ADDED, person="")
    if not repairs_by_itself:
        waiting |= Q(kind__in=TAKEN, repair_asked_at=None)
    return Drift.objects.filter(waiting, closed_at=None)


def adoptable_gpu_seconds(drift: Drift) -> int | None:
    """By how much the limit that was found differs from the granted one; None where nothing can be adopted.

    Also after the portal has put the limit back: what somebody gave may be granted properly then. A limit that was
    taken away altogether is no amount, and a person's cap is the PI's.
    """
    open_or_repaired = drift.outcome in ("", Drift.Outcome.REPAIRED)
    amounts = drift.expected.isdecimal() and drift.found.isdecimal()
    if drift.kind != Drift.Kind.LIMIT or drift.person or not (open_or_repaired and amounts):
        return None
    return (int(drift.found) - int(drift.expected)) * SECONDS_A_MINUTE or None


def lines_to_adopt(drift: Drift, at: datetime) -> list[GrantLine]:
    """The open lines that an adopted limit may be entered on."""
    account = Account.objects.filter(name=drift.account, managed=True).first()
    if account is None:
        return []
    lines = GrantLine.objects.open(at).filter(grant__project=account.project_id, pool=account.pool_id, settled_at=None)
    return list(lines.select_related("grant__application", "grant__project", "pool"))


@transaction.atomic
def drift_repair(*, drift: Drift, by: User, at: datetime) -> Drift:
    """Let the portal put it right at its next pass. Raises LostRace where that is asked or done already, Refused where
    the portal never does, and to whom releases what somebody stopped in a project of their own."""
    if drift.kind not in REPAIRABLE:
        raise Refused(_("The portal does not put this right: it is done with sacctmgr."))
    if drift.kind == Drift.Kind.STOPPED and (project := _project_of(drift)):
        require_no_stake(by, project)
    if not Drift.objects.filter(pk=drift.pk, closed_at=None, repair_asked_at=None).update(repair_asked_at=at):
        raise LostRace("drift_repair")
    drift.refresh_from_db()
    record("drift.repair_asked", target=drift, by=by, at=at, account=str(drift).partition(" ")[2])
    return drift


def _project_of(drift: Drift) -> Project | None:
    named = Q(code=drift.account) | Q(accounts__name=drift.account)
    return Project.objects.filter(named).distinct().first()


@transaction.atomic
def drift_adopt(*, drift: Drift, gpu_seconds: int, line: GrantLine, reason: str, by: User, at: datetime) -> LedgerEntry:
    """Make the limit that was found the granted one: its difference is entered on the line, with a name and a reason.

    `gpu_seconds`: the difference that the operator was shown. Raises Refused where a rule forbids it, LostRace where it
    was adopted or has gone meanwhile, or is another by now.
    """
    drift = Drift.objects.select_for_update().get(pk=drift.pk)
    if adoptable_gpu_seconds(drift) != gpu_seconds:
        raise LostRace("drift_adopt")
    line = GrantLine.objects.select_for_update(of=("self",)).select_related("grant__project", "pool").get(pk=line.pk)
    if line not in lines_to_adopt(drift, at):
        raise Refused(_("Choose an open grant of this account."))
    require_no_stake(by, line.grant.project)
    if not reason.strip():
        raise Refused(_("Say why the limit is adopted."))
    if gpu_seconds < 0 and left_gpu_seconds(line) < -gpu_seconds:
        raise Refused(_("The grant has less left than would be taken from it."))
    kind = LedgerEntry.Kind.ADJUSTMENT
    entry = ledger_enter(line=line, kind=kind, gpu_seconds=gpu_seconds, reason=reason, by=by, at=at)
    drift.outcome, drift.ledger_entry, drift.closed_by = Drift.Outcome.ADOPTED, entry, by
    drift.closed_at = drift.closed_at or at
    drift.save(update_fields=["outcome", "ledger_entry", "closed_at", "closed_by"])
    hours = hours_text(gpu_seconds, 2)
    topics = tuple(line.grant.event_topics())
    record("drift.adopted", target=drift, by=by, at=at, topics=topics, account=drift.account, gpu_hours=hours)
    return entry
