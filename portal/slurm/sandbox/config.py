"""The cluster inside a sandbox: its nodes, Slurm's configuration and the order in which the daemons start."""

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from portal.slurm.sandbox.errors import SandboxError

CLUSTER = "pohang"
HOST = "sandbox"
ADDRESS = "192.0.2.1"
FIRST_NODE_PORT = 17001
CPUS_PER_NODE = 64
LOGS = "/var/log/slurm"
DATABASE = "slurm_acct_db"
MARIADBD_PID = "/run/mysqld/mariadbd.pid"
SLURMDBD_PID = "/run/slurmdbd/slurmdbd.pid"
SLURMCTLD_PID = "/run/slurmctld/slurmctld.pid"


@dataclass(frozen=True)
class Node:
    """A node that exists only in Slurm's eyes; its GPUs are device files that do nothing."""

    name: str
    gpu: str
    """The kind of its GPUs, which is also the name of its partition and of its pool's QOS."""
    gpus: int = 4

    @classmethod
    def parse(cls, text: str) -> "Node":
        """A node written as NAME=KIND:GPUS, for example h2=h100:8."""
        match = re.fullmatch(r"([a-z][a-z0-9]*)=([a-z][a-z0-9]*):([1-9][0-9]?)", text)
        if match is None:
            raise SandboxError(f"{text!r} is no node; write NAME=KIND:GPUS, for example h2=h100:8.")
        return cls(match[1], match[2], int(match[3]))


DEFAULT_NODES = (Node("h1", "h100"), Node("a1", "a100"))


@dataclass(frozen=True)
class Step:
    """One thing init does at the start."""

    name: str
    argv: list[str]
    ready: list[str] | None = None
    """A command that succeeds as soon as the step has done what later ones need."""
    log: str | None = None
    pid_file: str | None = None
    """Of the daemon it starts."""


def plan(nodes: Sequence[Node], *, fresh: bool, has_saved_usage: bool) -> str:
    """What init.py is to do, as JSON. A cluster that crashed within minutes of its start has not saved its usage."""
    content: dict[str, Any] = {
        "host": HOST,
        "address": ADDRESS,
        "devices": [f"/dev/fakegpu{number}" for number in range(max(node.gpus for node in nodes))],
        "folders": {
            "/run/mysqld": "mysql",
            "/run/slurmctld": "slurm",
            "/run/slurmdbd": "slurm",
            "/run/slurm": "root",
            LOGS: "slurm",
            "/var/lib/slurm/slurmctld": "slurm",
        },
        "files": {
            "/etc/hostname": _file(HOST),
            "/etc/hosts": _file(f"127.0.0.1 localhost\n{ADDRESS} {HOST}"),
            "/etc/slurm/slurm.conf": _file(slurm_conf(nodes)),
            "/etc/slurm/gres.conf": _file(gres_conf(nodes)),
            "/etc/slurm/cgroup.conf": _file("CgroupPlugin=disabled"),
            "/etc/slurm/slurmdbd.conf": _file(SLURMDBD_CONF, owner="slurm", mode=0o600),
            "/etc/slurm/slurm.key": _file(base64.b64encode(os.urandom(768)).decode(), owner="slurm", mode=0o600),
        },
        "before_stop": PUT_JOBS_BACK,
        "steps": [asdict(step) for step in _steps(nodes, fresh, has_saved_usage)],
        "pid_files": [
            SLURMCTLD_PID,
            *(_slurmd_pid(node) for node in nodes),
            SLURMDBD_PID,
            MARIADBD_PID,
        ],
    }
    return json.dumps(content, indent=1)


def _file(text: str, owner: str = "root", mode: int = 0o644) -> dict[str, Any]:
    return {"text": text.strip() + "\n", "owner": owner, "mode": mode}


def kinds(nodes: Sequence[Node]) -> list[str]:
    """The kinds of GPU of some nodes, each once, in order."""
    return list(dict.fromkeys(node.gpu for node in nodes))


def _steps(nodes: Sequence[Node], fresh: bool, has_saved_usage: bool) -> list[Step]:
    pools = ",".join(kinds(nodes))
    answers = ["sacctmgr", "--noheader", "show", "cluster"]
    # Without -i slurmctld ends if a file of its saved state is missing.
    controller = ["slurmctld"] if has_saved_usage else ["slurmctld", "-i"]
    return [
        Step("mariadbd", ["mariadbd"], ["mariadb", "-e", "SELECT 1"], "/var/log/mysql/mariadbd.log", MARIADBD_PID),
        Step("slurmdbd", ["slurmdbd"], answers, f"{LOGS}/slurmdbd.log", SLURMDBD_PID),
        # slurmctld ends if a partition names a QOS that does not exist yet.
        *([Step("cluster", _sacctmgr("add", "cluster", CLUSTER))] if fresh else []),
        *([Step("pools", _sacctmgr("add", "qos", pools))] if fresh else []),
        Step("slurmctld", controller, ["scontrol", "ping"], f"{LOGS}/slurmctld.log", SLURMCTLD_PID),
        *(Step(f"slurmd {node.name}", ["slurmd", "-N", node.name]) for node in nodes),
        *(
            Step(f"node {node.name}", ["true"], _settled(node), f"{LOGS}/slurmd.{node.name}.log", _slurmd_pid(node))
            for node in nodes
        ),
        # After a crash only: a clean stop has put them back already.
        *([] if fresh else [Step("jobs that were cut off", PUT_JOBS_BACK)]),
        # gres/gpu is known to slurmdbd only after slurmctld has registered.
        *([Step("pool rules", _sacctmgr("modify", "qos", pools, "set", *POOL_RULES))] if fresh else []),
    ]


