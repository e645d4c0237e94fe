"""What every driver promises (portal/slurm/gateway.py): the same tests over the fake and over real clusters."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from portal.slurm import check
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import BadName, SlurmError, SlurmRefused
from portal.slurm.fake import FakeGateway
from portal.slurm.findings import Level, PoolSetup
from portal.slurm.gateway import SlurmGateway
from portal.slurm.names import SLURM_ROOT
from portal.slurm.types import (
    AccountState,
    AddPerson,
    CancelJobs,
    CreateAccount,
    Operation,
    OtherAccount,
    ParkAccount,
    PausePerson,
    PersonState,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
    UnparkAccount,
)
from tests.slurm.conftest import H100, ROOT, Place, member
from tests.slurm.test_writes import HOSTILE

A100 = frozenset({"a100"})
HOUR = timedelta(hours=1)


def account(place: Place, name: str) -> AccountState:
    return place.gateway.snapshot().accounts[name]


def person(place: Place, leaf: str, user: str) -> PersonState | None:
    return place.gateway.snapshot().people.get((leaf, user))


# --- accounts ---


def test_a_root_that_does_not_exist_has_nothing_below_it(place: Place) -> None:
    if place.sandbox is None:
        state = FakeGateway(root_account="unborn").snapshot()
    else:
        state = CommandsGateway("pohang", "unborn", place.sandbox.prefix).snapshot()
    assert (dict(state.accounts), dict(state.people)) == ({}, {})


def test_the_root_is_part_of_the_state(place: Place) -> None:
    assert account(place, ROOT).parent == SLURM_ROOT


def test_a_leaf_is_created_limited_and_parked_at_once(place: Place) -> None:
    project, leaf = place.project(), place.name("leaf")
    place.gateway.execute(CreateAccount(leaf, project, gpu_minutes=90, parked=True, qos=H100, default_qos="h100"))
    assert account(place, leaf) == AccountState(leaf, project, 90, 0, 0, H100, "h100")
    assert account(place, project).gpu_minutes is None


def test_creating_again_changes_nothing(place: Place) -> None:
    leaf = place.leaf(gpu_minutes=90, parked=True)
    before = account(place, leaf)
    place.gateway.execute(CreateAccount(leaf, before.parent, 90, True, H100, "h100"))
    place.gateway.execute(CreateAccount(leaf, before.parent))
    assert account(place, leaf) == before


def test_creating_what_is_there_brings_it_to_what_is_asked(place: Place) -> None:
    leaf = place.leaf(gpu_minutes=90)
    parent = account(place, leaf).parent
    place.gateway.execute(CreateAccount(leaf, parent, gpu_minutes=60, parked=True, qos=A100, default_qos="a100"))
    assert account(place, leaf) == AccountState(leaf, parent, 60, 0, 0, A100, "a100")


def test_creating_never_opens_what_is_parked(place: Place) -> None:
    leaf = place.leaf(parked=True)
    place.gateway.execute(CreateAccount(leaf, account(place, leaf).parent, gpu_minutes=90, parked=False))
    assert account(place, leaf).parked


def test_an_account_is_never_moved(place: Place) -> None:
    leaf = place.leaf()
    before = account(place, leaf)
    with pytest.raises(SlurmRefused):
        place.gateway.execute(CreateAccount(leaf, place.project()))
    assert account(place, leaf) == before


@pytest.mark.parametrize("parent", ["nowhere", SLURM_ROOT])
def test_an_account_is_created_below_the_root_only(place: Place, parent: str) -> None:
    name = place.name()
    with pytest.raises(SlurmRefused):
        place.gateway.execute(CreateAccount(name, parent))
    assert name not in place.gateway.snapshot().accounts
    assert name not in {other.name for other in place.gateway.other_accounts()}


def test_a_limit_is_set_to_any_whole_number(place: Place) -> None:
    leaf = place.leaf()
    for minutes in (0, 1, 9_999_999_999, 2**63 - 1, 30, 30):
        place.gateway.execute(SetLimit(leaf, minutes))
        assert account(place, leaf).gpu_minutes == minutes


def test_parking_and_unparking_leave_the_limit_alone(place: Place) -> None:
    leaf = place.leaf(gpu_minutes=90)
    for _ in range(2):
        place.gateway.execute(ParkAccount(leaf))
        assert account(place, leaf).parked
    for _ in range(2):
        place.gateway.execute(UnparkAccount(leaf))
        assert (account(place, leaf).group_jobs, account(place, leaf).group_submit_jobs) == (None, None)
    assert account(place, leaf).gpu_minutes == 90


def test_a_leaf_takes_the_qos_of_its_pool(place: Place) -> None:
    leaf = place.leaf()
    place.gateway.execute(SetQos(leaf, A100, "a100"))
    assert (account(place, leaf).qos, account(place, leaf).default_qos) == (A100, "a100")


def test_a_qos_that_does_not_exist_is_refused(place: Place) -> None:
    leaf = place.leaf()
    unknown = (frozenset({"nosuch"}), "nosuch")
    for operation in (SetQos(leaf, *unknown), CreateAccount(place.name(), ROOT, None, False, *unknown)):
        with pytest.raises(SlurmRefused):
            place.gateway.execute(operation)
    assert account(place, leaf).qos == H100


# --- people ---


def test_a_person_is_added_once_and_nobody_else(place: Place) -> None:
    leaf = place.leaf()
    for _ in range(2):
        place.gateway.execute(AddPerson(leaf, "kim"))
    people = {key for key in place.gateway.snapshot().people if key[0] == leaf}
    assert people == {(leaf, "kim")}
    assert person(place, leaf, "kim") == member(leaf, "kim")


def test_a_person_is_paused_and_resumed_alone(place: Place) -> None:
    leaf, other = place.leaf(), place.leaf()
    for operation in (AddPerson(leaf, "kim"), AddPerson(leaf, "lee"), AddPerson(other, "kim")):
        place.gateway.execute(operation)
    for _ in range(2):
        place.gateway.execute(PausePerson(leaf, "kim"))
    assert person(place, leaf, "kim") == member(leaf, "kim", paused=True)
    assert person(place, leaf, "lee") == member(leaf, "lee")
    assert person(place, other, "kim") == member(other, "kim")
    assert not account(place, leaf).parked
    for _ in range(2):
        place.gateway.execute(ResumePerson(leaf, "kim"))
    assert person(place, leaf, "kim") == member(leaf, "kim")


def test_adding_a_paused_person_does_not_resume_them(place: Place) -> None:
    leaf = place.leaf()
    for operation in (AddPerson(leaf, "kim"), PausePerson(leaf, "kim"), AddPerson(leaf, "kim")):
        place.gateway.execute(operation)
    assert person(place, leaf, "kim") == member(leaf, "kim", paused=True)


def test_a_person_who_joins_a_parked_leaf_is_not_paused(place: Place) -> None:
    leaf = place.leaf(parked=True)
    place.gateway.execute(AddPerson(leaf, "kim"))
    assert person(place, leaf, "kim") == member(leaf, "kim")


def test_a_person_who_is_not_there_cannot_be_paused(place: Place) -> None:
    leaf = place.leaf()
    for operation in (PausePerson(leaf, "nobody1"), ResumePerson(leaf, "nobody1")):
        with pytest.raises(SlurmRefused):
            place.gateway.execute(operation)


# --- what is not ours ---


def test_other_accounts_are_listed_and_never_touched(place: Place) -> None:
    other, leaf = place.account_of_others(), place.leaf()
    for operation in (
        SetLimit(other, 1),
        ParkAccount(other),
        UnparkAccount(other),
        SetQos(other, H100, "h100"),
        AddPerson(other, "kim"),
        PausePerson(other, "kim"),
        SetPersonLimit(other, "kim", 1),
        SetPersonQos(other, "kim", H100, "h100"),
        SetDefaultAccount(other, "kim"),
        CancelJobs(other),
        CancelJobs(other, "kim"),
        CreateAccount(other, SLURM_ROOT, gpu_minutes=1),
        CreateAccount(place.name(), other),
        ParkAccount(SLURM_ROOT),
        SetLimit("nowhere", 1),
    ):
        with pytest.raises(SlurmRefused):
            place.gateway.execute(operation)
    others = {account.name: account for account in place.gateway.other_accounts()}
    assert others[other] == OtherAccount(other, SLURM_ROOT, (), 7, ("normal",))
    assert not {leaf, ROOT, SLURM_ROOT} & others.keys()
    assert other not in place.gateway.snapshot().accounts


def test_hostile_names_change_nothing(place: Place) -> None:
    before = place.gateway.snapshot()
    for name in HOSTILE:
        for operation in (CreateAccount(name, ROOT), SetLimit(name, 1), AddPerson(ROOT, name), AddPerson(name, "kim")):
            with pytest.raises(BadName):
                place.gateway.execute(operation)
    assert place.gateway.snapshot() == before


# --- reads ---


def test_every_account_below_the_root_has_a_counter(place: Place) -> None:
    leaf, other = place.leaf(gpu_minutes=90), place.account_of_others()
    counters = place.gateway.counters()
    assert counters.keys() == place.gateway.snapshot().accounts.keys()
    assert other not in counters
    assert (counters[leaf].limit_gpu_minutes, counters[leaf].used_gpu_seconds) == (90, 0)
    assert counters[leaf].reserved_gpu_seconds == 0
    assert counters[ROOT].limit_gpu_minutes is None
    assert counters[leaf].exact


def test_the_pools_and_their_gpus_are_told(place: Place) -> None:
    groups = {(group.partition, group.gpu_kind): group for group in place.gateway.capacity()}
    assert groups.keys() == {("h100", "h100"), ("a100", "a100")}
    assert all((group.nodes, group.gpus, group.gpus_down) == (1, 4, 0) for group in groups.values())


def test_the_cluster_is_set_up_as_the_portal_needs_it(place: Place) -> None:
    pools = [PoolSetup(name, name, (name,)) for name in ("h100", "a100")]
    found = check.findings(check.read(place.gateway), pools, at=datetime.now(UTC), cluster="pohang")
    troubles = [finding for finding in found if finding.level == Level.DANGER]
    assert troubles == []


def test_the_queue_holds_no_job_of_an_account_that_has_none(place: Place) -> None:
    leaf = place.leaf()
    assert [entry for entry in place.gateway.queue() if entry.account == leaf] == []


def test_a_window_that_is_empty_or_to_come_holds_no_job(place: Place) -> None:
    now = datetime.now(UTC)
    assert list(place.gateway.jobs(now, now)) == []
    assert list(place.gateway.jobs(now, now - HOUR)) == []
    assert list(place.gateway.jobs(now + HOUR, now + 2 * HOUR)) == []
    assert list(place.gateway.jobs(now - HOUR * 48, now - HOUR * 47)) == []


def test_hours_without_jobs_have_no_usage(place: Place) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert dict(place.gateway.usage(start, start + HOUR)) == {}
    assert place.gateway.reservations(start, start + HOUR) == []
    assert dict(place.gateway.utilisation(start, start + HOUR, ["h100"])) == {}


# --- all of it together ---


def test_any_order_of_operations_leaves_what_the_fake_says(place: Place) -> None:
    """The fake is believed by the portal's own tests: so the same operations must give the same state on Slurm."""
    chance = random.Random(20260710)  # noqa: S311
    fake = FakeGateway(root_account=ROOT)
    fake.execute(CreateAccount(ROOT, SLURM_ROOT))
    projects = [place.name("a") for _ in range(2)]
    leaves = [place.name("b") for _ in range(3)]
    users = [place.user() for _ in range(2)]
    for _ in range(60):
        operation = any_operation(chance, projects, leaves, users)
        assert outcome(fake, operation) == outcome(place.gateway, operation), operation
    ours, theirs = fake.snapshot(), place.gateway.snapshot()
    assert {name: theirs.accounts.get(name) for name in projects + leaves} == {
        name: ours.accounts.get(name) for name in projects + leaves
    }
    assert {key: value for key, value in theirs.people.items() if key[0] in leaves} == ours.people
    assert {user: theirs.defaults.get(user) for user in users} == {user: ours.defaults.get(user) for user in users}


def any_operation(chance: random.Random, projects: list[str], leaves: list[str], users: list[str]) -> Operation:
    leaf, project = chance.choice(leaves), chance.choice(projects)
    pool = chance.choice(["h100", "a100"])
    user = chance.choice(users)
    return chance.choice(
        [
            CreateAccount(project, ROOT),
            CreateAccount(leaf, project, chance.choice([None, 10]), chance.random() < 0.5, frozenset({pool}), pool),
            SetLimit(leaf, chance.randrange(1000)),
            ParkAccount(leaf),
            UnparkAccount(leaf),
            SetQos(leaf, frozenset({pool}), pool),
            AddPerson(leaf, user),
            PausePerson(leaf, user),
            ResumePerson(leaf, user),
            SetPersonLimit(leaf, user, chance.choice([None, 0, 5, 700])),
            SetPersonQos(leaf, user, frozenset({pool}), pool),
            SetDefaultAccount(leaf, user),
            CancelJobs(leaf, chance.choice(["", user])),
        ]
    )


def outcome(gateway: SlurmGateway, operation: Operation) -> str:
    try:
        gateway.execute(operation)
    except SlurmError as error:
        return type(error).__name__
    return "done"
