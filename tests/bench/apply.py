"""New projects, from nothing in Slurm to all in force: seconds, Slurm calls, and how both grow."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.bench import ground  # isort: skip
from django.conf import settings
from django.utils import timezone

from allocations.models import Account
from allocations.provisioning.sync import synchronise
from portal.slurm.commands import CommandsGateway
from portal.slurm.run import Answer, Runner
from portal.slurm.sandbox import Sandbox

PEOPLE = 5
# Ten times as many projects take ten times as long at least, so growth is told from a tenth.
FEW, MANY = 20, 200


class Counting(Runner):
    """Counts the commands, writes apart, and remembers what was written."""

    def __init__(self, prefix: list[str]) -> None:
        super().__init__(prefix)
        self.calls = 0
        self.writes: list[tuple[str, ...]] = []

    def run(self, *command: str) -> Answer:
        self.calls += 1
        if command[:2] == ("sacctmgr", "-i"):
            self.writes.append(command)
        return super().run(*command)


def main() -> None:
    ground.migrate()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox("bench-apply", state=Path(folder) / "state")
        sandbox.up(pdeathsig=True)
        try:
            few = measure(sandbox, FEW, first=0)
            many = measure(sandbox, MANY, first=FEW)
            print(f"{MANY // FEW} times as many projects: {many / few:.1f} times as long")
        finally:
            sandbox.down(purge=True)


def measure(sandbox: Sandbox, projects: int, first: int) -> float:
    ground.add_projects([PEOPLE] * projects, first=first)
    gateway = CommandsGateway(settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, sandbox.prefix)
    gateway.runner = runner = Counting(sandbox.prefix)
    start = time.monotonic()
    passes = 1
    while synchronise(gateway, clock=timezone.now).goes_on:
        passes += 1
    took = time.monotonic() - start
    left = Account.objects.exclude(state=Account.State.IN_FORCE).count()
    if left:
        sys.exit(f"{left} accounts are not in force")
    bare = bare_writes(sandbox, runner.writes)
    print(
        f"{projects} projects with {PEOPLE} people: {took:.1f} s in {passes} passes, {runner.calls} calls of Slurm, "
        f"{len(runner.writes)} of them write; the same writes bare: {bare:.1f} s, ratio {took / bare:.2f}"
    )
    return took


def bare_writes(sandbox: Sandbox, writes: list[tuple[str, ...]]) -> float:
    """The same commands once more, for names that Slurm does not know yet, and nothing read between."""
    start = time.monotonic()
    for command in writes:
        sandbox.run([bare_name(word) for word in command], check=False)
    return time.monotonic() - start


def bare_name(word: str) -> str:
    """The portal's own names with a letter before them."""
    key, equals, value = word.partition("=")
    return f"{key}=b{value}" if equals and key in {"name", "account", "parent"} and value != "root" else word


if __name__ == "__main__":
    main()
