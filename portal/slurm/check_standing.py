"""How the portal stands towards Slurm: versions, the rights it works with, clocks, roll-up, and its root account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from portal.slurm.findings import SACCTMGR, Finding, danger, fine, warning
from portal.slurm.names import SLURM_ROOT
from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _
from portal.slurm.types import AccountState, ClusterState, Health, SlurmConfig

VERSION = re.compile(r"\D*(\d+)\.(\d+)")
OLDEST = (22, 5)
# From here on writers do not lose one another's changes, and counters are told to the second (slurm-facts 1.2, 4).
SOUND = (24, 11)
LEVELS = ("Operator", "Administrator")
CLOCK_SECONDS = 5
CLOCK_DANGER_SECONDS = 60
# slurmdbd sums up right after each full hour: what is missing a quarter of an hour later is late.
ROLLUP_LATE = timedelta(minutes=75)


def findings(
    config: SlurmConfig, health: Health, state: ClusterState, root_account: str, at: datetime
) -> Iterator[Finding]:
    yield from _versions(config, health)
    yield _rights(health)
    yield _clock(health)
    yield from _rollup(health, at)
    yield from _root(state.accounts.get(root_account), root_account)


def version_of(text: str) -> tuple[int, int] | None:
    """Year and month from `24.11.5`; None where the text names none."""
    match = VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None


def _versions(config: SlurmConfig, health: Health) -> Iterator[Finding]:
    version = version_of(config.version)
    params = {"version": config.version, "slurmdbd": health.slurmdbd_version}
    if version is None:
        return
    if version < OLDEST:
        text = _("Slurm %(version)s is older than 22.05, the first that the portal knows.")
        yield danger("version", Sentence(text, params))
    elif version < SOUND:
        text = _(
            "Slurm %(version)s can lose changes made at the same time, or tells counters in whole minutes only: let "
            "nobody run sacctmgr beside the portal, and plan for 24.11 or newer."
        )
        yield warning("version", Sentence(text, params))
    else:
        yield fine("version", Sentence(_("Slurm %(version)s is supported."), params))
    if version_of(health.slurmdbd_version) not in {None, version}:
        text = _("slurmctld is %(version)s and slurmdbd %(slurmdbd)s: right only in the middle of an upgrade.")
        yield warning("versions-differ", Sentence(text, params))


def _rights(health: Health) -> Finding:
    params = {"user": health.user, "level": health.admin_level}
    line = f"sacctmgr modify user {health.user} set AdminLevel=Operator"
    if health.is_root:
        text = _("The worker runs as root. A Unix user of its own with the admin level Operator is enough.")
        return warning("rights", Sentence(text), SACCTMGR, "sacctmgr add user portal account=root AdminLevel=Operator")
    if health.admin_level not in LEVELS:
        text = _("The worker runs as %(user)s, who may change nothing in Slurm's accounting.")
        return danger("rights", Sentence(text, params), SACCTMGR, line)
    if health.admin_level != "Operator":
        text = _("The worker runs as %(user)s with the admin level %(level)s; Operator is enough.")
        return warning("rights", Sentence(text, params), SACCTMGR, line)
    return fine("rights", Sentence(_("The worker runs as %(user)s with the admin level Operator."), params))


def _clock(health: Health) -> Finding:
    seconds = round(abs(health.clock_ahead_seconds))
    if seconds < CLOCK_SECONDS:
        return fine("clock", Sentence(_("The clocks of Slurm and of the worker agree.")))
    if health.clock_ahead_seconds > 0:
        text = _("Slurm's clock is %(seconds)s seconds ahead of the worker's: usage and dates do not fit together.")
    else:
        text = _("Slurm's clock is %(seconds)s seconds behind the worker's: usage and dates do not fit together.")
    tell = danger if seconds >= CLOCK_DANGER_SECONDS else warning
    return tell("clock", Sentence(text, {"seconds": str(seconds)}), "chrony.conf", "server … iburst")


def _rollup(health: Health, at: datetime) -> Iterator[Finding]:
    if health.rolled_up_until is None:
        return
    params = {"until": f"{health.rolled_up_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"}
    if at - health.rolled_up_until > ROLLUP_LATE:
        text = _("slurmdbd has summed up usage until %(until)s only: sreport is behind, and nothing newer is compared.")
        yield warning("rollup", Sentence(text, params), "slurmdbd.log", "systemctl status slurmdbd")
    else:
        yield fine("rollup", Sentence(_("slurmdbd sums up usage every hour.")))


def _root(root: AccountState | None, name: str) -> Iterator[Finding]:
    params = {"account": name}
    if root is None:
        text = _("The portal's root account %(account)s does not exist yet: it is made with the first grant.")
        yield warning("root-missing", Sentence(text, params))
        return
    troubles = list(_root_troubles(root, params))
    text = _("The portal's root account %(account)s is in order.")
    yield from troubles or [fine("root", Sentence(text, params))]


def _root_troubles(root: AccountState, params: dict[str, str]) -> Iterator[Finding]:
    command = f"sacctmgr modify account {root.name} set"
    if root.parent != SLURM_ROOT:
        text = _("The portal's root account %(account)s is below %(parent)s: what is set there binds all projects.")
        yield warning("root-place", Sentence(text, {**params, "parent": root.parent}))
    if root.group_jobs == 0 or root.group_submit_jobs == 0:
        text = _("The portal's root account %(account)s is stopped: no job of any project starts.")
        yield danger("root-stopped", Sentence(text, params), SACCTMGR, f"{command} GrpJobs=-1 GrpSubmitJobs=-1")
    if root.gpu_minutes is not None:
        text = _(
            "The portal's root account %(account)s has a GPU time limit: once all projects together have used it up, "
            "nobody can start anything."
        )
        yield danger("root-limit", Sentence(text, params), SACCTMGR, f"{command} GrpTRESMins=gres/gpu=-1")
