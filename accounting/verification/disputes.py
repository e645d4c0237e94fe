"""What stays unexplained between our figures and Slurm's, and so up to when they are known to be equal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounting.history.held import require_no_stake_in_account
from accounting.models import AcceptedDifference, Verification
from accounting.verification.causes import Cause, Gap, Kind
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.live.notices import announce
from portal.people.models import User


def verified_until(accounts: Collection[str] | None = None) -> datetime | None:
    """Up to when every closed hour, of these accounts or of all, equals Slurm's or differs for named causes only."""
    last = Verification.objects.first()
    return clear_until(last.covered_until, last.disputed, accounts) if last else None


def clear_until(
    covered_until: datetime | None, disputed: Iterable[Mapping[str, Any]], accounts: Collection[str] | None = None
) -> datetime | None:
    """The same from what the newest comparison says."""
    rows = (row for row in disputed if accounts is None or row["account"] in accounts)
    return min([covered_until, *(_moment(row, "since") for row in rows)]) if covered_until else None


def still_disputed(last: Verification | None, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """What was unexplained before, as far as it lies outside of what is compared now."""
    rows = last.disputed if last else []
    return [row for row in rows if _moment(row, "since") < start or _moment(row, "until") > end]


def dispute(gap: Gap) -> dict[str, Any]:
    """As Verification.disputed has it."""
    account, user = gap.pair
    return {
        "account": account,
        "user": user,
        "since": gap.span.start.astimezone(UTC).isoformat(),
        "until": gap.span.end.astimezone(UTC).isoformat(),
        "gpu_seconds": gap.unexplained,
    }


def name_accepted(gaps: Iterable[Gap]) -> None:
    """What an operator let stand, to the second, counts as explained by that."""
    gaps = list(gaps)
    names = {gap.pair[0] for gap in gaps}
    rows = AcceptedDifference.objects.filter(account__in=names) if names else ()
    accepted = {((row.account, row.user), row.since, row.until, row.gpu_seconds): row.reason for row in rows}
    for gap in gaps:
        if reason := accepted.get((gap.pair, *gap.span, gap.unexplained)):
            gap.causes.append(Cause(Kind.ACCEPTED, reason, gap.unexplained))


@transaction.atomic
def difference_accept(*, account: str, user: str, reason: str, by: User, at: datetime) -> None:
    """Let stand what is unexplained of a person's use of an account; another amount is shown again.

    Raises Refused without a reason or for a project of one's own, LostRace where nothing is unexplained any more.
    """
    if not reason.strip():
        raise Refused(_("Say why the difference may stand."))
    require_no_stake_in_account(by, account)
    last = Verification.objects.select_for_update().first()
    rows = of_person(last, account, user)
    if last is None or not rows:
        raise LostRace("difference")
    AcceptedDifference.objects.bulk_create(
        AcceptedDifference(
            account=account,
            user=user,
            since=_moment(row, "since"),
            until=_moment(row, "until"),
            gpu_seconds=row["gpu_seconds"],
            reason=reason.strip()[:REASON_LENGTH],
            by=by,
            at=at,
        )
        for row in rows
    )
    last.disputed = [row for row in last.disputed if row not in rows]
    last.save(update_fields=["disputed"])
    record(
        "usage.difference_accepted",
        target=last,
        by=by,
        at=at,
        topics=("operations",),
        account=account,
        user=user,
        gpu_seconds=sum(row["gpu_seconds"] for row in rows),
        reason=reason.strip(),
    )
    announce(["operations"], "usage.verified")


def of_person(last: Verification | None, account: str, user: str) -> list[dict[str, Any]]:
    rows = last.disputed if last else []
    return [row for row in rows if (row["account"], row["user"]) == (account, user)]


def _moment(row: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(row[name])