def _settled(node: Node) -> list[str]:
    """A command that succeeds once the node has reported; before that its state is unknown or has a star."""
    return ["sh", "-c", f"sinfo --noheader --nodes={node.name} --format=%t | grep -Eqx 'idle|mix|alloc|comp'"]


def _slurmd_pid(node: Node) -> str:
    return f"/run/slurm/slurmd.{node.name}.pid"


# The processes of running jobs end with the sandbox, but Slurm would count them as running until their time limit.
# So they go back into the queue, as after the failure of a node; those that cannot are cancelled.
PUT_JOBS_BACK = [
    "sh",
    "-c",
    "squeue --noheader --states=RUNNING,SUSPENDED --format=%A | xargs -r -n1 scontrol requeue;"
    "scancel --state=RUNNING; scancel --state=SUSPENDED;"
    'for try in $(seq 50); do test -z "$(squeue --noheader --states=COMPLETING)" && break; sleep 0.1; done',
]
POOL_RULES = ("MinTRESPerJob=gres/gpu=1", "Flags=DenyOnLimit")


def _sacctmgr(*words: str) -> list[str]:
    return ["sacctmgr", "-i", *words]


def slurm_conf(nodes: Sequence[Node]) -> str:
    """slurm.conf: one partition and QOS per kind of GPU, everything the portal's budgets need switched on."""
    types = ",".join(f"gres/gpu:{kind}" for kind in kinds(nodes))
    lines = [
        SLURM_CONF.format(
            cluster=CLUSTER, host=HOST, address=ADDRESS, logs=LOGS, types=types, slurmctld_pid=SLURMCTLD_PID
        )
    ]
    lines += [
        f"NodeName={node.name} NodeHostname={HOST} NodeAddr=127.0.0.1 Port={FIRST_NODE_PORT + number} "
        f"CPUs={CPUS_PER_NODE} RealMemory=1024 Gres=gpu:{node.gpu}:{node.gpus} State=UNKNOWN"
        for number, node in enumerate(nodes)
    ]
    for kind in kinds(nodes):
        members = ",".join(node.name for node in nodes if node.gpu == kind)
        default = "YES" if kind == nodes[0].gpu else "NO"
        lines.append(
            f"PartitionName={kind} Nodes={members} AllowQos={kind} Default={default} "
            "DefaultTime=1:00:00 MaxTime=7-00:00:00 State=UP"
        )
    return "\n".join(lines)


def gres_conf(nodes: Sequence[Node]) -> str:
    """gres.conf. Without device files the nodes would be invalid."""
    lines = [
        f"NodeName={node.name} Name=gpu Type={node.gpu} File=/dev/fakegpu[0-{node.gpus - 1}]"
        if node.gpus > 1
        else f"NodeName={node.name} Name=gpu Type={node.gpu} File=/dev/fakegpu0"
        for node in nodes
    ]
    return "\n".join(["AutoDetect=off", *lines])


SLURM_CONF = f"""
ClusterName={CLUSTER}
SlurmctldHost={HOST}({ADDRESS})
SlurmUser=slurm
AuthType=auth/slurm
CredType=cred/slurm

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={HOST}
AccountingStorageEnforce=associations,limits,qos,safe
AccountingStorageTRES=gres/gpu,{{types}}
EnforcePartLimits=ALL
GresTypes=gpu
PriorityType=priority/multifactor
PriorityDecayHalfLife=0
PriorityUsageResetPeriod=NONE
PriorityCalcPeriod=1

SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MaxArraySize=10001
MaxJobCount=100000

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
PropagateResourceLimits=NONE
MailProg=/bin/true

StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/spool/slurmd.%n
SlurmctldPidFile={SLURMCTLD_PID}
SlurmdPidFile=/run/slurm/slurmd.%n.pid
SlurmctldLogFile={LOGS}/slurmctld.log
SlurmdLogFile={LOGS}/slurmd.%n.log
"""

SLURMDBD_CONF = f"""
AuthType=auth/slurm
DbdHost={HOST}
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc={DATABASE}
PidFile={SLURMDBD_PID}
LogFile={LOGS}/slurmdbd.log
"""
