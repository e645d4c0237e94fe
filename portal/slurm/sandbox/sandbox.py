"""A throw-away, real Slurm cluster in namespaces of its own."""

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from portal.slurm.sandbox import history, host
from portal.slurm.sandbox.build import build_layers
from portal.slurm.sandbox.config import DEFAULT_NODES, Node
from portal.slurm.sandbox.errors import CommandFailed, SandboxError
from portal.slurm.sandbox.history import HistoryJob
from portal.slurm.sandbox.layers import (
    Report,
    hold_layer,
    layer_root,
    prune_layers,
)
from portal.slurm.sandbox.processes import InsideProcess, as_user, entering
from portal.slurm.sandbox.recipe import DEFAULT_RELEASE, PROJECT, RELEASES, SCRIPTS, PythonInputs, layers
from portal.slurm.sandbox.state import Bind, Settings, State, states
from portal.slurm.sandbox.status import SandboxStatus, are_built, versions_of

DEFAULT_NAME = "demo"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
USER = re.compile(r"[a-z][a-z0-9_-]{0,30}")
UNKNOWN_UID = 2**32 - 2
PYTHON = "/opt/portal/venv/bin/python"
"""The Python inside that has the portal's requirements and pyslurm (not on trixie)."""
ENVIRONMENT = {"PATH": host.PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}


def silent(message: str) -> None:
    """Reports to nobody."""


def default_parent() -> Path:
    """Where sandboxes are kept unless told otherwise: below PORTAL_VAR, else below var/ of the project."""
    return Path(os.environ.get("PORTAL_VAR", PROJECT / "var")) / "sandbox"


