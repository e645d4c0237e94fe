"""Operations and conflicts in words: stored as {"message": msgid, "params": {…}}, translated when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext, gettext_noop

from allocations.provisioning.differences import Difference, Kind
from allocations.provisioning.tree import account_of, person_of
from portal.slurm.types import (
    AddPerson,
    CancelJobs,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
    UnparkAccount,
)

Sentence = dict[str, Any]

OPERATIONS: dict[type[Operation], str] = {
    CreateAccount: gettext_noop("Create account %(account)s below %(parent)s"),
    SetLimit: gettext_noop("Set the limit of %(account)s to %(gpu_minutes)s GPU-minutes"),
    ParkAccount: gettext_noop("Park %(account)s: nothing new starts, running jobs end"),
    UnparkAccount: gettext_noop("Open %(account)s for jobs"),
    SetQos: gettext_noop("Give %(account)s the QOS %(qos)s"),
    AddPerson: gettext_noop("Add %(person)s to %(account)s"),
    PausePerson: gettext_noop("Pause %(person)s in %(account)s and cancel their waiting jobs"),
    ResumePerson: gettext_noop("Let %(person)s work in %(account)s again"),
    SetPersonLimit: gettext_noop("Cap %(person)s in %(account)s at %(gpu_minutes)s GPU-minutes"),
    SetPersonQos: gettext_noop("Let %(person)s in %(account)s use no other QOS than %(qos)s"),
    SetDefaultAccount: gettext_noop("Make %(account)s the default account of %(person)s"),
    CancelJobs: gettext_noop("End all jobs in %(account)s"),
}
CANCEL_OF_PERSON = gettext_noop("End the jobs of %(person)s in %(account)s")
NO_CAP = gettext_noop("Take the cap of %(person)s in %(account)s away")
CREATE_LEAF = gettext_noop("Create account %(account)s below %(parent)s with %(gpu_minutes)s GPU-minutes, parked")

LEFT_TO_A_PERSON: dict[tuple[Kind, bool], str] = {
    (Kind.PARENT, False): gettext_noop(
        "%(account)s is below %(found)s and belongs below %(expected)s. The portal never moves an account: nothing is "
        "loosened there until it is moved back with sacctmgr."
    ),
    (Kind.LINEAGE, True): gettext_noop(
        "The association of %(user)s with %(account)s hangs elsewhere in Slurm's tree than the account, so its limit "
        "may not bind. Nothing is loosened there until the tree is repaired."
    ),
    (Kind.STOPPED, False): gettext_noop(
        "%(account)s was stopped by hand in Slurm (GrpJobs or GrpSubmitJobs is 0), and all accounts below it with it. "
        "The portal leaves it so."
    ),
    (Kind.STOPPED, True): gettext_noop(
        "%(user)s was paused by hand in %(account)s (GrpJobs and GrpSubmitJobs are 0). The portal leaves it so."
    ),
    (Kind.ADDED, False): gettext_noop(
        "%(account)s is below %(found)s and belongs to no project. The portal leaves it alone; what it uses counts for "
        "the accounts above it too."
    ),
}


def operation_sentence(operation: Operation) -> Sentence:
    params: dict[str, Any] = {"account": account_of(operation)}
    if person := person_of(operation):
        params["person"] = person
    if isinstance(operation, CreateAccount):
        params["parent"] = operation.parent
    if isinstance(operation, CreateAccount | SetLimit | SetPersonLimit) and operation.gpu_minutes is not None:
        params["gpu_minutes"] = operation.gpu_minutes
    if isinstance(operation, SetQos | SetPersonQos):
        params["qos"] = ", ".join(sorted(operation.qos))
    return {"message": _message(operation), "params": params}


def _message(operation: Operation) -> str:
    match operation:
        case CreateAccount(gpu_minutes=int()):
            return CREATE_LEAF
        case SetPersonLimit(gpu_minutes=None):
            return NO_CAP
        case CancelJobs(user=user) if user:
            return CANCEL_OF_PERSON
    return OPERATIONS[type(operation)]


def conflict_sentence(difference: Difference) -> Sentence:
    """What is left to a person (`Difference.is_left_to_a_person`), in words."""
    params = asdict(difference)
    kind = Kind(params.pop("kind"))
    return {"message": LEFT_TO_A_PERSON[kind, bool(difference.user)], "params": params}


def in_words(sentence: Mapping[str, Any]) -> str:
    """The sentence in the reader's language; whole numbers with thousands separators."""
    params = {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in sentence.get("params", {}).items()
    }
    return gettext(sentence["message"]) % params
