"""Ending jobs at once where somebody has ordered it: one cancelling per leaf of the project, until it has been done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction

from allocations.models import Account, StopOrder
from portal.events.services import record
from portal.slurm.types import CancelJobs, ClusterState


def open_orders() -> list[StopOrder]:
    return list(StopOrder.objects.filter(done_at=None).select_related("project"))


def cancellings(order: StopOrder, accounts: Iterable[Account], observed: ClusterState) -> list[CancelJobs]:
    """What the order asks of Slurm, in accounts that are there."""
    names = [account.name for account in accounts if account.project_id == order.project_id]
    return [CancelJobs(name, order.username) for name in names if name in observed.accounts]


def note_stopped(
    orders: Iterable[StopOrder],
    accounts: Collection[Account],
    done: Collection[object],
    observed: ClusterState,
    *,
    at: datetime,
) -> list[StopOrder]:
    """Mark the orders whose every cancelling was carried out, and return the others. The gateway does not come back
    before the jobs are gone."""
    left = []
    for order in orders:
        if all(operation in done for operation in cancellings(order, accounts, observed)):
            _order_done(order, at=at)
        else:
            left.append(order)
    return left


@transaction.atomic
def _order_done(order: StopOrder, *, at: datetime) -> None:
    if StopOrder.objects.filter(pk=order.pk, done_at=None).update(done_at=at):
        record("project.jobs_stopped", target=order, by=None, at=at, who=order.username or order.project.code)
