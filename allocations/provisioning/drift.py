"""What changed below our root account behind the portal's back: told from what was last read back, kept as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from allocations.models import Cluster, Drift, OperationRecord, Project
from allocations.provisioning.differences import Difference, DriftKey, Kind
from allocations.provisioning.holds import take_hold
from allocations.provisioning.known import Known
from allocations.provisioning.tree import Key
from portal.events.services import record

OpenDrifts = Mapping[DriftKey, Drift]
# Given back at once, or on an operator's word, as the operator has chosen for the cluster.
MAY_WAIT = frozenset({Kind.LIMIT, Kind.QOS, Kind.REMOVED})
# So many places are named in the news; the rest is on the operator's page.
MOST_NAMED = 5


def open_drifts() -> dict[DriftKey, Drift]:
    return {_key(row): row for row in Drift.objects.filter(closed_at=None)}


def waits(drifts: OpenDrifts, cluster: Cluster) -> frozenset[DriftKey]:
    """What was taken away by hand and is not to be given back yet."""
    if cluster.repairs_by_itself:
        return frozenset()
    return frozenset(key for key, row in drifts.items() if row.kind in MAY_WAIT and row.repair_asked_at is None)


def released(drifts: OpenDrifts) -> frozenset[Key]:
    """What was stopped by hand and an operator wants the portal to open again."""
    stopped = (row for row in drifts.values() if row.kind == Kind.STOPPED and row.repair_asked_at is not None)
    return frozenset((row.account, row.person) for row in stopped)


def drifted(
    found: Iterable[Difference],
    drifts: Collection[DriftKey],
    before: Mapping[Key, Known],
    now: Mapping[Key, Known],
) -> list[Difference]:
    """Those of the differences that are drift, known or new. Pure.

    `before`: what was last read back; without it, at the very first pass, only what no grant could ever explain is
    drift. The stranger who was added is told from the person who was paused and then released.
    """
    named = [_named(difference, drifts, before) for difference in found]
    return [item for item in named if item.key in drifts or _is_new(item, before, now)]


def _named(difference: Difference, drifts: Collection[DriftKey], before: Mapping[Key, Known]) -> Difference:
    place = difference.account, difference.user
    if difference.kind != Kind.RELEASED or not difference.user:
        return difference
    added = replace(difference, kind=Kind.ADDED)
    return added if place not in before or added.key in drifts else difference


def _is_new(difference: Difference, before: Mapping[Key, Known], now: Mapping[Key, Known]) -> bool:
    if difference.misplaces or difference.kind == Kind.STOPPED:
        return True
    if not before:
        return False
    place = difference.account, difference.user
    was, is_ = before.get(place), now.get(place)
    match difference.kind:
        case Kind.ADDED:
            return was is None
        case Kind.REMOVED:
            return was is not None
        case Kind.RELEASED:
            return was is not None and was.parked
        case Kind.LIMIT:
            return is_ is not None and (was is None or was.gpu_minutes != is_.gpu_minutes)
        case _:
            return is_ is not None and (was is None or (was.qos, was.default_qos) != (is_.qos, is_.default_qos))


def note_drift(
    found: Iterable[Difference],
    drifts: OpenDrifts,
    before: Mapping[Key, Known],
    now: Mapping[Key, Known],
    *,
    cluster: Cluster,
    at: datetime,
) -> dict[DriftKey, Drift]:
    """Open a row for each new drift, close those that are gone, and return the open ones.

    What our own operations since the last read-back can explain is no news: a worker may have died before it looked.
    A deleted account that is there again stays open: its counter has to be read first (`close_gone`).
    """
    present = drifted(found, drifts, before, now)
    keys = {difference.key for difference in present} | {key for key in drifts if is_deleted_account(key)}
    _take_over(drifts, keys, now)
    left = close_gone(drifts, keys, cluster=cluster, at=at)
    fresh = [difference for difference in present if difference.key not in drifts]
    ours = _touched(cluster) if fresh else frozenset()
    fresh = [item for item in fresh if item.misplaces or item.kind == Kind.STOPPED or not _explained(item.key, ours)]
    _follow(drifts, present)
    return left | (_open(fresh, cluster=cluster, at=at) if fresh else {})


def close_gone(
    drifts: OpenDrifts, still_there: Collection[DriftKey], *, cluster: Cluster, at: datetime
) -> dict[DriftKey, Drift]:
    """Close the others, and return those that are still there."""
    gone = [row for key, row in drifts.items() if key not in still_there]
    if gone:
        ours = _touched(cluster)
        by_us = {_key(row): _explained(_key(row), ours) for row in gone}
        _close([row for row in gone if by_us[_key(row)]], Drift.Outcome.REPAIRED, cluster=cluster, at=at)
        _close([row for row in gone if not by_us[_key(row)]], Drift.Outcome.VANISHED, cluster=cluster, at=at)
    return {key: row for key, row in drifts.items() if key in still_there}


def _take_over(drifts: OpenDrifts, still_there: Collection[DriftKey], now: Mapping[Key, Known]) -> None:
    """What an operator gave back to the portal, and what has to stay stopped for now, is the portal's own stop."""
    for key in released(drifts):
        if (Kind.STOPPED, *key) not in still_there and key in now and now[key].stopped:
            take_hold(key)


