"""Operations and conflicts in words: stored as {"message": msgid, "params": {…}}, translated when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext, gettext_noop

from allocations.provisioning.plan import Conflict, ConflictKind, account_of, person_of
from portal.slurm.types import (
    AddPerson,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    ResumePerson,
    SetLimit,
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
}
CREATE_LEAF = gettext_noop("Create account %(account)s below %(parent)s with %(gpu_minutes)s GPU-minutes, parked")

CONFLICTS = {
    ConflictKind.ACCOUNT_MISPLACED: gettext_noop(
        "%(account)s is below %(found)s and belongs below %(expected)s. The portal never moves an account: nothing is "
        "loosened there until it is moved back with sacctmgr."
    ),
    ConflictKind.PERSON_MISPLACED: gettext_noop(
        "The association of %(user)s with %(account)s hangs elsewhere in Slurm's tree than the account, so its limit "
        "may not bind. Nothing is loosened there until the tree is repaired."
    ),
    ConflictKind.STOPPED_BY_HAND: gettext_noop(
        "%(account)s was stopped by hand in Slurm (GrpJobs or GrpSubmitJobs is 0), and all accounts below it with it. "
        "The portal leaves it so."
    ),
    ConflictKind.UNKNOWN_ACCOUNT: gettext_noop(
        "%(account)s is below the portal's root account and belongs to no project. The portal leaves it alone."
    ),
}


def operation_sentence(operation: Operation) -> Sentence:
    params: dict[str, Any] = {"account": account_of(operation)}
    if person := person_of(operation):
        params["person"] = person
    if isinstance(operation, CreateAccount):
        params["parent"] = operation.parent
    if isinstance(operation, CreateAccount | SetLimit) and operation.gpu_minutes is not None:
        params["gpu_minutes"] = operation.gpu_minutes
    if isinstance(operation, SetQos):
        params["qos"] = ", ".join(sorted(operation.qos))
    creates_leaf = isinstance(operation, CreateAccount) and operation.gpu_minutes is not None
    return {"message": CREATE_LEAF if creates_leaf else OPERATIONS[type(operation)], "params": params}


def conflict_sentence(conflict: Conflict) -> Sentence:
    params = asdict(conflict)
    kind = ConflictKind(params.pop("kind"))
    return {"message": CONFLICTS[kind], "params": params}


def in_words(sentence: Mapping[str, Any]) -> str:
    """The sentence in the reader's language; whole numbers with thousands separators."""
    params = {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in sentence.get("params", {}).items()
    }
    return gettext(sentence["message"]) % params
