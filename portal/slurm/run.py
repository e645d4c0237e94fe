"""Running one of Slurm's commands: an argv list, no shell, no input, a limit on time and on output."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from portal.slurm.errors import SlurmUnavailable, SlurmUnreadable
from portal.slurm.sentences import noop as _

# Handed over as arguments of `env`, so that they also hold behind a prefix such as nsenter or ssh.
ENVIRONMENT = ("env", "LC_ALL=C.UTF-8", "TZ=UTC", "SLURM_TIME_FORMAT=%s")
# Variables of the caller that would change what the commands select or print.
STRAY_VARIABLES = ("SLURM_", "SACCT_", "SQUEUE_", "SCANCEL_", "SINFO_", "SSHARE_", "SREPORT_", "SACCTMGR_")
KEPT_VARIABLES = frozenset({"SLURM_CONF"})

SECONDS = 60.0
STREAM_SECONDS = 600.0
OUTPUT_BYTES = 256 * 1024**2
STREAM_BYTES = 4 * 1024**3
LINE_BYTES = 64 * 1024
WORDS_BYTES = 64 * 1024
CHUNK = 64 * 1024
NOT_INSTALLED = frozenset({126, 127})

FAILED = _("%(command)s ended with exit code %(code)s.")
NOT_RUN = _("%(command)s cannot be run.")
LATE = _("%(command)s did not end in time.")
TOO_MUCH = _("%(command)s printed more than %(limit)s bytes.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Slurm's own words. Its errors go partly to stdout, partly to stderr."""
        return "\n".join(part.strip() for part in (self.err, self.out) if part.strip())[:WORDS_BYTES]


class Runner:
    """Runs Slurm's commands on this machine, or behind a prefix such as ("ssh", "slurm-mgmt").

    `seconds` limits the time spent waiting for one command; a slow reader of its output does not use it up.
    """

    def __init__(
        self, prefix: Sequence[str] = (), *, seconds: float = SECONDS, output_bytes: int = OUTPUT_BYTES
    ) -> None:
        self.prefix = tuple(prefix)
        self.seconds = seconds
        self.output_bytes = output_bytes

    def run(self, *command: str) -> Answer:
        """The command's answer, whatever its exit code.

        Raises SlurmUnavailable where it is not installed or takes too long, SlurmUnreadable where it says too much.
        """
        with self._start(command, self.seconds, self.output_bytes) as process:
            out = b"".join(process.chunks())
            code = process.code()
            return Answer(code, _text(out), process.words())

    def read(self, *command: str) -> str:
        """The output of a command that must succeed. Raises SlurmUnavailable with Slurm's words otherwise."""
        answer = self.run(*command)
        if answer.code != 0:
            raise SlurmUnavailable(FAILED, command=command[0], code=answer.code, words=answer.words)
        return answer.out

    def lines(self, *command: str) -> Iterator[str]:
        """The output of a command that must succeed, line by line, in bounded memory: it is kept in a file.

        The command is over when this returns, and has gone well; the lines may be read at leisure, in another thread
        too. A line longer than LINE_BYTES comes in pieces. Raises as `read` does.
        """
        with ExitStack() as opened:
            out = opened.enter_context(tempfile.TemporaryFile())
            with self._start(command, max(self.seconds, STREAM_SECONDS), STREAM_BYTES) as process:
                for chunk in process.chunks():
                    out.write(chunk)
                code = process.code()
                if code != 0:
                    raise SlurmUnavailable(FAILED, command=command[0], code=code, words=process.words())
            opened.pop_all()
        out.seek(0)
        return _lines(out)

    def _start(self, command: Sequence[str], seconds: float, limit: int) -> _Process:
        return _Process([*self.prefix, *ENVIRONMENT, *command], command[0], seconds, limit)


class _Process:
    """One running command, in a process group of its own so that nothing of it is left behind."""

    def __init__(self, argv: list[str], name: str, seconds: float, limit: int) -> None:
        self.argv = argv
        self.name = name
        self.seconds_left = seconds
        self.limit = limit

    def __enter__(self) -> _Process:
        # A file, not a pipe: a shared ssh connection may hold stderr open long after the command has ended.
        self.stderr = tempfile.TemporaryFile()
        self.out, write_end = os.pipe()
        try:
            self.popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=self.stderr,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._close()
            raise SlurmUnavailable(NOT_RUN, command=self.argv[0], words=error.strerror or "") from error
        finally:
            os.close(write_end)
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
        self._close()

    def chunks(self) -> Iterator[bytes]:
        """stdout as it comes, to its end."""
        total = 0
        while True:
            self._wait_for_output()
            data = os.read(self.out, CHUNK)
            if not data:
                return
            total += len(data)
            if total > self.limit:
                raise SlurmUnreadable(TOO_MUCH, command=self.name, limit=self.limit)
            yield data

    def code(self) -> int:
        """The exit code. Raises SlurmUnavailable where the command is not installed or does not end."""
        try:
            code = self.popen.wait(timeout=max(0.0, self.seconds_left))
        except subprocess.TimeoutExpired:
            raise self._late() from None
        if code in NOT_INSTALLED:
            raise SlurmUnavailable(NOT_RUN, command=self.name, words=self.words())
        return code

    def words(self) -> str:
        """The beginning of stderr."""
        return _text(os.pread(self.stderr.fileno(), WORDS_BYTES, 0)).strip()

    def _wait_for_output(self) -> None:
        ready = False
        while not ready:
            began = time.monotonic()
            ready = bool(select.select([self.out], [], [], max(0.0, min(1.0, self.seconds_left)))[0])
            self.seconds_left -= time.monotonic() - began
            if os.fstat(self.stderr.fileno()).st_size > self.limit:
                raise SlurmUnreadable(TOO_MUCH, command=self.name, limit=self.limit)
            if self.seconds_left <= 0 and not ready:
                raise self._late()

    def _late(self) -> SlurmUnavailable:
        return SlurmUnavailable(LATE, command=self.name, words=self.words())

    def _close(self) -> None:
        os.close(self.out)
        self.stderr.close()


def _lines(file: IO[bytes]) -> Iterator[str]:
    with file:
        rest = b""
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from map(_text, whole)
            if len(rest) > LINE_BYTES:
                yield _text(rest)
                rest = b""
        if rest:
            yield _text(rest)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or not name.startswith(STRAY_VARIABLES)
    }
