"""What can be done in a running sandbox: people, jobs, limits, commands, pyslurm."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from portal.slurm.sandbox import PYTHON, CommandFailed, Sandbox, SandboxError
from tests.slurm_cluster import add_account, unique_name, wait_for

pytestmark = pytest.mark.slurm

FIELDS = "State,User,Account,Partition,QOS,AllocTRES"


def sacct(cluster: Sandbox, job: int) -> list[str]:
    return cluster.run(["sacct", "-X", "-n", "-P", "-j", str(job), "-o", FIELDS]).stdout.strip().split("|")


def reason(cluster: Sandbox, job: int) -> str:
    return cluster.run(["squeue", "-h", "-j", str(job), "-o", "%T %r"]).stdout.strip()


def add_association_only(cluster: Sandbox, account: str, user: str) -> None:
    add_account(cluster, account)
    cluster.run(["sacctmgr", "-i", "add", "user", user, f"account={account}"])
    known = ["scontrol", "show", "assoc_mgr", f"users={user}"]
    wait_for("the association in slurmctld", lambda: user in cluster.run(known).stdout)


def test_a_members_gpu_job_runs_and_is_accounted(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user)
    job = cluster.submit(user, "--gpus=2", "--time=1", script="#!/bin/sh\nid -un\n")
    wait_for("the job's end", lambda: sacct(cluster, job)[0] == "COMPLETED")
    state, *who, tres = sacct(cluster, job)
    assert (state, who) == ("COMPLETED", [user, account, "h100", "h100"])
    assert {"gres/gpu=2", "gres/gpu:h100=2"} <= set(tres.split(","))
    assert cluster.run(["cat", f"slurm-{job}.out"], user=user).stdout == f"{user}\n"


def test_a_person_without_association_is_refused(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account)
    cluster.person(user)
    with pytest.raises(CommandFailed, match="Invalid account or account/partition combination"):
        cluster.submit(user, f"--account={account}", "--gpus=1")


def test_what_can_never_run_is_refused_at_once(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user, gpu_minutes=4)
    with pytest.raises(CommandFailed, match="QOSMinGRES"):
        cluster.submit(user)
    with pytest.raises(CommandFailed, match="Invalid qos specification"):
        cluster.submit(user, "--gpus=1", "--partition=a100")
    with pytest.raises(CommandFailed, match="AssocGrpGRESMinutes"):
        cluster.submit(user, "--gpus=1", "--time=5")


def test_a_job_over_what_is_left_waits(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user, gpu_minutes=4)
    first = cluster.submit(user, "--gpus=2", "--time=2", script="#!/bin/sh\nsleep 60\n")
    wait_for("the first job's start", lambda: reason(cluster, first).startswith("RUNNING"))
    second = cluster.submit(user, "--gpus=1", "--time=1")
    wait_for("Slurm's reason", lambda: reason(cluster, second) == "PENDING AssocGrpGRESMinutes")
    cluster.run(["scancel", str(first), str(second)])


def test_a_person_made_after_their_association_can_submit(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account)
    cluster.run(["sacctmgr", "-i", "add", "user", user, f"account={account}"])
    wait_for(
        "the association in slurmctld",
        lambda: user in cluster.run(["scontrol", "show", "assoc_mgr", f"users={user}"]).stdout,
    )
    cluster.person(user)
    cluster.person(user)  # once more changes nothing
    assert cluster.submit(user, "--gpus=1")


def test_slurmctld_alone_never_finds_a_person_made_after_their_association(cluster: Sandbox) -> None:
    """Why `person` makes it look again."""
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account)
    cluster.run(["sacctmgr", "-i", "add", "user", user, f"account={account}"])
    wait_for(
        "the association in slurmctld",
        lambda: user in cluster.run(["scontrol", "show", "assoc_mgr", f"users={user}"]).stdout,
    )
    cluster.run(["useradd", "--create-home", user])
    with pytest.raises(CommandFailed, match="Invalid account"):
        cluster.submit(user, "--gpus=1")


def test_people_cannot_read_each_others_homes_or_the_cluster_key(cluster: Sandbox) -> None:
    one, other = unique_name("u"), unique_name("u")
    cluster.person(one)
    cluster.person(other)
    for forbidden in (f"/home/{one}", "/etc/slurm/slurm.key", "/usr/local/lib/sandbox/plan.json"):
        with pytest.raises(CommandFailed, match="Permission denied"):
            cluster.run(["cat", forbidden] if "." in forbidden else ["ls", forbidden], user=other)


@pytest.mark.parametrize("name", ["", "Kim", "-kim", "kim lee", "김", "a" * 40])
def test_names_that_are_no_user_names_are_refused(cluster: Sandbox, name: str) -> None:
    with pytest.raises(SandboxError, match="is no user name"):
        cluster.person(name)


def test_a_command_that_fails_says_so(cluster: Sandbox) -> None:
    with pytest.raises(CommandFailed, match="ended with 3: out of cheese") as failed:
        cluster.run(["sh", "-c", "echo out of cheese >&2; exit 3"])
    assert failed.value.returncode == 3
    assert cluster.run(["false"], check=False).returncode == 1
    assert cluster.run(["cat"], input="안녕").stdout == "안녕"
    assert cluster.run(["printenv", "PLACE"], env={"PLACE": "포항"}).stdout == "포항\n"


def test_a_command_that_takes_too_long_ends_inside_too(cluster: Sandbox) -> None:
    with pytest.raises(SandboxError, match="did not end within"):
        cluster.run(["sleep", "4711"], timeout=0.5)
    wait_for("its end inside", lambda: cluster.run(["pgrep", "-f", "^sleep 4711"], check=False).stdout == "")


def test_the_prefix_runs_commands_and_they_end_with_it(cluster: Sandbox) -> None:
    said = subprocess.run([*cluster.prefix, "hostname"], capture_output=True, text=True, check=True).stdout
    assert said == "sandbox\n"
    with subprocess.Popen([*cluster.prefix, "sleep", "4712"]) as process:
        wait_for("its start", lambda: cluster.run(["pgrep", "-f", "^sleep 4712"], check=False).stdout)
        process.kill()
    wait_for("its end inside", lambda: cluster.run(["pgrep", "-f", "^sleep 4712"], check=False).stdout == "")


def test_a_signal_reaches_the_command_itself(cluster: Sandbox) -> None:
    script = "trap 'echo leaving; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    process = cluster.popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "leaving\n"
    assert process.returncode == 7


def test_pyslurm_reads_the_cluster_from_inside(cluster: Sandbox) -> None:
    status = cluster.status()
    assert status.pyslurm, status.pyslurm_reason
    code = (
        "import json, pyslurm; print(json.dumps({"
        "'version': pyslurm.__version__, 'nodes': sorted(pyslurm.Nodes.load()),"
        "'jobs': len(pyslurm.Jobs.load()) >= 0, 'associations': len(pyslurm.db.Associations.load()) > 0}))"
    )
    read = json.loads(cluster.run([PYTHON, "-c", code]).stdout)
    assert read == {"version": status.pyslurm, "nodes": ["a1", "h1"], "jobs": True, "associations": True}


def test_the_portals_requirements_are_inside(cluster: Sandbox) -> None:
    modules = "import django, channels, psycopg2, plotly, allauth"
    assert cluster.run([PYTHON, "-c", modules]).returncode == 0


def test_slurm_enforces_what_the_portal_relies_on(cluster: Sandbox) -> None:
    config = dict(
        (part.strip() for part in line.split("=", 1))
        for line in cluster.run(["scontrol", "show", "config"]).stdout.splitlines()
        if "=" in line
    )
    assert set(config["AccountingStorageEnforce"].split(",")) >= {"associations", "limits", "qos", "safe"}
    assert config["PriorityType"] == "priority/multifactor"
    assert config["PriorityDecayHalfLife"] == "00:00:00"
    assert config["PriorityUsageResetPeriod"] == "NONE"
    assert config["EnforcePartLimits"] == "ALL"
    assert {"gres/gpu", "gres/gpu:h100", "gres/gpu:a100"} <= set(config["AccountingStorageTRES"].split(","))
    rules = cluster.run(["sacctmgr", "-n", "-P", "show", "qos", "format=name,mintres,flags"]).stdout.splitlines()
    assert {"h100|gres/gpu=1|DenyOnLimit", "a100|gres/gpu=1|DenyOnLimit"} <= set(rules)
    partition = cluster.run(["scontrol", "-o", "show", "partition", "h100"]).stdout
    assert "AllowQos=h100" in partition
    assert "DefaultTime=01:00:00" in partition
    assert "MaxTime=7-00:00:00" in partition
