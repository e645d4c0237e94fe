"""An account that was at work on a real Slurm before the portal: linked, handed over, and enforced without a gap."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounting import balance
from accounting.history import ingest
from accounting.models import Counter
from allocations.models import Account, Cluster, GrantLine, OperationRecord, Project
from allocations.provisioning.sync import SyncReport, synchronise
from allocations.services.accounts import cluster_writing_enable
from portal.schedule import read_capacity, store_queue
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import CommandFailed, Sandbox
from portal.slurm.types import CreateAccount
from tests.factories import GrantFactory, LedgerEntryFactory, PoolFactory, ProjectFactory, UserFactory
from tests.slurm_cluster import wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]
MINUTE = 60


@dataclass
class Site:
    """An account `name` of `kim` and `lee` below the portal's root, with a limit of the site's own."""

    slurm: Sandbox
    gateway: CommandsGateway
    name: str
    kim: str
    lee: str

    def look(self) -> SyncReport:
        """The worker's round."""
        report = synchronise(self.gateway, clock=timezone.now, retry_refused=True)
        read_capacity(self.gateway, lambda: True)
        store_queue(self.gateway, lambda: True)
        ingest.ingest(self.gateway, at=timezone.now())
        balance.update_line_charges(at=timezone.now())
        return report

    def submit(self, user: str, *options: str, seconds: int = 300) -> int:
        place = (f"--account={self.name}", "--partition=h100", "--output=/dev/null", "--chdir=/tmp")
        return self.slurm.submit(user, *place, *options, script=f"#!/bin/sh\nsleep {seconds}\n")

    def use(self, seconds: int) -> None:
        """kim uses four GPUs for so many seconds."""
        job = self.submit(self.kim, "--gpus=4", "--time=1", seconds=seconds)
        wait_for("the job's end", lambda: not self.job(job))

    def job(self, job_id: int) -> str:
        return self.slurm.run(["squeue", "-h", "-j", str(job_id), "-o", "%T %r"], check=False).stdout.strip()

    def association(self, user: str = "") -> list[str]:
        """Limit, GrpJobs, GrpSubmitJobs, QOS of the account, or of a person in it; not read by the portal."""
        columns = "format=user,grptresmins,grpjobs,grpsubmit,qos"
        text = self.slurm.run(["sacctmgr", "-n", "-P", "show", "assoc", f"account={self.name}", columns]).stdout
        return next(rest for row, *rest in (line.split("|") for line in text.splitlines()) if row == user)

    def counter(self) -> int:
        return self.gateway.counters()[self.name].used_gpu_seconds


@pytest.fixture
def site(cluster: Sandbox) -> Iterator[Site]:
    mark = secrets.token_hex(3)
    site = Site(
        cluster,
        CommandsGateway(settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, cluster.prefix),
        f"lab-{mark}",
        f"kim{mark}",
        f"lee{mark}",
    )
    site.gateway.execute(CreateAccount(settings.SLURM_ROOT_ACCOUNT, "root"))
    place = ("-i", "add", "account", site.name, f"parent={settings.SLURM_ROOT_ACCOUNT}")
    cluster.run(["sacctmgr", *place, "qos=h100,normal", "DefaultQOS=h100", "GrpTRESMins=gres/gpu=777"])
    for user in (site.kim, site.lee):
        cluster.person(user)
        cluster.run(["sacctmgr", "-i", "add", "user", user, f"account={site.name}"])
    time.sleep(1)
    yield site
    cluster.run(["scancel", f"--account={site.name}"])


def test_an_account_with_earlier_use_keeps_exactly_what_is_left_of_its_grant(site: Site) -> None:
    operator = UserFactory(roles=["operator"], cluster_username=None)
    page = Client()
    page.force_login(operator)
    site.use(20)
    project = a_project(site)
    before = site.association()
    site.look()
    pool = PoolFactory(code="h100")
    page.post(f"/operations/accounts/{site.name}/link/", {"project": project.pk, "pool": pool.pk})
    account = Account.objects.get(name=site.name)
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=timezone.now())

    # Linked: everybody works on, also who is no member; nothing in Slurm has changed.
    site.use(18)
    running = site.submit(site.lee, "--gpus=1", "--time=1", seconds=2)
    wait_for("the job's end", lambda: not site.job(running))
    wait_for("the counter", lambda: caught_up(site))
    site.look()
    assert site.association() == before
    assert not OperationRecord.objects.filter(account=site.name).exists()

    # Handed over: limit = counter + what is left of the 10 GPU-minutes.
    line = GrantLine.objects.get()
    assert 72 <= line.charged_gpu_seconds < 120
    page.post(f"/operations/accounts/{account.pk}/hand-over/")
    site.look()
    left = 10 * MINUTE - line.charged_gpu_seconds
    limit, jobs, submitting, qos = site.association()
    minutes = int(limit.removeprefix("gres/gpu="))
    assert left - MINUTE < minutes * MINUTE - site.counter() <= left
    assert (jobs, submitting, qos) == ("", "", "h100")
    assert site.association(site.lee)[1:3] == ["0", "0"]
    account.refresh_from_db()
    assert (account.state, account.managed) == (Account.State.IN_FORCE, True)
    assert site.look().planned == []

    # And Slurm enforces it: 10 GPU-minutes wait, 8 start, who is no member is refused.
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        site.submit(site.lee, "--gpus=1", "--time=1")
    too_much = site.submit(site.kim, "--gpus=2", "--time=5")
    wait_for("Slurm's hold on the job", lambda: site.job(too_much) == "PENDING AssocGrpGRESMinutes")
    fits = site.submit(site.kim, "--gpus=4", "--time=2")
    wait_for("the job's start", lambda: site.job(fits).startswith("RUNNING"))


def a_project(site: Site) -> Project:
    """Of kim: 10 GPU-minutes from this moment on. Its own account is planned and not in Slurm."""
    now = timezone.now()
    project = ProjectFactory(
        code=f"q{site.name[-6:]}", pi__cluster_username=site.kim, created_at=now - timedelta(minutes=5)
    )
    grant = GrantFactory(project=project, starts_at=now, ends_at=now + timedelta(days=90), hours=0)
    line = grant.lines.create(pool=PoolFactory(code="h100"))
    LedgerEntryFactory(line=line, gpu_seconds=10 * MINUTE)
    Account.objects.create(project=project, pool=line.pool, name=f"{project.code}-h100")
    return project


def caught_up(site: Site) -> bool:
    """Whether all that ran has ended in slurmctld's counter and in the job rows alike."""
    site.look()
    line = GrantLine.objects.get()
    known = Counter.objects.get(account__name=site.name).used_gpu_seconds
    return known == site.counter() and known >= 80 + line.charged_gpu_seconds >= 80 + 72
