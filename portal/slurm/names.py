"""Names that may reach Slurm. Slurm itself folds, truncates or splits many others (slurm-facts 1.2)."""

from __future__ import annotations

import re

from portal.slurm.errors import BadName
from portal.slurm.sentences import noop as _

WORD = re.compile(r"[a-z][a-z0-9_-]{0,30}")
ACCOUNT = PERSON = QOS = WORD
# What Slurm may list where somebody made it by hand: one plain word for sacctmgr, scancel and a shell alike.
LISTED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}")
CLUSTER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
# Slurm's own account above all others.
SLURM_ROOT = "root"


def checked_account(name: str) -> str:
    """The name, unchanged. Raises BadName where Slurm would store another one."""
    if not ACCOUNT.fullmatch(name):
        raise BadName(
            _("%(name)s is no usable account name: lower-case letters, digits, - and _, at most 31."), name=repr(name)
        )
    return name


def checked_root(name: str) -> str:
    """The name, unchanged. Raises BadName for Slurm's own root too: the whole cluster would be the portal's."""
    if name == SLURM_ROOT:
        raise BadName(_("The portal needs an account of its own below Slurm's root."))
    return checked_account(name)


def checked_person(name: str) -> str:
    """The user name, unchanged. Raises BadName where Slurm or Linux would not take it as it is."""
    if not PERSON.fullmatch(name):
        raise BadName(
            _("%(name)s is no usable user name: lower-case letters, digits, - and _, at most 31."), name=repr(name)
        )
    return name


def checked_listed_person(name: str) -> str:
    """The user name, unchanged, of somebody whom Slurm lists. Raises BadName where it is no plain word."""
    if not LISTED.fullmatch(name):
        raise BadName(_("%(name)s cannot be named in a command to Slurm: a person has to look."), name=repr(name))
    return name


def checked_qos(name: str) -> str:
    """The QOS name, unchanged. Raises BadName where Slurm would store or read another one."""
    if not QOS.fullmatch(name):
        raise BadName(
            _("%(name)s is no usable QOS name: lower-case letters, digits, - and _, at most 31."), name=repr(name)
        )
    return name


def checked_cluster(name: str) -> str:
    """The cluster name, unchanged. Raises BadName where it could be taken for something else."""
    if not CLUSTER.fullmatch(name):
        raise BadName(_("%(name)s is no usable cluster name: letters, digits, - and _, at most 40."), name=repr(name))
    return name
