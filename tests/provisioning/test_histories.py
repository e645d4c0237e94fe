"""Random histories of grants, members, use, drift and faults: the invariant of budgets holds after every operation.

What must always hold (docs/design.md): what can still be started in a leaf is never more than the balance of its open
lines. No operation of the portal makes it more, whatever somebody did by hand before or breaks in the middle; and after
each pass that went through it holds, nothing is left to be done, and what is not the portal's is as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from allocations.models import Cluster, Drift, GrantLine, Membership, Pool
from allocations.provisioning import apply, sequence, sync
from allocations.provisioning.desired import desired_state
from allocations.provisioning.differences import differences
from allocations.provisioning.holds import held
from allocations.provisioning.sync import SyncReport, synchronise
from allocations.provisioning.tree import without_right
from portal.people.models import User
from portal.slurm.errors import SlurmError, SlurmRefused, SlurmUnavailable
from portal.slurm.types import ClusterState, Operation
from tests.provisioning.world import LEAVES, POOLS, STRANGER, USERS, World, people_and_projects

leaves = st.sampled_from(LEAVES)
gpu_minutes = st.integers(0, 600)
most = st.integers(1, 600)


class Killed(BaseException):
    """As kill -9 of the worker, at a point of its code."""


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.world = World()
        self.gateway = self.world.gateway
        self.crash_in: int | None = None
        for module in MODULES:
            module.crash_point = self._crash_point

    def teardown(self) -> None:
        try:
            self.crash_in = None
            self._quiet_pass()
        finally:
            for module in MODULES:
                module.crash_point = CRASH_POINT
            transaction.set_rollback(True)
            self.undo.__exit__(None, None, None)

    # --- Rules ---

    @initialize(leaf=leaves, minutes=most, used=st.integers(1, 100))
    def begin(self, leaf: str, minutes: int, used: int) -> None:
        """A grant in force, from which something was used."""
        self.world.award(leaf, minutes, begins_in=-1, days=30)
        self._quiet_pass()
        assert self.world.start_job(leaf, "kim", minutes)
        self.world.end_job(self.world.running[0], used)
        self.world.charge()

    @rule(leaf=leaves, minutes=st.integers(1, 600), begins_in=st.integers(-3, 3), days=st.integers(4, 20))
    def award(self, leaf: str, minutes: int, begins_in: int, days: int) -> None:
        self.world.award(leaf, minutes, begins_in, days)

    @precondition(lambda self: GrantLine.objects.exists())
    @rule(data=st.data(), minutes=st.integers(1, 300))
    def decide_on_a_grant(self, data: st.DataObject, minutes: int) -> None:
        world = self.world
        line = data.draw(st.sampled_from(list(GrantLine.objects.select_related("grant__project__pi"))), label="line")
        acts: dict[str, Callable[[], None]] = {
            "supplement": lambda: world.supplement(line, minutes),
            "give back": lambda: world.give_back(line),
            "suspend": lambda: world.suspend(line),
            "resume": lambda: world.resume(line),
            "extend": lambda: world.extend(line, 1 + minutes % 10),
            "end": lambda: world.end(line),
        }
        acts[data.draw(st.sampled_from(list(acts)), label="act")]()

    @rule(data=st.data(), leaf=leaves, cap=st.one_of(st.none(), gpu_minutes))
    def decide_on_a_member(self, data: st.DataObject, leaf: str, cap: int | None) -> None:
        world = self.world
        members = list(Membership.objects.select_related("project__pi", "user"))
        member = data.draw(st.sampled_from(members), label="member")
        acts: dict[str, Callable[[], None]] = {
            "join": lambda: world.join(member),
            "leave": lambda: world.leave(member),
            "cap": lambda: world.cap(member, Pool.objects.get(code=POOLS[len(leaf) % 2]), cap),
            "default": lambda: world.choose_default(member.user or User(), leaf),
            "login": lambda: world.block_login(User.objects.get(pk=member.user_id)),
        }
        acts[data.draw(st.sampled_from(list(acts)), label="act")]()

    @rule(data=st.data(), minutes=st.integers(1, 300), part=st.integers(1, 100), charge=st.booleans())
    def use(self, data: st.DataObject, minutes: int, part: int, charge: bool) -> None:
        world = self.world
        if may := world.who_may_start():
            world.start_job(*data.draw(st.sampled_from(may), label="who"), minutes)
        if world.running and data.draw(st.booleans(), label="one ends"):
            world.end_job(data.draw(st.sampled_from(world.running), label="which"), part)
        if charge:
            world.charge()

    @rule(days=st.integers(0, 6))
    def time_passes(self, days: int) -> None:
        self.world.now += timedelta(days=days, minutes=1)

    @rule(data=st.data(), minutes=gpu_minutes, looked=st.booleans())
    def somebody_gives_by_hand(self, data: st.DataObject, minutes: int, looked: bool) -> None:
        world, key = self.world, self._place(data)
        leaf, wide = key[0], frozenset(POOLS)
        acts: dict[str, Callable[[], None]] = {
            "no limit": lambda: world.change(leaf, gpu_minutes=None),
            "limit": lambda: world.change(leaf, gpu_minutes=600 + minutes),
            "wider QOS": lambda: world.change(leaf, qos=wide),
            "release": lambda: world.release(leaf),
            "let work": lambda: world.let_work(key),
            "add": lambda: world.add_person(key),
            "add to project": lambda: world.add_person((leaf.partition("-")[0], key[1])),
            "cap": lambda: world.change_person(key, gpu_minutes=None),
            "own QOS": lambda: world.change_person(key, qos=wide, default_qos=min(wide)),
            "stray": world.add_stray,
            "lose counters": lambda: self.gateway.lose_counters(leaf, minutes),
        }
        acts[data.draw(st.sampled_from(list(acts)), label="act")]()
        if looked:
            self._quiet_pass()

    @rule(data=st.data(), minutes=gpu_minutes, looked=st.booleans())
    def somebody_takes_by_hand(self, data: st.DataObject, minutes: int, looked: bool) -> None:
        world, key = self.world, self._place(data)
        leaf, other = key[0], frozenset({"normal"})
        acts: dict[str, Callable[[], None]] = {
            "limit": lambda: world.change(leaf, gpu_minutes=minutes),
            "other QOS": lambda: world.change(leaf, qos=other, default_qos="normal"),
            "stop": lambda: world.stop(leaf, half=False),
            "half stop": lambda: world.stop(leaf, half=True),
            "pause": lambda: world.pause(key),
            "remove": lambda: world.remove_person(key),
            "cap": lambda: world.change_person(key, gpu_minutes=minutes),
            "default": lambda: self.gateway.defaults.update({key[1]: leaf}),
            "delete": lambda: world.delete_account(leaf),
        }
        acts[data.draw(st.sampled_from(list(acts)), label="act")]()
        if looked:
            self._quiet_pass()

    @rule(by_itself=st.booleans())
    def operator_sets_repairs(self, by_itself: bool) -> None:
        Cluster.objects.update(repairs_by_itself=by_itself)

    @rule()
    def operator_asks_for_repair(self) -> None:
        self.world.operator_asks_for_repair()

    @rule()
    def a_pass(self) -> None:
        self._quiet_pass()

    @rule(crash_in=st.integers(1, 40))
    def the_worker_is_killed(self, crash_in: int) -> None:
        self.crash_in = crash_in
        try:
            self._pass()
        except Killed:
            pass
        finally:
            self.crash_in = None

    @rule(after=st.integers(0, 6), refused=st.booleans(), lasting=st.booleans())
    def slurm_fails(self, after: int, refused: bool, lasting: bool) -> None:
        """From an operation on, once or to the end of the pass."""
        error: SlurmError = SlurmRefused("no", words="no") if refused else SlurmUnavailable("away")
        seen = 0

        def fails(operation: Operation) -> SlurmError | None:
            nonlocal seen
            seen += 1
            return error if seen == after + 1 or (lasting and seen > after) else None

        self.gateway.fails = fails
        try:
            self._pass()
        except SlurmUnavailable:
            pass
        finally:
            self.gateway.fails = lambda operation: None

    @rule()
    def slurmdbd_is_away(self) -> None:
        self.gateway.broken = SlurmUnavailable("away")
        with pytest.raises(SlurmUnavailable):
            self._run()
        self.gateway.broken = None

    # --- What must hold ---

    def _run(self) -> SyncReport:
        return synchronise(
            self.gateway, clock=lambda: self.world.now, retry_refused=True, recount=self.world.read_counters
        )

    def _pass(self) -> SyncReport:
        """A pass in which every single operation is watched."""
        world = self.world
        world.read_counters()
        allowed = self._allowed()
        before = world.startable()
        not_ours = world.not_ours()
        desired = desired_state("paic", at=world.now)
        strangers = self._strangers(desired)

        def watch(operation: Operation) -> None:
            for leaf, seconds in world.startable().items():
                assert seconds <= max(before[leaf], allowed[leaf]), (operation, leaf)
            assert world.not_ours() == not_ours, operation
            assert self._strangers(desired) <= strangers, operation
            for account, user in world.stopped_by_hand:
                if user:
                    assert self.gateway.people[account, user].paused, operation
                else:
                    assert world.is_stopped(account), operation

        self.gateway.watch = watch
        try:
            return self._run()
        finally:
            self.gateway.watch = lambda operation: None

    def _quiet_pass(self) -> None:
        """Nothing goes wrong in it. An account that was deleted is made again in one pass and opened in the next."""
        deleted = any(leaf not in self.gateway.accounts for leaf in LEAVES) or Drift.objects.filter(
            kind=Drift.Kind.REMOVED, person="", closed_at=None
        )
        self._pass()
        if deleted:
            self._pass()
        assert self._run().planned == []
        allowed = self._allowed()
        for leaf, seconds in self.world.startable().items():
            assert seconds <= allowed[leaf], leaf
        desired = desired_state("paic", at=self.world.now)
        assert self._strangers(desired) == set()
        left = {found.key for found in differences(desired, self.gateway.snapshot(), holds=held())}
        known = set(Drift.objects.filter(closed_at=None).values_list("kind", "account", "person"))
        assert {key for key in left if key[1] != "stray"} <= known
        stopped = {(account, user) for kind, account, user in left if kind == Drift.Kind.STOPPED}
        assert stopped <= self.world.stopped_by_hand, "what the portal stopped it opens again"

    def _place(self, data: st.DataObject) -> tuple[str, str]:
        """Where there is something to change: a leaf with a grant, and somebody who is, or is not, in it."""
        granted = [leaf for leaf in LEAVES if self.world.lines(leaf).exists()]
        users = st.sampled_from([*USERS, STRANGER])
        return data.draw(st.sampled_from(granted), label="leaf"), data.draw(users, label="user")

    def _allowed(self) -> dict[str, int]:
        reserved = self.gateway.reserved
        return {leaf: max(0, sum_ - reserved.get(leaf, 0)) for leaf, sum_ in self.world.balances().items()}

    def _strangers(self, desired: ClusterState) -> set[tuple[str, str]]:
        """Who could start something without a right to."""
        return {
            key
            for key, person in self.gateway.people.items()
            if without_right(key, desired) and not person.paused and not self.world.is_stopped(key[0])
        }

    def _crash_point(self, name: str) -> None:
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Killed(name)


MODULES: tuple[Any, ...] = (apply, sequence, sync)
CRASH_POINT = apply.crash_point


# The same histories in every run, so that nobody's change is held up by what another one left; HISTORIES=200 tries
# so many new ones.
NEW = int(os.environ.get("HISTORIES", "0"))


@pytest.mark.timeout(3600 if NEW else 900)
@pytest.mark.django_db
def test_random_histories() -> None:
    people_and_projects()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Histories,
        settings=settings(
            max_examples=NEW or 15,
            derandomize=not NEW,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
