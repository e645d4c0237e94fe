"""Processes inside a sandbox, as seen from outside."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.01
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int
    """Clock ticks from boot to its start, field 22 of /proc/PID/stat."""
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this number now, None where none has or it is a zombie."""
        try:
            # The name, in brackets, may hold blanks and brackets itself.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), BOOT.read_text().strip())

    @classmethod
    def current(cls) -> "Process":
        """The calling process."""
        process = cls.of(os.getpid())
        assert process is not None
        return process

    @classmethod
    def recorded(cls, file: Path) -> "Process | None":
        """The process a file names as "pid start boot"; None where it has ended since."""
        try:
            pid, started, boot = file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        process = cls(int(pid), int(started), boot)
        return process if process.is_alive() else None

    def record(self, file: Path) -> None:
        """Writes the process down for `recorded`."""
        file.write_text(f"{self.pid} {self.started} {self.boot}\n")

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Sends a signal if it still runs."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Waits for its end; whether it has come."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def entering(init: Process) -> list[str]:
    """The words before a command that make it run inside, as root, with the caller's environment.

    A command dies with its nsenter, which is what the caller sees and may end; without that, one that was given up
    after a time-out would go on working inside.
    """
    target = ["--target", str(init.pid), "--mount", "--pid", "--net", "--uts", "--ipc"]
    return ["nsenter", *target, "--", "setpriv", "--pdeathsig", "KILL", "--"]


def as_user(user: str, variables: Sequence[str] = ()) -> list[str]:
    """The words before a command that make it run as a Unix user of the sandbox, in their home, as after a login."""
    privileges = [
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        "--init-groups",
        "--reset-env",
        "--pdeathsig",
        "KILL",
    ]
    return ["env", f"--chdir=/home/{user}", *privileges, "--", "env", "LC_ALL=C.UTF-8", *variables]


class InsideProcess(subprocess.Popen[Any]):
    """A command inside. Signals go to the command itself, not to the nsenter that waits for it."""

    def send_signal(self, sig: int) -> None:
        """Sends a signal to the command, or to nsenter as long as that has not started it."""
        if self.poll() is not None:
            return
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        os.kill(int(children[0]) if children else self.pid, sig)
