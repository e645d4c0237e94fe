"""What every driver promises of people: caps, QOS of their own, default accounts, jobs that are ended, Unix users."""

from __future__ import annotations

import pytest

from portal.slurm.errors import SlurmRefused
from portal.slurm.fake import FakeGateway
from portal.slurm.types import (
    AddPerson,
    CancelJobs,
    ParkAccount,
    PausePerson,
    PersonState,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
)
from tests.slurm.conftest import H100, Place, member, real

A100 = frozenset({"a100"})


def leaf_of(place: Place, *users: str) -> str:
    leaf = place.leaf()
    for user in users:
        place.gateway.execute(AddPerson(leaf, user))
    return leaf


def person(place: Place, leaf: str, user: str) -> PersonState:
    return place.gateway.snapshot().people[leaf, user]


def default(place: Place, user: str) -> str:
    return place.gateway.snapshot().defaults[user]


# --- caps ---


def test_a_cap_is_set_changed_and_taken_away(place: Place) -> None:
    leaf, other = leaf_of(place, "kim", "lee"), leaf_of(place, "kim")
    for minutes in (0, 30, 30, 2**63 - 1, None, None):
        place.gateway.execute(SetPersonLimit(leaf, "kim", minutes))
        assert person(place, leaf, "kim") == member(leaf, "kim", gpu_minutes=minutes)
    place.gateway.execute(SetPersonLimit(leaf, "kim", 30))
    assert person(place, leaf, "lee") == member(leaf, "lee")
    assert person(place, other, "kim") == member(other, "kim")
    assert place.gateway.snapshot().accounts[leaf].gpu_minutes == 600


def test_a_cap_outlasts_pausing_and_the_limit_of_the_account_leaves_it_alone(place: Place) -> None:
    leaf = leaf_of(place, "kim")
    for operation in (
        SetPersonLimit(leaf, "kim", 30),
        PausePerson(leaf, "kim"),
        SetLimit(leaf, 900),
        ParkAccount(leaf),
        AddPerson(leaf, "kim"),
    ):
        place.gateway.execute(operation)
    assert person(place, leaf, "kim") == member(leaf, "kim", paused=True, gpu_minutes=30)
    place.gateway.execute(ResumePerson(leaf, "kim"))
    assert person(place, leaf, "kim") == member(leaf, "kim", gpu_minutes=30)


def test_a_newcomer_comes_with_the_cap(place: Place) -> None:
    leaf = place.leaf()
    place.gateway.execute(AddPerson(leaf, "kim", 30))
    assert person(place, leaf, "kim") == member(leaf, "kim", gpu_minutes=30)
    place.gateway.execute(AddPerson(leaf, "kim", 30))
    with pytest.raises(SlurmRefused):
        place.gateway.execute(AddPerson(leaf, "kim", 60))
    assert person(place, leaf, "kim") == member(leaf, "kim", gpu_minutes=30)


@pytest.mark.parametrize("user", ["john.doe", "7up", "a_name-of-more-than-thirty-one-letters"])
def test_a_stranger_whom_the_portal_would_never_have_named_so_can_be_paused(place: Place, user: str) -> None:
    leaf = place.leaf()
    place.stranger(leaf, user)
    place.gateway.execute(PausePerson(leaf, user))
    assert person(place, leaf, user) == member(leaf, user, paused=True)


# --- QOS ---


def test_a_person_has_the_qos_of_the_account_also_when_it_changes(place: Place) -> None:
    leaf = leaf_of(place, "kim")
    assert person(place, leaf, "kim") == member(leaf, "kim")
    place.gateway.execute(SetQos(leaf, A100, "a100"))
    assert person(place, leaf, "kim") == PersonState(leaf, "kim", qos=A100, default_qos="a100")


@pytest.mark.parametrize("own", [("normal", "h100", "a100"), ("a100",), ("h100",)])
def test_qos_of_a_persons_own_are_seen_and_taken_back(place: Place, own: tuple[str, ...]) -> None:
    leaf = leaf_of(place, "kim", "lee")
    place.own_qos(leaf, "kim", *own)
    assert person(place, leaf, "kim") == PersonState(leaf, "kim", qos=frozenset(own), default_qos=own[0])
    for _ in range(2):
        place.gateway.execute(SetPersonQos(leaf, "kim", H100, "h100"))
        assert person(place, leaf, "kim") == member(leaf, "kim")
    place.gateway.execute(SetQos(leaf, A100, "a100"))
    assert {person(place, leaf, user).qos for user in ("kim", "lee")} == {A100}


def test_a_person_cannot_be_given_other_qos_than_the_accounts(place: Place) -> None:
    leaf = leaf_of(place, "kim")
    with pytest.raises(SlurmRefused):
        place.gateway.execute(SetPersonQos(leaf, "kim", A100, "a100"))
    assert person(place, leaf, "kim") == member(leaf, "kim")