def is_deleted_account(key: DriftKey) -> bool:
    kind, _account, user = key
    return (kind, user) == (Kind.REMOVED, "")


def still_there(drifts: OpenDrifts, found: Iterable[Difference]) -> set[DriftKey]:
    """Of the open ones those that the differences still show. Pure."""
    keys = {difference.key for difference in found}
    keys |= {(Kind.ADDED, account, user) for kind, account, user in keys if kind == Kind.RELEASED and user}
    return keys & drifts.keys()


@transaction.atomic
def _close(rows: Collection[Drift], outcome: Drift.Outcome, *, cluster: Cluster, at: datetime) -> None:
    """An operator may have adopted one of them meanwhile, which stays so."""
    still_open = Drift.objects.filter(pk__in=[row.pk for row in rows], closed_at=None)
    if still_open.update(outcome=outcome, closed_at=at):
        _tell("drift.closed", rows, cluster=cluster, at=at)


@transaction.atomic
def _open(fresh: Collection[Difference], *, cluster: Cluster, at: datetime) -> dict[DriftKey, Drift]:
    rows = Drift.objects.bulk_create(
        Drift(
            kind=item.kind,
            account=item.account,
            person=item.user,
            expected=item.expected,
            found=item.found,
            found_at=at,
        )
        for item in fresh
    )
    _tell("drift.found", rows, cluster=cluster, at=at)
    return {_key(row): row for row in rows}


def _follow(drifts: OpenDrifts, present: Iterable[Difference]) -> None:
    """What is found, or expected, may change again while a drift is open."""
    for item in present:
        row = drifts.get(item.key)
        if row is not None and (row.expected, row.found) != (item.expected, item.found):
            row.expected, row.found = item.expected, item.found
            row.save(update_fields=["expected", "found"])


def _touched(cluster: Cluster) -> frozenset[Key]:
    """(account, person) of our operations whose effect was not read back yet."""
    since = OperationRecord.objects.filter(pk__gt=cluster.operations_seen)
    return frozenset(since.values_list("account", "person"))


def _explained(key: DriftKey, ours: Collection[Key]) -> bool:
    _kind, account, user = key
    return (account, user) in ours or (account, "") in ours


def _tell(action: str, rows: Collection[Drift], *, cluster: Cluster, at: datetime) -> None:
    """One piece of news for all that one pass found; the pages of the projects concerned hear it too."""
    names = [f"{row.account} {row.person}".strip() for row in rows]
    more = f" +{len(names) - MOST_NAMED}" if len(names) > MOST_NAMED else ""
    accounts = {row.account for row in rows}
    projects = Project.objects.filter(Q(code__in=accounts) | Q(accounts__name__in=accounts)).distinct()
    topics = tuple(topic for project in projects for topic in project.event_topics())
    record(action, target=cluster, by=None, at=at, topics=topics, places=", ".join(names[:MOST_NAMED]) + more)


def _key(row: Drift) -> DriftKey:
    return row.kind, row.account, row.person
