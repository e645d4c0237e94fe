"""Process 1 of a sandbox: starts the daemons of its plan in order, reaps, and stops them in order on TERM.

Runs inside, under the Python of the sandbox's Debian; outside it is only copied. plan.json beside it comes from
config.py. What happens goes to the pipe named by SANDBOX_REPORT, one JSON object a line; the last one has the key
"ready" or "failed".
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
LOG_LINES = 12


class StartFailed(Exception):
    """A daemon did not start; the message carries the end of its log."""


def main() -> int:
    plan = json.loads((HERE / "plan.json").read_text())
    with os.fdopen(int(os.environ["SANDBOX_REPORT"]), "w", buffering=1) as report:
        try:
            prepare(plan)
            for step in plan["steps"]:
                started = time.monotonic()
                start(step)
                report.write(json.dumps({"step": step["name"], "seconds": time.monotonic() - started}) + "\n")
        except (StartFailed, OSError, subprocess.SubprocessError) as error:
            report.write(json.dumps({"failed": str(error)}) + "\n")
            return 1
        # From here on the caller may send TERM.
        signals = hold_signals()
        report.write(json.dumps({"ready": True}) + "\n")
    wait_for_term(signals)
    stop(plan["before_stop"], plan["pid_files"])
    return 0


def prepare(plan: dict[str, Any]) -> None:
    """Host name, network, fake devices, folders and files."""
    socket.sethostname(plan["host"])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Without an address outside 127/8 slurmdbd cannot resolve its own host and ends.
    subprocess.run(["ip", "addr", "add", plan["address"] + "/32", "dev", "lo"], check=True)
    for device in plan["devices"]:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for folder, owner in plan["folders"].items():
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, owner)
    for name, file in plan["files"].items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(file["mode"])
        path.write_text(file["text"])
        shutil.chown(path, file["owner"])


def start(step: dict[str, Any]) -> None:
    """Runs one step and waits until its check succeeds."""
    # MariaDB is the one daemon that does not put itself into the background.
    if step["argv"] == ["mariadbd"]:
        subprocess.Popen(step["argv"], stdin=subprocess.DEVNULL)
    else:
        done = run(step["argv"])
        if done.returncode != 0:
            raise StartFailed(failure(step, done))
    deadline = time.monotonic() + READY_SECONDS
    while step["ready"]:
        asked = run(step["ready"])
        if asked.returncode == 0:
            return
        if has_ended(step["pid_file"]) or time.monotonic() > deadline:
            raise StartFailed(failure(step, asked))
        time.sleep(POLL_SECONDS)


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def has_ended(pid_file: str) -> bool:
    """Whether a daemon has come so far as to write its number down, and has ended since."""
    pid = read_pid(pid_file)
    return pid is not None and not is_running(pid)


def read_pid(pid_file: str) -> int | None:
    try:
        return int(Path(pid_file).read_text())
    except (FileNotFoundError, ValueError):
        return None


def failure(step: dict[str, Any], asked: subprocess.CompletedProcess[str]) -> str:
    said = (asked.stderr + asked.stdout).strip() or "no word from it"
    log = Path(step["log"]) if step["log"] else None
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log and log.exists() else []
    tail = [f"{log} ends with:", *lines] if lines else []
    return "\n".join([f"{step['name']} did not start: {said}", *tail])


def hold_signals() -> set[signal.Signals]:
    """Keeps TERM and SIGCHLD for wait_for_term; to process 1 they are lost unless it handles them.

    Not before the daemons have started, for they inherit what is blocked.
    """
    held = {signal.SIGTERM, signal.SIGCHLD}
    for number in held:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    return held


def wait_for_term(held: set[signal.Signals]) -> None:
    """Reaps what has lost its parent until TERM comes."""
    while True:
        reap()
        if signal.sigwait(held) == signal.SIGTERM:
            return


def stop(before: list[str], pid_files: list[str]) -> None:
    """Ends the daemons one after the other, giving each the time to save its state."""
    # With one of the daemons gone the commands would only wait.
    if all(read_pid(name) and not has_ended(name) for name in pid_files):
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(before, stdin=subprocess.DEVNULL, timeout=STOP_SECONDS, check=False)
    for pid_file in pid_files:
        pid = read_pid(pid_file)
        if pid is None or not is_running(pid):
            continue
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def is_running(pid: int) -> bool:
    reap()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main())
