"""Names that may reach Slurm. Slurm itself folds, truncates or splits many others (slurm-facts 1.2)."""

from __future__ import annotations

import re

from portal.slurm.errors import BadName

ACCOUNT = re.compile(r"[a-z][a-z0-9_-]{0,30}")
PERSON = re.compile(r"[a-z][a-z0-9_-]{0,30}")
QOS = re.compile(r"[a-z][a-z0-9_-]{0,30}")
CLUSTER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def checked_account(name: str) -> str:
    """The name, unchanged. Raises BadName where Slurm would store another one."""
    if not ACCOUNT.fullmatch(name):
        raise BadName(f"{name!r} is no usable account name: lower-case letters, digits, - and _, at most 31.")
    return name


def checked_person(name: str) -> str:
    """The user name, unchanged. Raises BadName where Slurm or Linux would not take it as it is."""
    if not PERSON.fullmatch(name):
        raise BadName(f"{name!r} is no usable user name: lower-case letters, digits, - and _, at most 31.")
    return name


def checked_qos(name: str) -> str:
    """The QOS name, unchanged. Raises BadName where Slurm would store or read another one."""
    if not QOS.fullmatch(name):
        raise BadName(f"{name!r} is no usable QOS name: lower-case letters, digits, - and _, at most 31.")
    return name


def checked_cluster(name: str) -> str:
    """The cluster name, unchanged. Raises BadName where it could be taken for something else."""
    if not CLUSTER.fullmatch(name):
        raise BadName(f"{name!r} is no usable cluster name: letters, digits, - and _, at most 40.")
    return name
