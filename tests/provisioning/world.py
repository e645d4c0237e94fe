"""A small center with a cluster, for random histories: what people decide, what jobs use, what somebody does by hand.

Two projects, two pools, two people. Jobs last whole minutes, so that nothing is lost to Slurm's own rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from allocations.models import (
    Account,
    Cluster,
    DefaultAccount,
    Drift,
    Grant,
    GrantLine,
    Hold,
    LedgerEntry,
    MemberCap,
    Membership,
    Pool,
    Suspension,
)
from portal.people.models import User
from portal.slurm.errors import SlurmError
from portal.slurm.fake import FakeGateway
from portal.slurm.types import AccountState, JobRecord, Operation, PersonState
from tests.factories import NOW, MembershipFactory, PoolFactory, ProjectFactory, UserFactory, kst

MINUTE = 60
USERS = ("kim", "lee")
CODES = ("p26001", "p26002")
POOLS = ("h100", "a100")
LEAVES = ("p26001-h100", "p26001-a100", "p26002-h100")
STRANGER = "mallory"
LONG_AGO = kst(2025, 1, 1)

Key = tuple[str, str]


class Watched(FakeGateway):
    """`fails` may refuse an operation, `watch` sees the cluster after each."""

    def __init__(self) -> None:
        super().__init__(root_account="paic")
        self.fails: Callable[[Operation], SlurmError | None] = lambda operation: None
        self.watch: Callable[[Operation], None] = lambda operation: None

    def execute(self, operation: Operation) -> str:
        error = self.fails(operation)
        if error is not None:
            raise error
        words = super().execute(operation)
        self.watch(operation)
        return words


# What the lines of an account were charged, in all.
CHARGED = Coalesce(
    Subquery(
        GrantLine.objects.filter(grant__project=OuterRef("project"), pool=OuterRef("pool"))
        .order_by()
        .values("pool")
        .values(sum=Sum("charged_gpu_seconds"))
    ),
    0,
)


@dataclass
class Run:
    leaf: str
    user: str
    gpu_minutes: int


def people_and_projects() -> None:
    """What every history begins with."""
    pools = [PoolFactory(code=code, position=place) for place, code in enumerate(POOLS)]
    users = {name: UserFactory(cluster_username=name) for name in USERS}
    for code in CODES:
        project = ProjectFactory(code=code, pi=users["kim"])
        for name in USERS[1:]:
            MembershipFactory(project=project, user=users[name], status=Membership.Status.REMOVED)
        for pool in pools:
            if f"{code}-{pool.code}" in LEAVES:
                Account.objects.create(project=project, pool=pool, name=f"{code}-{pool.code}")
    Cluster.objects.filter(pk=Cluster.current().pk).update(writing_enabled=True)


@dataclass
class World:
    gateway: Watched = field(default_factory=Watched)
    now: datetime = NOW
    running: list[Run] = field(default_factory=list)
    uncharged: dict[str, int] = field(default_factory=dict)
    readings: dict[str, int] = field(default_factory=dict)
    stopped_by_hand: set[Key] = field(default_factory=set)
    jobs: int = 0

    def __post_init__(self) -> None:
        outside = AccountState("physics", "root", gpu_minutes=7)
        self.gateway.accounts["physics"] = outside
        self.gateway.people["physics", "kim"] = PersonState("physics", "kim")

    # --- What people decide in the portal ---

    def award(self, leaf: str, gpu_minutes: int, begins_in: int, days: int) -> None:
        account = self.account(leaf)
        starts_at = self.now + timedelta(days=begins_in)
        grant = Grant.objects.create(
            project=account.project, starts_at=starts_at, ends_at=starts_at + timedelta(days=days), created_at=self.now
        )
        line = GrantLine.objects.create(grant=grant, pool=account.pool)
        self._enter(line, LedgerEntry.Kind.AWARD, gpu_minutes * MINUTE)

    def supplement(self, line: GrantLine, gpu_minutes: int) -> None:
        self._enter(line, LedgerEntry.Kind.SUPPLEMENT, gpu_minutes * MINUTE)

    def give_back(self, line: GrantLine) -> None:
        """All that is left, as a grant's return does."""
        if (left := self.left(line)) > 0:
            self._enter(line, LedgerEntry.Kind.REDUCTION, -left)

    def suspend(self, line: GrantLine) -> None:
        if line.grant.suspension is None:
            Suspension.objects.create(grant=line.grant, since=self.now, reason="-")

    def resume(self, line: GrantLine) -> None:
        Suspension.objects.filter(grant=line.grant, until=None).update(until=self.now)

    def extend(self, line: GrantLine, days: int) -> None:
        Grant.objects.filter(pk=line.grant_id).update(ends_at=F("ends_at") + timedelta(days=days))

    def end(self, line: GrantLine) -> None:
        Grant.objects.filter(pk=line.grant_id, starts_at__lt=self.now, ends_at__gt=self.now).update(ends_at=self.now)

    def join(self, membership: Membership) -> None:
        Membership.objects.filter(pk=membership.pk).update(status=Membership.Status.ACTIVE)

    def leave(self, membership: Membership) -> None:
        Membership.objects.filter(pk=membership.pk).update(status=Membership.Status.REMOVED)

    def cap(self, membership: Membership, pool: Pool, gpu_minutes: int | None) -> None:
        MemberCap.objects.filter(membership=membership, pool=pool).delete()
        if gpu_minutes is not None:
            by = membership.project.pi
            seconds = gpu_minutes * MINUTE
            MemberCap.objects.create(membership=membership, pool=pool, gpu_seconds=seconds, set_by=by, set_at=self.now)

    def choose_default(self, user: User, leaf: str) -> None:
        account = self.account(leaf)
        DefaultAccount.objects.update_or_create(user=user, defaults={"account": account, "chosen_at": self.now})

    def block_login(self, user: User) -> None:
        User.objects.filter(pk=user.pk).update(is_active=not user.is_active)

    # --- What jobs use ---

    def who_may_start(self) -> list[Key]:
        """By Slurm's word, the limit aside."""
        return [
            key
            for key, person in self.gateway.people.items()
            if key[0] in LEAVES and not person.paused and not self.is_stopped(key[0])
        ]

    def start_job(self, leaf: str, user: str, gpu_minutes: int) -> bool:
        """Whether Slurm, under `safe`, lets the job of somebody who may start one begin."""
        account = self.gateway.accounts[leaf]
        counter = self.gateway.counters()[leaf]
        taken = (counter.used_gpu_seconds + counter.reserved_gpu_seconds) // MINUTE
        if account.gpu_minutes is not None and taken + gpu_minutes > account.gpu_minutes:
            return False
        self.running.append(Run(leaf, user, gpu_minutes))
        self.gateway.reserved[leaf] = self.gateway.reserved.get(leaf, 0) + gpu_minutes * MINUTE
        return True

    def end_job(self, run: Run, part: int) -> None:
        """After `part` hundredths of the time it asked for."""
        self.running.remove(run)
        self.gateway.reserved[run.leaf] -= run.gpu_minutes * MINUTE
        minutes = max(1, run.gpu_minutes * part // 100)
        self.jobs += 1
        self.gateway.history.append(_job(self.jobs, run, minutes))
        self.uncharged[run.leaf] = self.uncharged.get(run.leaf, 0) + minutes * MINUTE

    def charge(self) -> None:
        """As accounting does: to the open line that ends first and has balance, the rest to the one that ends last."""
        for leaf, seconds in self.uncharged.items():
            account = self.account(leaf)
            lines = self.lines(leaf).order_by("grant__ends_at", "pk")
            for line in lines.filter(pk__in=GrantLine.objects.open(self.now)):
                part = min(seconds, max(0, self.left(line)))
                GrantLine.objects.filter(pk=line.pk).update(charged_gpu_seconds=F("charged_gpu_seconds") + part)
                seconds -= part
            last = lines.last()
            assert last is not None, account
            GrantLine.objects.filter(pk=last.pk).update(charged_gpu_seconds=F("charged_gpu_seconds") + seconds)
        self.uncharged.clear()

    def read_counters(self) -> None:
        """As the worker does: what a counter lost since its last reading is taken off at once, and what it lost before
        it was ever read as soon as it lies below what was charged."""
        for account in Account.objects.annotate(charged=CHARGED):
            counter = self.gateway.counters().get(account.name)
            if counter is None:
                continue
            fallen = max(0, self.readings.get(account.name, 0) - counter.used_gpu_seconds)
            behind = account.charged + account.offset_gpu_seconds - fallen - counter.used_gpu_seconds
            if lost := fallen + max(0, behind):
                Account.objects.filter(pk=account.pk).update(offset_gpu_seconds=F("offset_gpu_seconds") - lost)
            self.readings[account.name] = counter.used_gpu_seconds

    # --- What somebody does in Slurm by hand ---

    def change(self, leaf: str, **values: object) -> None:
        if leaf in self.gateway.accounts:
            self.gateway.accounts[leaf] = replace(self.gateway.accounts[leaf], **values)  # type: ignore[arg-type]

    def change_person(self, key: Key, **values: object) -> None:
        if key in self.gateway.people:
            self.gateway.people[key] = replace(self.gateway.people[key], **values)  # type: ignore[arg-type]

    def stop(self, leaf: str, *, half: bool) -> None:
        if leaf in self.gateway.accounts and not self._is_stopped(leaf):
            self.change(leaf, group_jobs=0, group_submit_jobs=None if half else 0)
            self._by_hand((leaf, ""))

    def release(self, leaf: str) -> None:
        self.change(leaf, group_jobs=None, group_submit_jobs=None)
        self.stopped_by_hand.discard((leaf, ""))

    def pause(self, key: Key) -> None:
        if key in self.gateway.people and not self.gateway.people[key].paused:
            self.change_person(key, paused=True)
            self._by_hand(key)

    def _by_hand(self, key: Key) -> None:
        """Unless the portal was just about to do the same, and takes it for its own."""
        if not Hold.objects.filter(account=key[0], person=key[1]).exists():
            self.stopped_by_hand.add(key)

    def let_work(self, key: Key) -> None:
        self.change_person(key, paused=False)
        self.stopped_by_hand.discard(key)

    def add_person(self, key: Key) -> None:
        if key[0] in self.gateway.accounts:
            self.gateway.people.setdefault(key, PersonState(*key))

    def remove_person(self, key: Key) -> None:
        self.gateway.people.pop(key, None)
        self.stopped_by_hand.discard(key)

    def delete_account(self, leaf: str) -> None:
        """Slurm refuses that while jobs are there. Its counter begins at nothing when it is made again."""
        if leaf not in self.gateway.accounts or any(run.leaf == leaf for run in self.running):
            return
        self.gateway.lose_counters(leaf)
        del self.gateway.accounts[leaf]
        for key in [key for key in self.gateway.people if key[0] == leaf]:
            self.remove_person(key)
        self.stopped_by_hand.discard((leaf, ""))

    def add_stray(self) -> None:
        if "paic" in self.gateway.accounts:
            normal = self.gateway.accounts["paic"].qos
            self.gateway.accounts.setdefault("stray", AccountState("stray", "paic", gpu_minutes=5, qos=normal))
            self.gateway.people.setdefault(("stray", STRANGER), PersonState("stray", STRANGER))

    def operator_asks_for_repair(self) -> None:
        for drift in Drift.objects.filter(closed_at=None):
            self.stopped_by_hand.discard((drift.account, drift.person))
        Drift.objects.filter(closed_at=None).update(repair_asked_at=self.now)

    # --- What there is ---

    def account(self, leaf: str) -> Account:
        return Account.objects.select_related("project", "pool").get(name=leaf)

    def lines(self, leaf: str):  # type: ignore[no-untyped-def]
        account = self.account(leaf)
        return GrantLine.objects.filter(grant__project=account.project_id, pool=account.pool_id)

    def left(self, line: GrantLine) -> int:
        granted = line.entries.aggregate(sum=Sum("gpu_seconds"))["sum"] or 0
        return int(granted) - GrantLine.objects.get(pk=line.pk).charged_gpu_seconds

    def balances(self) -> dict[str, int]:
        """GPU-seconds left on open lines, by leaf, whoever holds how much of it now."""
        open_lines = GrantLine.objects.open(self.now).annotate(granted=Sum("entries__gpu_seconds"))
        balances = dict.fromkeys(LEAVES, 0)
        for code, pool, granted, charged in open_lines.values_list(
            "grant__project__code", "pool__code", "granted", "charged_gpu_seconds"
        ).order_by():
            balances[f"{code}-{pool}"] += granted - charged
        return balances

    def startable(self) -> dict[str, float]:
        """GPU-seconds that jobs could still claim in each leaf, by Slurm's own figures."""
        counters = self.gateway.counters()
        startable: dict[str, float] = dict.fromkeys(LEAVES, 0)
        for leaf in LEAVES:
            account = self.gateway.accounts.get(leaf)
            if account is None or self.is_stopped(leaf):
                continue
            used = counters[leaf].used_gpu_seconds + counters[leaf].reserved_gpu_seconds
            startable[leaf] = float("inf") if account.gpu_minutes is None else account.gpu_minutes * MINUTE - used
        return startable

    def is_stopped(self, account: str) -> bool:
        """It, or one above it."""
        while account in self.gateway.accounts and account != "root":
            if self._is_stopped(account):
                return True
            account = self.gateway.accounts[account].parent
        return False

    def _is_stopped(self, account: str) -> bool:
        state = self.gateway.accounts[account]
        return state.group_jobs == 0 or state.group_submit_jobs == 0

    def not_ours(self) -> tuple[dict[str, AccountState], dict[Key, PersonState]]:
        ours = {"paic", *CODES, *LEAVES}
        accounts = {name: account for name, account in self.gateway.accounts.items() if name not in ours}
        return accounts, {key: person for key, person in self.gateway.people.items() if key[0] not in ours}

    def _enter(self, line: GrantLine, kind: LedgerEntry.Kind, gpu_seconds: int) -> None:
        LedgerEntry.objects.create(
            line=line, kind=kind, gpu_seconds=gpu_seconds, reason="-", by=line.grant.project.pi, at=self.now
        )


def _job(number: int, run: Run, minutes: int) -> JobRecord:
    return JobRecord(
        cluster="pohang",
        db_index=number,
        job_id=number,
        display_id=str(number),
        user=run.user,
        account=run.leaf,
        partition=run.leaf.partition("-")[2],
        qos=run.leaf.partition("-")[2],
        state="COMPLETED",
        submit=LONG_AGO,
        eligible=LONG_AGO,
        start=LONG_AGO,
        end=LONG_AGO + timedelta(minutes=minutes),
        gpus=1,
        gpu_kinds={},
        cpus=1,
        exit_code="0:0",
        time_limit_minutes=minutes,
    )