class Sandbox:
    """A cluster by name. Making the object starts nothing."""

    def __init__(self, name: str = DEFAULT_NAME, release: str = DEFAULT_RELEASE, state: Path | None = None) -> None:
        if not NAME.fullmatch(name):
            raise SandboxError(f"{name!r} is no name for a sandbox: small letters, digits, hyphen and underscore.")
        if release not in RELEASES:
            raise SandboxError(f"{release!r} is not a known release; there are {' and '.join(RELEASES)}.")
        self.name = name
        self.release = release
        self.state = State((state or default_parent() / name).absolute())
        self._launcher: subprocess.Popen[bytes] | None = None

    @staticmethod
    def unavailable_reason() -> str | None:
        """Why no sandbox can run on this machine, as a sentence of the translation catalogue; None where it can."""
        return host.unavailable_reason()

    def build(self, report: Report = silent) -> None:
        """Builds what the cache does not hold yet: minutes the first time. Raises SandboxError where that fails."""
        _require_available()
        build_layers(RELEASES[self.release], PythonInputs(), host.cache_folder(), report)

    def up(
        self,
        resume: bool = False,
        binds: Iterable[Bind | tuple[Path | str, str, bool]] = (),
        pdeathsig: bool = False,
        nodes: Sequence[Node] = DEFAULT_NODES,
        report: Report = silent,
    ) -> None:
        """Starts the cluster, fresh unless it is to go on with what it held; builds what is missing first.

        What still runs under this name is ended, unless the process that started it lives. With `pdeathsig`
        everything ends with the calling process; call from the main thread then. Without `resume` nothing is forced
        to disk in that case, which makes tests much faster on a busy machine. `resume` keeps the nodes of the first
        start. Raises SandboxError with the end of the failing daemon's log.
        """
        self.build(report)
        with self.state.locked(lambda: report(f"waiting for another start or stop of {self.name}")):
            self._refuse_while_owned()
            self._end(report, cleanly=resume)
            settings, fresh = self._settings(resume, nodes, report)
            self.state.prepare(
                settings, [b if isinstance(b, Bind) else Bind(Path(b[0]), b[1], b[2]) for b in binds], fresh=fresh
            )
            try:
                self._launch(settings, pdeathsig, pdeathsig and not resume, report)
            except BaseException:
                self._end(report, cleanly=False)
                raise
            self.state.set_ready()

    def down(self, purge: bool = False, report: Report = silent) -> None:
        """Stops the cluster cleanly, by force where that takes too long; running jobs go back into the queue.

        `purge` ends it at once and removes all it held.
        """
        with self.state.locked(lambda: report(f"waiting for another start or stop of {self.name}")):
            self._end(report, cleanly=not purge)
            if purge:
                self.state.remove()

    def status(self) -> SandboxStatus:
        """How it is. Never raises."""
        if reason := host.unavailable_reason():
            # Who is not root may not even look into the folder.
            versions = versions_of(self.release)
            return SandboxStatus(self.name, self.release, "unavailable", reason, pid=None, versions=versions, nodes=())
        settings = self.state.settings()
        release = settings.release if settings else self.release
        names = settings.layers if settings else layers(RELEASES[release], PythonInputs())
        init = self.state.init()
        if self.state.is_ready():
            state = "up"
        elif init:
            state = "starting"
        else:
            state = "down" if are_built(names) else "not built"
        return SandboxStatus(
            name=self.name,
            release=release,
            state=state,
            unavailable=None,
            pid=init.pid if init else None,
            versions=versions_of(release, names),
            nodes=self._node_lines() if state == "up" else (),
        )

    @property
    def prefix(self) -> list[str]:
        """The words before a command that make it run inside as root. Valid until the sandbox goes down.

        The caller's environment goes along. A command ends when its nsenter is ended.
        """
        init = self.state.init()
        if init is None:
            raise SandboxError(f"The sandbox {self.name} is not up.")
        return entering(init)

    def run(
        self,
        argv: Sequence[str],
        user: str | None = None,
        timeout: float = 60,
        check: bool = True,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root or as a Unix user of the sandbox, in their home.

        Nothing of the caller's environment goes along but `env`. Raises CommandFailed where `check` is set and the
        command ends with anything but 0, SandboxError after `timeout` seconds.
        """
        try:
            done = subprocess.run(
                self._argv(argv, user, env or {}),
                env={**ENVIRONMENT, **(env or {})},
                timeout=timeout,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                # An empty input ends at once, so nothing can wait for an answer.
                input=input or "",
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"{' '.join(argv)} did not end within {timeout:g} seconds.") from error
        if check and done.returncode != 0:
            raise CommandFailed(list(argv), done.returncode, done.stdout, done.stderr)
        return done

    def popen(
        self,
        argv: Sequence[str],
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> InsideProcess:
        """Starts a command inside; `options` are those of subprocess.Popen.

        Its send_signal, terminate and kill reach the command itself. A Ctrl-C at the terminal does not, unless
        `start_new_session=False` is given: it would end the nsenter that waits for the command.
        """
        options.setdefault("start_new_session", True)
        return InsideProcess(self._argv(argv, user, env or {}), env={**ENVIRONMENT, **(env or {})}, **options)

    def person(self, user: str) -> None:
        """Gives a person a Unix user and a home inside; nothing happens where they have one.

        slurmctld looks a person's number up when it hears of their association and remembers that there was none,
        refusing all their jobs. It is made to look again where that has happened.
        """
        if not USER.fullmatch(user):
            raise SandboxError(f"{user!r} is no user name: a small letter, then letters, digits, hyphen, underscore.")
        if self.run(["id", user], check=False).returncode != 0:
            self.run(["useradd", "--create-home", "--shell", "/bin/bash", user])
        known = self.run(["scontrol", "-o", "show", "assoc_mgr", f"users={user}", "flags=assoc"], check=False)
        if f"UserName={user}({UNKNOWN_UID})" in known.stdout:
            self.run(["scontrol", "reconfigure"])

    def submit(self, user: str, *arguments: str, script: str = "#!/bin/sh\ntrue\n") -> int:
        """Submits a batch job as a person and gives its id. Raises CommandFailed with Slurm's words if refused."""
        return int(self.run(["sbatch", "--parsable", *arguments], user=user, input=script).stdout.split(";")[0])

    def write_history(self, jobs: Iterable[HistoryJob]) -> int:
        """Writes a job history into slurmdbd's database: history.write_history."""
        return history.write_history(self, jobs)

    def rollup(self, start: datetime, end: datetime) -> None:
        """Makes slurmdbd sum up a span again, the current hour too: history.rollup."""
        history.rollup(self, start, end)

    def sreport(self, start: datetime, end: datetime) -> dict[tuple[str, str], int]:
        """GPU-seconds by account and user as Slurm reports them: history.sreport."""
        return history.sreport(self, start, end)

    def __enter__(self) -> Self:
        self.up(pdeathsig=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down(purge=True)

    def _argv(self, argv: Sequence[str], user: str | None, env: Mapping[str, str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in env.items()]
        return [*self.prefix, *(as_user(user, variables) if user else ()), *argv]

    def _settings(self, resume: bool, nodes: Sequence[Node], report: Report) -> tuple[Settings, bool]:
        """What to start with, and whether that is a fresh cluster."""
        current = tuple(layers(RELEASES[self.release], PythonInputs()))
        before = self.state.settings() if resume else None
        if before is None:
            if resume:
                report("nothing to resume: a fresh cluster")
            return Settings(self.release, current, tuple(nodes)), True
        if before.layers[-1] == current[-1]:
            # What a run has written depends on the base layer only; the Python environment may have moved on.
            return Settings(before.release, current, before.nodes), False
        if not are_built(before.layers):
            raise SandboxError(
                f"The sandbox {self.name} was made from a build that is no longer there; start it without resuming."
            )
        return before, False

    def _refuse_while_owned(self) -> None:
        owner = self.state.owner()
        if owner and owner.pid != os.getpid() and self.state.init():
            raise SandboxError(
                f"The sandbox {self.name} belongs to process {owner.pid}, which is running; end that first."
            )

    def _launch(self, settings: Settings, pdeathsig: bool, volatile: bool, report: Report) -> None:
        cache = host.cache_folder()
        lower = ":".join(str(layer_root(cache, name)) for name in settings.layers)
        argv = ["setpriv", "--pdeathsig", "KILL"] if pdeathsig else []
        argv += ["sh", str(SCRIPTS / "launch.sh"), str(self.state.folder), lower, "volatile" if volatile else ""]
        read_end, write_end = os.pipe()
        with ExitStack() as open_files, os.fdopen(read_end, "rb", buffering=0) as told:
            try:
                log = open_files.enter_context(self.state.log.open("ab"))
                held = [open_files.enter_context(hold_layer(cache, name)) for name in settings.layers]
                self._launcher = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write_end, *(handle.fileno() for handle in held)],
                    env={**ENVIRONMENT, "SANDBOX_REPORT": str(write_end)},
                    start_new_session=True,
                )
            finally:
                os.close(write_end)
            self._await_ready(told, report)

    def _await_ready(self, told: IO[bytes], report: Report) -> None:
        deadline = time.monotonic() + START_SECONDS
        unread = b""
        while True:
            if not select.select([told], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise SandboxError(f"The sandbox {self.name} did not come up within {START_SECONDS:g} seconds.")
            chunk = told.read(65536)
            if not chunk:
                raise SandboxError(f"The sandbox {self.name} ended while it was starting:\n{self.state.tail()}")
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "failed" in said:
                    raise SandboxError(f"The sandbox {self.name} did not come up. {said['failed']}")
                if "ready" in said:
                    return
                report(f"{said['step']}: {said['seconds']:.1f} s")

    def _end(self, report: Report, *, cleanly: bool) -> None:
        """Ends what runs under this name: cleanly if that is wanted and it had come up, by force otherwise."""
        launcher, init = self.state.launcher(), self.state.init()
        if cleanly and init and self.state.is_ready():
            init.send(signal.SIGTERM)
            if not init.wait(STOP_SECONDS):
                report(f"{self.name} does not stop by itself and is ended by force")
        for process in (launcher, init):
            if process:
                process.send(signal.SIGKILL)
                process.wait(STOP_SECONDS)
        if self._launcher:
            self._launcher.wait()
            self._launcher = None
        self.state.forget_processes()

    def _node_lines(self) -> tuple[str, ...]:
        try:
            shown = self.run(["sinfo", "--noheader", "--Node", "--format=%N %t %G"], check=False, timeout=15)
        except SandboxError:
            # It went down meanwhile, or slurmctld does not answer.
            return ()
        return tuple(dict.fromkeys(shown.stdout.splitlines()))


def _require_available() -> None:
    if reason := host.unavailable_reason():
        raise SandboxError(reason)


def prune(report: Report = silent) -> None:
    """Removes the cached layers that no recipe names, no running sandbox uses and none below var/ could resume."""
    keep = {name for release in RELEASES.values() for name in layers(release, PythonInputs())}
    for state in states(default_parent()):
        if settings := state.settings():
            keep.update(settings.layers)
    prune_layers(host.cache_folder(), keep, report)


def all_sandboxes(parent: Path | None = None) -> list[Sandbox]:
    """The sandboxes below a folder, running or not."""
    found = states(parent or default_parent())
    return [Sandbox(state.folder.name, state=state.folder) for state in found]
