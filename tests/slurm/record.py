"""Record what the commands of one Slurm version print, for the parser tests.

    python -m tests.slurm.record 26.05 -- nsenter … --

The words after `--` are a command prefix into a fresh cluster with the sandbox's partitions, nodes and QOS. Run it when
a new version of Slurm is to be supported, and read the differences to the version before.
"""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal.slurm import capacity, config, health, queue, sacct, sequence, sreport, sshare
from portal.slurm.associations import FIELDS, LINEAGE, OTHERS_FIELDS
from portal.slurm.commands import SINCE_EXACT_COUNTERS, SINCE_LINEAGE, CommandsGateway
from portal.slurm.types import AddPerson, CreateAccount, PausePerson, SetDefaultAccount, SetPersonLimit, SetPersonQos

RECORDED = Path(__file__).parent / "recorded"
LEAF = "p1-h100"


def main(version: str, prefix: list[str]) -> None:
    gateway = CommandsGateway("pohang", "portal", prefix)
    began = datetime.now(UTC)
    set_up(gateway)
    play(gateway)
    folder = RECORDED / version
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in reads(gateway, began).items():
        (folder / name).write_text(cleaned(gateway.runner.read(*command)), encoding="utf-8")
    gateway.runner.run("scancel", f"--account={LEAF}")


def set_up(gateway: CommandsGateway) -> None:
    h100 = frozenset({"h100"})
    for operation in (
        CreateAccount("portal", "root"),
        CreateAccount("p1", "portal"),
        CreateAccount(LEAF, "p1", gpu_minutes=3000, qos=h100, default_qos="h100"),
        CreateAccount("p1-a100", "p1", gpu_minutes=0, parked=True, qos=frozenset({"a100"}), default_qos="a100"),
    ):
        gateway.execute(operation)
    for user in ("kim", "lee"):
        gateway.runner.run("useradd", "-m", user)
        gateway.execute(AddPerson(LEAF, user))
    gateway.execute(AddPerson("p1-a100", "lee"))
    gateway.execute(PausePerson("p1-a100", "lee"))
    gateway.execute(SetPersonLimit(LEAF, "lee", 2000))
    gateway.execute(SetDefaultAccount("p1-a100", "lee"))
    for user, qos in (("kim", "normal,h100"), ("lee", "a100,h100")):
        own = ("set", f"qos={qos}", "DefaultQOS=h100")
        gateway.runner.run("sacctmgr", "-i", "modify", "user", "where", f"name={user}", f"account={LEAF}", *own)
    gateway.execute(SetPersonQos(LEAF, "kim", h100, "h100"))
    gateway.set_sequence(41)
    for account in ("elsewhere", "a|b", "two\nlines"):
        gateway.runner.run("sacctmgr", "-i", "add", "account", account, "parent=root", "GrpTRESMins=gres/gpu=7")
    gateway.runner.run("sacctmgr", "-i", "add", "user", "kim", "account=elsewhere")
    # Until slurmctld knows the new people, their jobs would be refused.
    time.sleep(2)


def play(gateway: CommandsGateway) -> None:
    """Jobs that are done, failed, cancelled before and after their start, put back, suspended, an array, waiting."""
    submit(gateway, "kim", "sleep 1", "--gpus=1", "-t5")
    submit(gateway, "kim", "exit 3", "--gpus=h100:1", "-t5")
    cancelled = submit(gateway, "kim", "sleep 600", "--gpus=1", "-t5")
    held = submit(gateway, "kim", "sleep 600", "--gpus=1", "-t5", "--hold")
    put_back = submit(gateway, "kim", "sleep 600", "--gpus=1", "-t5")
    time.sleep(5)
    gateway.runner.run("scancel", cancelled, held)
    gateway.runner.run("scontrol", "requeue", put_back)
    suspended = submit(gateway, "lee", "sleep 600", "--gpus=1", "-t20")
    submit(gateway, "lee", "sleep 600", "--gpus=1", "-t1-0:0", "--begin=now+1hour")
    submit(gateway, "lee", "sleep 600", "--gpus=1", "-t30", "--array=1-5%2")
    time.sleep(5)
    gateway.runner.run("scontrol", "suspend", suspended)
    submit(gateway, "kim", "sleep 600", "--gpus=4", "-t700")
    gateway.runner.run("scontrol", "update", "NodeName=a1", "State=DRAIN", "Reason=State=IDLE is what it was")
    time.sleep(3)


def submit(gateway: CommandsGateway, user: str, script: str, *arguments: str) -> str:
    where = ("-D", "/", "-o", "/dev/null")
    command = ("sbatch", "--parsable", f"--uid={user}", "-A", LEAF, *where, *arguments, f"--wrap={script}")
    return gateway.runner.read(*command).strip()


def reads(gateway: CommandsGateway, began: datetime) -> dict[str, tuple[str, ...]]:
    hour = began.replace(minute=0, second=0, microsecond=0)
    now = datetime.now(UTC)
    gateway.runner.read(
        "sacctmgr", "-i", "rollup", f"{hour:%Y-%m-%dT%H:%M}", f"{hour + timedelta(hours=2):%Y-%m-%dT%H:%M}"
    )
    fields = FIELDS + LINEAGE if gateway.version >= SINCE_LINEAGE else FIELDS
    counters = {"sshare.txt": sshare.TEXT_COMMAND}
    if gateway.version >= SINCE_EXACT_COUNTERS:
        counters["sshare.json"] = sshare.JSON_COMMAND
    return {
        "version.txt": ("sacctmgr", "-V"),
        "associations.txt": gateway.show_associations(fields),
        "others.txt": gateway.show_associations(OTHERS_FIELDS),
        "defaults.txt": gateway.show_defaults(),
        "description.txt": sequence.read_command("portal"),
        "database.txt": health.DATABASE_COMMAND,
        "level.txt": health.level_command("root"),
        "hour.txt": health.hour_command("pohang", hour),
        "sacct.txt": sacct.command("pohang", began, now),
        "squeue.txt": queue.command(),
        "nodes.txt": capacity.COMMAND,
        "config.txt": config.SETTINGS_COMMAND,
        "partitions.txt": config.PARTITIONS_COMMAND,
        "qos.txt": config.QOS_COMMAND,
        "sreport.txt": sreport.command("pohang", hour, hour + timedelta(hours=1)),
        **counters,
    }


def cleaned(text: str) -> str:
    """Without what tells of the machine that it was recorded on."""
    return re.sub(r"OS=Linux \S+", "OS=Linux 6.12.0", text)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3:])
