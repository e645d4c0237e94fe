"""What runs and waits in a project now, and why it waits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from accounting.balance import Balance, Standing
from accounting.models import QueueJob
from accounting.words import ReasonWords, is_about_a_limit, limit_words, reason_words
from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, MemberCap, Membership, Project
from allocations.selectors.projects import caps_of
from portal.people.models import in_language
from portal.prepared import Prepared

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Now:
    """Jobs of a project. `names` are of its members, by their names on the cluster; `balances` by account's key."""

    running: list[QueueJob]
    waiting: list[QueueJob]
    more: bool
    names: Mapping[str, str]
    balances: Mapping[int, Balance]
    capped: frozenset[tuple[int, str]]

    def reason(self, job: QueueJob) -> ReasonWords:
        """Why the job waits; where it is about a budget, whose."""
        capped = (job.account_id, job.user_name) in self.capped
        return why_it_waits(job, self.balances.get(job.account_id), capped=capped)


def why_it_waits(job: QueueJob, balance: Balance | None, *, capped: bool) -> ReasonWords:
    """In words, with what helps; `balance` is its account's, `capped`: its owner has a cap of their own there."""
    known = _limit_words(job, balance, capped) if balance and is_about_a_limit(job.reason) else None
    return (known or reason_words(job.reason)).of(job.display_id)


def _limit_words(job: QueueJob, balance: Balance, capped: bool) -> ReasonWords | None:
    """None where the figures do not tell whose limit it is."""
    if balance.startable is None or job.time_limit_minutes is None:
        return None
    if balance.standing is not Standing.OPEN or balance.stopped:
        return None
    needed = job.gpus * job.time_limit_minutes * SECONDS_A_MINUTE
    return limit_words(needed, startable=balance.startable, left=balance.left, capped=capped)


def now_in(project: Project, balances: Mapping[int, Balance], *, members: Collection[Membership] | None = None) -> Now:
    """One query, and one more for the members unless they were loaded already.

    Reads the project's prefetched accounts; `members` are rows of `members_of`.
    """
    accounts = list(project.accounts.all())
    queue = list(QueueJob.objects.filter(account__in=accounts)[: MOST_SHOWN + 1])
    shown = queue[:MOST_SHOWN]
    if members is None:
        names, capped = _people_in(project, accounts)
    else:
        names, capped = _names_in(members), _capped(accounts, members)
    return Now(
        running=[job for job in shown if job.running],
        waiting=[job for job in shown if not job.running],
        more=len(queue) > MOST_SHOWN,
        names=names,
        balances=balances,
        capped=capped,
    )


def _people_in(project: Project, accounts: Iterable[Account]) -> tuple[dict[str, str], frozenset[tuple[int, str]]]:
    """What `_names_in` and `_capped` say of the project's `members_of`."""
    rows = list(PEOPLE(project.pk))
    names = {name: in_language(korean, english) or email for name, korean, english, email, _ in rows}
    account_of = {account.pool_id: account.pk for account in accounts}
    capped = {(account_of[pool], row[0]) for row in rows for pool in row[-1] if pool in account_of}
    return names, frozenset(capped)


def _people(project: int) -> QuerySet[Membership, Any]:
    capped = MemberCap.objects.filter(membership=OuterRef("pk")).order_by().values("pool")
    known = Membership.objects.filter(
        project=project, user__cluster_username__gt="", user__cluster_username_approved_at__isnull=False
    )
    return (
        known.exclude(status=Membership.Status.REMOVED)
        .annotate(capped=ArraySubquery(capped))
        .values_list("user__cluster_username", "user__name_ko", "user__name_en", "user__email", "capped")
    )


PEOPLE = Prepared(_people, -1)


def _names_in(members: Iterable[Membership]) -> dict[str, str]:
    """People's names by their names on the cluster. One that is only asked for may be somebody else's."""
    return {
        row.user.cluster_username: row.user.display_name
        for row in members
        if row.user and row.user.cluster_username and row.user.cluster_username_approved_at
    }


def _capped(accounts: Iterable[Account], members: Iterable[Membership]) -> frozenset[tuple[int, str]]:
    """(account's key, cluster user name) of members with a cap of their own."""
    pools = [(row.user.cluster_username, caps_of(row)) for row in members if row.user]
    return frozenset(
        (account.pk, name) for account in accounts for name, caps in pools if name and account.pool_id in caps
    )
