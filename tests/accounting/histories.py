"""Job rows as Slurm would give them, and a gateway that tells them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

from accounting.history.sums import sum_up
from accounting.models import UsageDay, UsageMonthSum, UsageSum
from portal.slurm.fake import FakeGateway
from portal.slurm.types import JobRecord, QueueEntry
from tests.factories import kst

# Above 2^63, as Slurm's are from 24.11 on.
_numbers = count(15_327_587_956_491_134_976)
HOUR = timedelta(hours=1)
START = kst(2026, 3, 2, 10)


def job(
    account: str = "p26001-h100",
    user: str = "kim",
    start: datetime | None = START,
    hours: float | None = 1,
    gpus: int = 2,
    kind: str = "h100",
    **changes: Any,
) -> JobRecord:
    """Ran `hours` from `start` on; `hours=None` runs still, `start=None` never did."""
    number = changes.pop("db_index", None) or next(_numbers)
    end = start + timedelta(hours=hours) if start and hours is not None else None
    values: dict[str, Any] = {
        "cluster": "pohang",
        "db_index": number,
        "job_id": number % 100_000,
        "display_id": str(number % 100_000),
        "user": user,
        "account": account,
        "partition": kind,
        "qos": kind,
        "state": "COMPLETED" if end else "RUNNING",
        "submit": start or START,
        "eligible": start or START,
        "start": start.astimezone(UTC) if start else None,
        "end": end.astimezone(UTC) if end else None,
        "gpus": gpus,
        "gpu_kinds": MappingProxyType({kind: gpus} if gpus and kind else {}),
        "cpus": 8,
        "exit_code": "0:0",
        "time_limit_minutes": 120,
    }
    return JobRecord(**(values | changes))


def waiting(account: str = "p26001-h100", user: str = "kim", **changes: Any) -> QueueEntry:
    number = next(_numbers) % 100_000
    values: dict[str, Any] = {
        "job_id": number,
        "display_id": str(number),
        "user": user,
        "account": account,
        "partition": "h100",
        "state": "PENDING",
        "reason": "AssocGrpGRESMinutes",
        "gpus": 4,
        "submit": START,
        "start": None,
        "time_limit_minutes": 60,
    }
    return QueueEntry(**(values | changes))


def gateway(*rows: Any) -> FakeGateway:
    slurm = FakeGateway(root_account="paic")
    slurm.history = list(rows)
    return slurm


def summed() -> None:
    """Sums follow from rows of usage that were put there by hand."""
    sum_up(set(UsageDay.objects.values_list("day", "account_name")))


def sums_add_up() -> bool:
    """Whether the sums by day and account, and by month, are those of usage by day, and there are no others."""
    wanted: dict[type[Any], dict[tuple[object, ...], list[int]]] = {UsageSum: {}, UsageMonthSum: {}}
    for row in UsageDay.objects.all():
        for model, begin in ((UsageSum, row.day), (UsageMonthSum, row.day.replace(day=1))):
            sums = wanted[model].setdefault((begin, row.account_name, row.gpu_kind), [0, 0, 0])
            for position, name in enumerate(UsageDay.AMOUNTS):
                sums[position] += getattr(row, name)
    stored = {model: model.objects.values_list(*model.KEY, *model.AMOUNTS) for model in wanted}
    return wanted == {model: {row[:3]: list(row[3:]) for row in rows} for model, rows in stored.items()}
