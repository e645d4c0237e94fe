"""What the answers are made of: the same selectors as the pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.conf import settings

from accounting.api import schemas
from accounting.api.schemas import hours, hours_or_none
from accounting.figures import Figures, PoolFigures, figures_of_projects
from accounting.models import IngestMark
from accounting.names import names_of
from accounting.outlook import Outlook
from accounting.projection import Projection
from accounting.usage import Amount
from accounting.use import use_by
from allocations.models import Account, Project

# Names of the columns that usage is summed by.
COLUMNS = {
    "day": "day",
    "month": "month",
    "person": "user_name",
    "pool": "account_name",
    "partition": "partition",
    "kind": "gpu_kind",
    "state": "state",
}


def figures_read() -> schemas.Read:
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER).first()
    return schemas.Read(
        read_until=mark.read_until if mark else None, queue_read_at=mark.queue_read_at if mark else None
    )


# --- Standing ---


def project_standings(projects: Iterable[Project], at: datetime) -> list[schemas.ProjectStanding]:
    """In their order, each with PI and institution loaded: three queries."""
    projects = list(projects)
    figures = figures_of_projects([project.pk for project in projects], at)
    return [_project(project, figures[project.pk]) for project in projects]


def _project(project: Project, figures: Figures) -> schemas.ProjectStanding:
    return schemas.ProjectStanding(
        code=project.code,
        title=project.title,
        pi=project.pi.display_name,
        institution=str(project.institution),
        total=schemas.Standing(**_standing(figures.total)) if figures.total else None,
        pools=[_pool(row) for row in figures.pools],
    )


def _pool(row: PoolFigures) -> schemas.PoolStanding:
    pool = row.account.pool
    return schemas.PoolStanding(
        **_standing(row.outlook),
        pool=pool.code,
        pool_name=pool.name,
        account=row.account.name,
        partitions=pool.partitions,
    )


def _standing(outlook: Outlook) -> dict[str, Any]:
    balance = outlook.balance
    return {
        "standing": balance.standing,
        "starts_at": balance.starts_at,
        "ends_at": balance.ends_at,
        "days_left": outlook.days_left,
        "granted": hours(balance.granted),
        "refunded": hours(balance.refunded),
        "used": hours(balance.used),
        "used_percent": balance.used * 100 // balance.entitlement if balance.entitlement else None,
        "left": hours(balance.left),
        "overrun": hours(balance.overrun),
        "reserved": hours_or_none(balance.reserved),
        "startable": hours_or_none(balance.startable),
        "counted_at": balance.counted_at,
        "burn_7": hours_or_none(outlook.burn_7),
        "burn_28": hours_or_none(outlook.burn_28),
        "projection": _projected(outlook.projection) if outlook.projection else None,
    }


def _projected(projection: Projection) -> schemas.Projected:
    return schemas.Projected(
        rate=hours(projection.rate),
        runs_out_on=projection.runs_out_on,
        earliest=projection.earliest,
        latest=projection.latest,
        used_at_end=hours(projection.used_at_end),
    )


# --- Use of a period ---


def usage_rows(project: Project, by: list[str], first: date, last: date) -> list[schemas.UsageRow]:
    """In the order of what they are summed by: two queries, three where people are named."""
    pools = pools_of(project)
    use = use_by(*(COLUMNS[key] for key in by), accounts=pools, first=first, last=last)
    rows = [(dict(zip(by, key, strict=True)), amount) for key, amount in use.items()]
    names = names_of(key["person"] for key, _ in rows) if "person" in by else {}
    return [_usage_row(key, amount, pools, names) for key, amount in sorted(rows, key=lambda row: [*row[0].values()])]


def _usage_row(key: dict[str, Any], amount: Amount, pools: dict[str, str], names: dict[str, str]) -> schemas.UsageRow:
    values = dict(key)
    if "person" in key:
        values["person_name"] = names.get(key["person"], "")
    if "pool" in key:
        values["pool"] = pools[key["pool"]]
    return schemas.UsageRow(**values, used=hours(amount.gpu_seconds), cpu_seconds=amount.cpu_seconds, jobs=amount.jobs)


def pools_of(project: Project) -> dict[str, str]:
    """Codes of the project's pools by the names of its accounts."""
    return dict(Account.objects.filter(project=project).values_list("name", "pool__code"))
