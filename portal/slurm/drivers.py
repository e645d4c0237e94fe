"""Choosing the driver that speaks to Slurm. Only where Slurm is: in the worker, never in a web process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _

KINDS = ("auto", "commands", "native", "none")
SLURM_CONF = "/etc/slurm/slurm.conf"
IMPORT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OpenedGateway:
    """A gateway that can be spoken to, and the sentence that says why it is this one."""

    gateway: SlurmGateway
    driver_note: Sentence


def open_gateway(kind: str, cluster: str, root_account: str, prefix: Sequence[str] = ()) -> OpenedGateway:
    """The driver of this kind: auto (pyslurm where it works, else the commands), commands, native or none.

    Raises SlurmUnavailable with a sentence for people where there is none, ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"SLURM_GATEWAY must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == "none":
        raise SlurmUnavailable(_("No cluster is attached: SLURM_GATEWAY is none."))
    commands = CommandsGateway(cluster, root_account, prefix)
    year, month = _installed_version(commands)
    version = f"{year}.{month:02}"
    if kind == "commands":
        note = Sentence(_("SLURM_GATEWAY asks for Slurm's commands (version %(version)s)."), {"version": version})
        return OpenedGateway(commands, note)
    trouble = native_trouble(prefix)
    if trouble is None:
        from portal.slurm.native import NativeGateway

        message = _("pyslurm reads; Slurm's commands (version %(version)s) write and read the job history.")
        return OpenedGateway(NativeGateway(commands), Sentence(message, {"version": version}))
    if kind == "native":
        raise SlurmUnavailable(trouble.message, **trouble.params)
    return OpenedGateway(commands, trouble)


def native_trouble(prefix: Sequence[str] = ()) -> Sentence | None:
    """Why pyslurm cannot be used, or None. It is tried in a process of its own.

    Importing it without a readable slurm.conf waits a minute and then ends the process (slurm-facts section 7).
    """
    if prefix:
        return Sentence(_("Slurm is reached through a command prefix, and pyslurm knows this machine only."))
    if importlib.util.find_spec("pyslurm") is None:
        return Sentence(_("pyslurm is not installed here."))
    conf = Path(os.environ.get("SLURM_CONF") or SLURM_CONF)
    if not os.access(conf, os.R_OK):
        return Sentence(_("pyslurm needs %(file)s, which is missing or cannot be read."), {"file": str(conf)})
    try:
        trial = subprocess.run(
            [sys.executable, "-c", "import pyslurm"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Sentence(_("Importing pyslurm takes too long here."))
    if trial.returncode == 0:
        return None
    lines = trial.stderr.decode("utf-8", errors="replace").strip().splitlines()
    words = lines[-1] if lines else str(trial.returncode)
    return Sentence(_("Importing pyslurm fails here: %(trouble)s"), {"trouble": words})


def _installed_version(commands: CommandsGateway) -> tuple[int, int]:
    try:
        return commands.version
    except SlurmUnavailable as error:
        where = " ".join(commands.runner.prefix) or "this machine"
        raise SlurmUnavailable(
            _("Slurm's commands cannot be run (%(where)s)."), where=where, words=error.words
        ) from error
