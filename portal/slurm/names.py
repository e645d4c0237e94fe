"""Names that may reach Slurm. Slurm itself folds, truncates or splits many others (slurm-facts 1.2)."""

from __future__ import annotations

import re

from portal.slurm.errors import BadName

ACCOUNT = re.compile(r"[a-z][a-z0-9_-]{0,30}")
PERSON = re.compile(r"[a-z][a-z0-9_-]{0,30}")


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
