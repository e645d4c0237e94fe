"""Running a command: no shell, no input, a limit on time and output, nothing left behind. With real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from portal.slurm.errors import SlurmUnavailable, SlurmUnreadable
from portal.slurm.run import LINE_BYTES, Runner


def python(runner: Runner, script: str) -> str:
    return runner.read("python3", "-c", script)


def test_a_command_gets_its_words_as_they_are() -> None:
    words = ["; exit 3", "$HOME", "a b", "*", "`id`", "한글"]
    assert Runner().read("printf", "%s\\n", *words).splitlines() == words


def test_a_command_speaks_one_language_and_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SACCT_FORMAT", "SQUEUE_ACCOUNT", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT"):
        monkeypatch.setenv(name, "stray")
    monkeypatch.setenv("SLURM_CONF", "/somewhere/slurm.conf")
    told = dict(line.split("=", 1) for line in Runner().read("env").splitlines() if "=" in line)
    assert (told["LC_ALL"], told["TZ"], told["SLURM_TIME_FORMAT"]) == ("C.UTF-8", "UTC", "%s")
    assert told["SLURM_CONF"] == "/somewhere/slurm.conf"
    assert not told.keys() & {"SACCT_FORMAT", "SQUEUE_ACCOUNT", "SLURM_CLUSTERS"}


def test_a_command_that_waits_for_an_answer_gets_none() -> None:
    assert Runner(seconds=10).run("cat").out == ""


def test_both_outputs_are_slurms_words() -> None:
    answer = Runner().run("python3", "-c", "import sys; print(' no'); print('bad', file=sys.stderr); sys.exit(1)")
    assert (answer.code, answer.words) == (1, "bad\nno")


def test_a_failing_read_tells_what_was_said() -> None:
    with pytest.raises(SlurmUnavailable) as caught:
        python(Runner(), "import sys; sys.exit('Connection refused')")
    assert caught.value.words == "Connection refused"
    assert not caught.value.permanent


@pytest.mark.parametrize("prefix", [(), ("no-such-prefix",)])
def test_a_missing_command_is_unavailable(prefix: tuple[str, ...]) -> None:
    with pytest.raises(SlurmUnavailable):
        Runner(prefix).run("no-such-command-of-slurm")


def test_a_late_command_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(SlurmUnavailable):
        Runner(seconds=1).run("sh", "-c", f"sleep 600 & echo $! > {told}; wait")
    child = int(told.read_text())
    until = time.monotonic() + 10
    while alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(child)


def test_a_command_that_closes_its_output_and_stays_is_late() -> None:
    with pytest.raises(SlurmUnavailable):
        Runner(seconds=1).run("sh", "-c", "exec >&-; exec sleep 600")


def test_a_helper_that_keeps_the_error_output_open_holds_nothing_up() -> None:
    """As a shared ssh connection does."""
    runner = Runner(seconds=30)
    pid = int(runner.read("sh", "-c", "sleep 60 >&- & echo $!"))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_endless_answer_is_cut_off(stream: str) -> None:
    """As sacctmgr 22.05 gives where it waits for an answer at the end of its input (slurm-facts 1.2)."""
    script = f"import sys\nwhile True: sys.{stream}.write('(N/y): Y or N please' * 1000)"
    with pytest.raises(SlurmUnreadable):
        Runner(output_bytes=1_000_000).run("python3", "-c", script)


def test_lines_are_there_when_the_command_is_over() -> None:
    lines = Runner().lines("sh", "-c", "echo first; sleep 0.1; echo last; printf rest")
    assert list(lines) == ["first", "last", "rest"]
    assert list(lines) == []


def test_lines_of_a_failure_are_worth_nothing() -> None:
    with pytest.raises(SlurmUnavailable) as caught:
        Runner().lines("python3", "-c", "import sys; print('a'); print('b'); sys.exit('lost')")
    assert caught.value.words == "lost"


def test_a_line_without_end_comes_in_pieces() -> None:
    pieces = list(Runner().lines("python3", "-c", f"print('x' * {5 * LINE_BYTES}); print('y')"))
    assert pieces[-1] == "y"
    assert "".join(pieces[:-1]) == "x" * 5 * LINE_BYTES
    assert len(pieces) > 2


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert list(Runner().lines("printf", "a\\377b\\n")) == ["a\N{REPLACEMENT CHARACTER}b"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
