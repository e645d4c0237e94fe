"""How the portal stands towards Slurm: as whom it speaks, whether the clocks agree, how far usage is summed up."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.run import Runner
from portal.slurm.sentences import noop as _
from portal.slurm.sreport import whole_hours
from portal.slurm.types import Health

WHO_COMMAND = ("id",)
CLOCK_COMMAND = ("scontrol", "show", "config")
DATABASE_COMMAND = ("sacctmgr", "show", "config")
WHO = re.compile(r"uid=(\d+)\(([\w.@+-]+)\)", re.ASCII)
# slurmctld writes down when it answered, in its own time.
CLOCK = re.compile(r"Configuration data as of (\d+)")
VERSION = re.compile(r"^SLURMDBD_VERSION\s*=\s*(\S+)", re.MULTILINE)
# slurmdbd obeys the user it runs as without any entry.
OWNER = re.compile(r"^SlurmUser\s*=\s*([^(\s]+)", re.MULTILINE)
ADMINISTRATOR = "Administrator"
NOBODY = "None"
# Further back there is no hour to look for: slurmdbd sums up at its start whatever is missing.
HOURS_BACK = 24


def read_health(runner: Runner, cluster: str) -> Health:
    """Raises SlurmUnavailable where a daemon does not answer, SlurmUnreadable for an answer of another shape."""
    uid, user = _found(WHO, WHO_COMMAND, runner.read(*WHO_COMMAND)).groups()
    database = runner.read(*DATABASE_COMMAND)
    return Health(
        user=user,
        is_root=uid == "0",
        admin_level=_admin_level(runner, user, database),
        clock_ahead_seconds=_clock_ahead(runner),
        rolled_up_until=_rolled_up_until(runner, cluster, datetime.now(UTC)),
        slurmdbd_version=_found(VERSION, DATABASE_COMMAND, database)[1],
    )


def level_command(user: str) -> tuple[str, ...]:
    return ("sacctmgr", "-P", "-n", "show", "user", f"name={user}", "format=adminlevel")


def hour_command(cluster: str, start: datetime) -> tuple[str, ...]:
    """What slurmdbd has of this hour for the whole cluster: nothing where it has not summed it up."""
    report = ("cluster", "Utilization", f"clusters={cluster}", *whole_hours(start, start + timedelta(hours=1)))
    return ("sreport", "-P", "-n", "-t", "Seconds", *report, "format=cluster,reported")


def _admin_level(runner: Runner, user: str, database: str) -> str:
    owner = OWNER.search(database)
    if owner is not None and owner[1] == user:
        return ADMINISTRATOR
    return runner.read(*level_command(user)).strip() or NOBODY


def _clock_ahead(runner: Runner) -> float:
    """Against the middle of the call; slurmctld tells whole seconds, so that half a second is added to its own."""
    asked = datetime.now(UTC)
    told = int(_found(CLOCK, CLOCK_COMMAND, runner.read(*CLOCK_COMMAND))[1]) + 0.5
    answered = datetime.now(UTC)
    return told - (asked.timestamp() + answered.timestamp()) / 2


def _rolled_up_until(runner: Runner, cluster: str, now: datetime) -> datetime | None:
    """The end of the newest hour that slurmdbd has summed up: an Operator may not ask when it last did."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    for end in (hour - timedelta(hours=back) for back in range(HOURS_BACK)):
        if runner.read(*hour_command(cluster, end - timedelta(hours=1))).strip():
            return end
    return None


def _found(pattern: re.Pattern[str], command: tuple[str, ...], text: str) -> re.Match[str]:
    match = pattern.search(text)
    if match is None:
        raise SlurmUnreadable(_("The answer of %(command)s is not understood."), command=command[0], words=text[:2000])
    return match