# --- default accounts ---


def test_the_first_account_is_the_default_until_another_is_set(place: Place) -> None:
    user = place.user()
    first, second = leaf_of(place, user), leaf_of(place, user)
    assert default(place, user) == first
    for _ in range(2):
        place.gateway.execute(SetDefaultAccount(second, user))
        assert default(place, user) == second
    place.gateway.execute(AddPerson(first, user))
    assert default(place, user) == second


def test_a_default_must_be_an_account_that_the_person_is_in(place: Place) -> None:
    user = place.user()
    leaf, other = leaf_of(place, user), leaf_of(place)
    with pytest.raises(SlurmRefused):
        place.gateway.execute(SetDefaultAccount(other, user))
    assert default(place, user) == leaf


def test_a_default_outside_of_our_tree_is_told(place: Place) -> None:
    user, other = place.user(), place.account_of_others()
    if isinstance(place.gateway, FakeGateway):
        place.gateway.people[other, user] = PersonState(other, user)
    else:
        real(place).run(["sacctmgr", "-i", "add", "user", user, f"account={other}"])
    leaf = leaf_of(place, user)
    assert default(place, user) == other
    assert next(row for row in place.gateway.other_accounts() if row.name == other).people == (user,)
    place.gateway.execute(SetDefaultAccount(leaf, user))
    assert default(place, user) == leaf


# --- jobs ---


def test_jobs_of_one_person_end_at_once_and_nobody_elses(place: Place) -> None:
    leaf, other, kim, lee = place.leaf(), place.leaf(), place.user(), place.user()
    place.job(leaf, kim, runs=True)
    place.job(leaf, kim, runs=False)
    place.job(leaf, lee, runs=False)
    place.job(other, kim, runs=False)
    for _ in range(2):
        place.gateway.execute(CancelJobs(leaf, kim))
        assert place.jobs(leaf) == {(lee, "PENDING")}
    assert place.jobs(other) == {(kim, "PENDING")}
    place.gateway.execute(CancelJobs(other))


def test_all_jobs_of_an_account_end_at_once(place: Place) -> None:
    leaf, other, kim, lee = place.leaf(), place.leaf(), place.user(), place.user()
    place.job(leaf, kim, runs=True)
    place.job(leaf, lee, runs=False)
    place.job(other, kim, runs=False)
    for _ in range(2):
        place.gateway.execute(CancelJobs(leaf))
        assert place.jobs(leaf) == set()
    assert place.jobs(other) == {(kim, "PENDING")}
    place.gateway.execute(CancelJobs(other))


def test_jobs_of_nobody_are_ended_already(place: Place) -> None:
    leaf = leaf_of(place, user := place.user())
    for operation in (CancelJobs(leaf), CancelJobs(leaf, user), CancelJobs(leaf, "nobody1")):
        place.gateway.execute(operation)


def test_pausing_ends_what_waits_and_no_more(place: Place) -> None:
    leaf, kim, lee = place.leaf(), place.user(), place.user()
    place.job(leaf, kim, runs=True)
    place.job(leaf, kim, runs=False)
    place.job(leaf, lee, runs=False)
    place.gateway.execute(PausePerson(leaf, kim))
    assert place.jobs(leaf) == {(kim, "RUNNING"), (lee, "PENDING")}
    place.gateway.execute(CancelJobs(leaf))


# --- what is not there ---


def test_what_is_asked_for_a_person_who_is_not_there_is_refused(place: Place) -> None:
    leaf = place.leaf()
    for operation in (
        SetPersonLimit(leaf, "nobody1", 5),
        SetPersonLimit(leaf, "nobody1", None),
        SetPersonQos(leaf, "nobody1", H100, "h100"),
        SetDefaultAccount(leaf, "nobody1"),
    ):
        with pytest.raises(SlurmRefused):
            place.gateway.execute(operation)
    assert (leaf, "nobody1") not in place.gateway.snapshot().people


def test_unix_users_are_known_and_others_are_not(place: Place) -> None:
    there, missing = place.user(), place.user()
    if isinstance(place.gateway, FakeGateway):
        place.gateway.unix_users = {there}
    else:
        real(place).person(there)
    hostile = ["", "-s", "0", "a b", "a;reboot", "root:x", "passwd\n", "포항"]
    assert place.gateway.known_people([there, missing, *hostile]) == {there}
    assert place.gateway.known_people([missing]) == frozenset()
    assert place.gateway.known_people([]) == frozenset()
    many = [f"{missing}x{number}" for number in range(450)]
    assert place.gateway.known_people([*many, there]) == {there}
