"""What was last read back from Slurm, kept so that the next pass sees what changed behind the portal's back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Subquery
from django.db.models.functions import Coalesce

from allocations.models import Association, Cluster, OperationRecord
from allocations.provisioning.tree import Key
from portal.slurm.types import AccountState, ClusterState, PersonState


class Known(NamedTuple):
    """An association as kept: of an account, or of a person in it (`parent` is empty then)."""

    parent: str
    gpu_minutes: int | None
    group_jobs: int | None
    group_submit_jobs: int | None
    qos: tuple[str, ...]
    default_qos: str
    lineage_ok: bool

    @property
    def stopped(self) -> bool:
        return self.group_jobs == 0 or self.group_submit_jobs == 0

    @property
    def parked(self) -> bool:
        """Also: paused, of a person."""
        return self.group_jobs == 0 and self.group_submit_jobs == 0


FIELDS = Known._fields


def associations(state: ClusterState) -> dict[Key, Known]:
    """The rows of a state as they are kept, by (account, user)."""
    rows = {(name, ""): _of_account(account) for name, account in state.accounts.items()}
    return rows | {key: _of_person(person) for key, person in state.people.items()}


def last_read_back() -> dict[Key, Known]:
    """What the last pass left, in one query; empty before the first one."""
    rows = Association.objects.order_by().values_list("account", "person", *FIELDS)
    return {
        (account, person): Known(parent, None if minutes is None else int(minutes), jobs, submit, tuple(qos), *rest)
        for account, person, parent, minutes, jobs, submit, qos, *rest in rows
    }


def keep(before: Mapping[Key, Known], now: Mapping[Key, Known], *, cluster: Cluster, at: datetime) -> None:
    """Store what differs from `before`, which is what was kept until now, and that all operations so far are in it."""
    differing = {key: row for key, row in now.items() if before.get(key) != row}
    gone = before.keys() - now.keys()
    if differing or gone:
        _store(differing, gone, cluster=cluster, at=at)


def newest_operation() -> Coalesce:
    """The last operation recorded so far, as `Cluster.operations_seen` keeps it."""
    return Coalesce(Subquery(OperationRecord.objects.order_by("-pk").values("pk")[:1]), 0)


@transaction.atomic
def _store(differing: Mapping[Key, Known], gone: Collection[Key], *, cluster: Cluster, at: datetime) -> None:
    if differing:
        Association.objects.bulk_create(
            [
                Association(account=key[0], person=key[1], changed_at=at, **row._asdict())
                for key, row in differing.items()
            ],
            update_conflicts=True,
            unique_fields=["account", "person"],
            update_fields=[*FIELDS, "changed_at"],
        )
    for account in {account for account, _person in gone}:
        people = [person for name, person in gone if name == account]
        Association.objects.filter(account=account, person__in=people).delete()
    Cluster.objects.filter(pk=cluster.pk).update(operations_seen=newest_operation())


def _of_account(account: AccountState) -> Known:
    return Known(
        parent=account.parent,
        gpu_minutes=account.gpu_minutes,
        group_jobs=account.group_jobs,
        group_submit_jobs=account.group_submit_jobs,
        qos=tuple(sorted(account.qos)),
        default_qos=account.default_qos,
        lineage_ok=True,
    )


def _of_person(person: PersonState) -> Known:
    held = 0 if person.paused else None
    return Known(
        parent="",
        gpu_minutes=person.gpu_minutes,
        group_jobs=held,
        group_submit_jobs=held,
        qos=tuple(sorted(person.qos)),
        default_qos=person.default_qos,
        lineage_ok=person.lineage_ok,
    )
