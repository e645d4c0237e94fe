"""The check on a real cluster that is set up wrongly on purpose: every trouble is found, and dangers are real ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.slurm import check
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmError
from portal.slurm.findings import Finding, Level, PoolSetup
from portal.slurm.sandbox import Sandbox
from portal.slurm.types import AddPerson, CreateAccount, ParkAccount, PausePerson, SetLimit
from tests.slurm.conftest import H100
from tests.slurm.test_on_slurm import eventually
from tests.slurm_cluster import require_sandbox, unique_name

pytestmark = pytest.mark.slurm
ROOT = "paic"
POOLS = [PoolSetup(name, name, (name,), name) for name in ("h100", "a100")]
CONF = "/etc/slurm/slurm.conf"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A cluster of its own: what is set wrongly here would trouble other tests."""
    require_sandbox()
    state: Path = tmp_path_factory.mktemp("cluster") / "state"
    sandbox = Sandbox(unique_name("test-"), state=state)
    sandbox.up(pdeathsig=True)
    gateway(sandbox).execute(CreateAccount(ROOT, "root"))
    yield sandbox
    sandbox.down(purge=True)


def gateway(sandbox: Sandbox, *as_whom: str) -> CommandsGateway:
    return CommandsGateway("pohang", ROOT, (*sandbox.prefix, *as_whom))


def troubles(slurm: CommandsGateway) -> dict[str, Finding]:
    found = check.findings(check.read(slurm), POOLS, at=datetime.now(UTC), cluster="pohang")
    return {finding.code: finding for finding in found if finding.level is not Level.OK}


def levels(slurm: CommandsGateway) -> dict[str, Level]:
    return {code: finding.level for code, finding in troubles(slurm).items()}


def sacctmgr(sandbox: Sandbox, *words: str) -> None:
    sandbox.run(["sacctmgr", "-i", *words])


@pytest.fixture
def conf(sandbox: Sandbox) -> Iterator[list[str]]:
    """Scripts of sed for slurm.conf; put back afterwards."""
    good = sandbox.run(["cat", CONF]).stdout
    yield []
    sandbox.run(["tee", CONF], input=good)
    reconfigure(sandbox)


def edit(sandbox: Sandbox, *scripts: str) -> None:
    sandbox.run(["sed", "-i", *(word for script in scripts for word in ("-e", script)), CONF])
    reconfigure(sandbox)


def reconfigure(sandbox: Sandbox) -> None:
    sandbox.run(["scontrol", "reconfigure"])
    eventually(lambda: answers(gateway(sandbox)))


def answers(slurm: CommandsGateway) -> bool:
    try:
        slurm.config()
    except SlurmError:
        return False
    return True


def test_the_sandbox_has_no_trouble_but_that_it_is_root(sandbox: Sandbox) -> None:
    assert levels(gateway(sandbox)) == {"rights": Level.WARNING}


def test_a_wrong_slurm_conf_is_told_line_by_line(sandbox: Sandbox, conf: list[str]) -> None:
    edit(
        sandbox,
        "s/^AccountingStorageEnforce=.*/AccountingStorageEnforce=associations,limits/",
        "s/^EnforcePartLimits=.*/EnforcePartLimits=NO/",
        "s/^PriorityDecayHalfLife=.*/PriorityDecayHalfLife=7-0/",
        "$aPriorityUsageResetPeriod=MONTHLY",
        "/^PriorityUsageResetPeriod=NONE/d",
        "/^PartitionName=h100/s/AllowQos=h100/AllowQos=h100,normal/",
        "/^PartitionName=a100/s/DefaultTime=[^ ]*//",
        "/^PartitionName=a100/s/MaxTime=[^ ]*/MaxTime=INFINITE/",
        "$aPartitionName=debug Nodes=h1 MaxTime=60",
    )
    found = troubles(gateway(sandbox))
    assert {code: finding.level for code, finding in found.items()} == {
        "enforce": Level.DANGER,
        "decay": Level.DANGER,
        "reset": Level.DANGER,
        "partition-qos": Level.DANGER,
        "max-time": Level.DANGER,
        "shared-nodes": Level.DANGER,
        "part-limits": Level.WARNING,
        "default-time": Level.WARNING,
        "partition-open": Level.WARNING,
        "rights": Level.WARNING,
    }
    assert found["enforce"].params["missing"] == "qos, safe"
    assert found["decay"].params["found"] == "7-00:00:00"
    assert found["shared-nodes"].params["others"] == "debug"


def test_priority_that_counts_nothing_is_told(sandbox: Sandbox, conf: list[str]) -> None:
    edit(sandbox, "s,^PriorityType=.*,PriorityType=priority/basic,")
    assert levels(gateway(sandbox))["priority-type"] is Level.DANGER


def test_a_missing_partition_is_told(sandbox: Sandbox, conf: list[str]) -> None:
    edit(sandbox, "s/^PartitionName=a100/PartitionName=renamed/")
    found = troubles(gateway(sandbox))
    assert found["partition-missing"].params == {"partition": "a100", "pool": "a100"}
    assert "unknown-kind" not in found  # the pool names the kind, only its partition is gone


def test_gpus_of_a_kind_that_no_pool_has_are_told(sandbox: Sandbox) -> None:
    found = check.findings(check.read(gateway(sandbox)), POOLS[:1], at=datetime.now(UTC))
    assert [finding.params["kind"] for finding in found if finding.code == "unknown-kind"] == ["a100"]


