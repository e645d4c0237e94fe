"""What waits and runs now, as `squeue` prints it."""

from __future__ import annotations

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.moments import parse_minutes, parse_moment
from portal.slurm.sentences import noop as _
from portal.slurm.tres import gpu_count, parse_tres
from portal.slurm.types import QueueEntry

# States of a job that has not started, or has to start once more.
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
# It has ended and its processes are being cleared away.
ENDING = "COMPLETING"
DELIMITER = "\x1f"
# Width by field: squeue cuts what is longer, and pads what is shorter with blanks.
WIDTHS = {
    "JobID": 20,
    "JobArrayID": 128,
    "UserName": 64,
    "Account": 256,
    "Partition": 256,
    "State": 32,
    "Reason": 128,
    "tres-alloc": 512,
    "SubmitTime": 32,
    "StartTime": 32,
    "TimeLimit": 32,
}


def command(*, account: str = "", states: str = "") -> tuple[str, ...]:
    """All partitions, hidden ones too. Tasks of an array that wait together are one entry."""
    fields = ",".join(f"{name}:{width}{DELIMITER}" for name, width in WIDTHS.items())
    of_account = (f"--account={account}",) if account else ()
    in_states = (f"--states={states}",) if states else ()
    return ("squeue", "-a", "-h", *of_account, *in_states, "-O", fields)


def cancel_command(account: str, user: str = "", state: str = "") -> tuple[str, ...]:
    """Of everybody without a user, whatever the state without one."""
    of_user = (f"--user={user}",) if user else ()
    in_state = (f"--state={state}",) if state else ()
    return ("scancel", f"--account={account}", *of_user, *in_state)


def parse_queue(text: str) -> list[QueueEntry]:
    """Raises SlurmUnreadable where a row is not understood: half a queue would mislead."""
    return [_entry(line) for line in text.splitlines()]


def _entry(line: str) -> QueueEntry:
    parts = [part.strip() for part in line.split(DELIMITER)]
    try:
        of = dict(zip(WIDTHS, parts[:-1], strict=True))
        submit = parse_moment(of["SubmitTime"])
        if submit is None:
            raise ValueError("no time of submission")
        return QueueEntry(
            job_id=int(of["JobID"]),
            display_id=of["JobArrayID"],
            user=of["UserName"],
            account=of["Account"],
            partition=of["Partition"],
            state=of["State"],
            reason=of["Reason"],
            gpus=gpu_count(parse_tres("" if of["tres-alloc"] == "N/A" else of["tres-alloc"])),
            submit=submit,
            # For a waiting job Slurm prints when it expects to start it.
            start=None if of["State"] in WAITING else parse_moment(of["StartTime"]),
            time_limit_minutes=parse_minutes(of["TimeLimit"]),
        )
    except ValueError as error:
        raise SlurmUnreadable(_("A row of squeue is not understood: %(trouble)s"), trouble=error, words=line) from error