def test_accounts_of_others_with_a_pools_qos_are_told(sandbox: Sandbox) -> None:
    sacctmgr(sandbox, "add", "account", "physics", "qos=h100,normal", "DefaultQOS=normal")
    found = troubles(gateway(sandbox))["foreign-accounts"]
    assert found.params == {"qos": "h100", "pool": "h100", "accounts": "physics"}
    sandbox.run([*found.line.split()[:1], "-i", *found.line.split()[1:]])  # what it says to do helps
    assert "foreign-accounts" not in troubles(gateway(sandbox))


def test_the_qos_of_a_pool_is_looked_at_and_what_is_said_helps(sandbox: Sandbox) -> None:
    sacctmgr(sandbox, "modify", "qos", "a100", "set", "MinTRESPerJob=gres/gpu=-1", "Flags-=DenyOnLimit")
    sacctmgr(sandbox, "modify", "qos", "a100", "set", "GrpTRESMins=gres/gpu=1000", "UsageFactor=0.5")
    found = troubles(gateway(sandbox))
    assert {"qos-least", "qos-deny", "qos-limit", "qos-factor"} <= found.keys()
    for code in ("qos-least", "qos-deny", "qos-limit", "qos-factor"):
        sacctmgr(sandbox, *found[code].line.split()[1:])
    assert levels(gateway(sandbox)) == {"rights": Level.WARNING}


def test_a_limit_of_the_qos_really_hides_the_limits_of_accounts(sandbox: Sandbox) -> None:
    """Why it is a danger: a job far over its account's limit is refused without it, and runs with it."""
    slurm = gateway(sandbox)
    sandbox.person("kim")
    slurm.execute(CreateAccount("tight", ROOT, 2, qos=H100, default_qos="h100"))
    slurm.execute(AddPerson("tight", "kim"))
    job = ("kim", "--account=tight", "--partition=h100", "--gpus=2", "--time=10")
    eventually(lambda: "UserName=kim(" in sandbox.run(["scontrol", "-o", "show", "assoc_mgr", "accounts=tight"]).stdout)
    assert "AssocGrpGRESMinutes" in refusal(sandbox, *job)
    sacctmgr(sandbox, "modify", "qos", "h100", "set", "GrpTRESMins=gres/gpu=1000")
    try:
        number = eventually(lambda: submitted(sandbox, *job))
        eventually(lambda: [entry for entry in slurm.queue() if (entry.job_id, entry.state) == (number, "RUNNING")])
        assert levels(slurm)["qos-limit"] is Level.DANGER
    finally:
        sacctmgr(sandbox, "modify", "qos", "h100", "set", "GrpTRESMins=gres/gpu=-1")
        sandbox.run(["scancel", "--account=tight"])


def refusal(sandbox: Sandbox, user: str, *options: str) -> str:
    answer = sandbox.run(["sbatch", f"--uid={user}", "--chdir=/tmp", *options, "--wrap", "sleep 60"], check=False)
    assert answer.returncode != 0
    return answer.stderr


def submitted(sandbox: Sandbox, user: str, *options: str) -> int:
    words = ["sbatch", "--parsable", f"--uid={user}", "--chdir=/tmp", "--output=/dev/null", *options]
    answer = sandbox.run([*words, "--wrap", "sleep 60"], check=False)
    return int(answer.stdout) if answer.returncode == 0 else 0


def test_a_root_account_with_settings_is_told(sandbox: Sandbox) -> None:
    sacctmgr(sandbox, "modify", "account", ROOT, "set", "GrpSubmitJobs=0", "GrpTRESMins=gres/gpu=9")
    found = troubles(gateway(sandbox))
    assert {"root-stopped", "root-limit"} <= found.keys()
    for code in ("root-stopped", "root-limit"):
        sacctmgr(sandbox, *found[code].line.split()[1:])
    assert levels(gateway(sandbox)) == {"rights": Level.WARNING}


def test_slurmdbd_operator_is_enough_and_less_is_a_danger(sandbox: Sandbox) -> None:
    """Not root: every kind of operation of the portal, and every read, with the admin level Operator alone."""
    sandbox.person("portal")
    sandbox.person("lee")
    slurm = gateway(sandbox, "runuser", "-u", "portal", "--")
    assert levels(slurm) == {"rights": Level.DANGER}
    sacctmgr(sandbox, "add", "user", "portal", "account=root", "AdminLevel=Operator")
    eventually(lambda: "rights" not in troubles(slurm))
    assert levels(slurm) == {}
    slurm.execute(CreateAccount("byop", ROOT))
    slurm.execute(CreateAccount("byop-h100", "byop", 60, parked=True, qos=H100, default_qos="h100"))
    slurm.execute(AddPerson("byop-h100", "lee"))
    slurm.execute(SetLimit("byop-h100", 90))
    slurm.execute(PausePerson("byop-h100", "lee"))
    slurm.execute(ParkAccount("byop-h100"))
    slurm.set_sequence(7)
    assert slurm.sequence() == 7
    assert slurm.snapshot().accounts["byop-h100"].gpu_minutes == 90
    until = time.monotonic() + 30
    while "byop-h100" not in slurm.counters():
        assert time.monotonic() < until
        time.sleep(0.1)
    assert list(slurm.jobs(datetime.now(UTC).replace(minute=0), datetime.now(UTC))) is not None
