"""Projects on a real Slurm, and the two sides that must agree: what the grants say, and what Slurm says.

Neither side is asked by the portal's own means: the grants are added up here, Slurm is read with bare sacctmgr and
scontrol. Each scene has a root account of its own, so that no test sees what others left in Slurm.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.conf import settings
from django.utils import timezone

from allocations.models import Account, Cluster, GrantLine, LedgerEntry, Membership, OperationRecord
from allocations.provisioning.sync import SyncReport, synchronise
from allocations.services.accounts import cluster_writing_enable
from portal.schedule import waiting_people
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import Sandbox
from tests.factories import GrantFactory, LedgerEntryFactory, MembershipFactory, PoolFactory, ProjectFactory
from tests.slurm_cluster import wait_for

MINUTE = 60
FOREVER = "#!/bin/sh\nsleep 300\n"
MADE_ONCE = {"CreateAccount", "AddPerson"}
STOPS = {"ParkAccount", "UnparkAccount", "PausePerson", "ResumePerson"}
numbers = count(1)


@dataclass(frozen=True)
class Place:
    """A leaf account: its limit in GPU-minutes, whether nothing may start, who may start jobs, and who of them has a
    cap, in GPU-minutes."""

    parent: str
    gpu_minutes: int
    stopped: bool
    qos: str
    people: frozenset[str]
    caps: Mapping[str, int]


@dataclass
class Scene:
    """`account`: a leaf with 10 GPU-minutes, its PI and one member. `add_project` makes more of them."""

    slurm: Sandbox
    root: str
    gateway: CommandsGateway = field(init=False)
    account: Account = field(init=False)
    pi: str = field(init=False)
    member: Membership = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = CommandsGateway(settings.SLURM_CLUSTER, self.root, self.slurm.prefix)
        self.account = self.add_project()
        self.pi = str(self.account.project.pi.cluster_username)
        self.member = self.account.project.memberships.exclude(user=self.account.project.pi).get()

    # --- what is granted ---

    def add_project(self, pool: str = "h100", minutes: int = 10) -> Account:
        """A project with a grant of so many GPU-minutes, its PI and one member, of which Slurm knows nothing yet."""
        number = next(numbers)
        pi, member = f"pi{number}", f"member{number}"
        for user in (pi, member):
            self.slurm.person(user)
        project = ProjectFactory(code=f"p99{number:03d}", pi__cluster_username=pi)
        MembershipFactory(project=project, user__cluster_username=member)
        now = timezone.now()
        ends_at = now + timedelta(days=90)
        grant = GrantFactory(project=project, starts_at=now - timedelta(days=1), ends_at=ends_at, hours=0)
        line = grant.lines.create(pool=PoolFactory(code=pool))
        LedgerEntryFactory(line=line, gpu_seconds=minutes * MINUTE)
        return Account.objects.create(project=project, pool=line.pool, name=f"{project.code}-{pool}")

    @property
    def line(self) -> GrantLine:
        return GrantLine.objects.get(grant__project=self.account.project, pool=self.account.pool)

    def supplement(self, minutes: int) -> None:
        LedgerEntryFactory(line=self.line, kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=minutes * MINUTE)

    def end_grant(self, charged_minutes: int) -> None:
        grant = self.line.grant
        grant.ends_at = timezone.now()
        grant.save()
        grant.lines.update(charged_gpu_seconds=charged_minutes * MINUTE)

    def remove_member(self) -> str:
        Membership.objects.filter(pk=self.member.pk).update(status=Membership.Status.REMOVED)
        return str(self.member.user.cluster_username)

    def granted(self, at: datetime | None = None) -> dict[str, Place]:
        """What the grants say, by leaf."""
        at = at or timezone.now()
        return {account.name: _granted(account, at) for account in Account.objects.filter(managed=True)}

    # --- what Slurm says ---

    def in_slurm(self) -> dict[str, Place]:
        """What slurmdbd says of the leaves below this scene's root, by name."""
        columns = "format=account,user,parentname,grptresmins,grpjobs,grpsubmit,qos"
        rows = self._assoc(columns)
        assert len(rows) == len({(row[0], row[1]) for row in rows}), "an association twice"
        parents = {account: parent for account, user, parent, *_ in rows if not user}
        projects = {account for account, parent in parents.items() if parent == self.root}
        leaves = {account for account, parent in parents.items() if parent in projects}
        caps: dict[str, dict[str, str]] = {leaf: {} for leaf in leaves}
        for account, user, _parent, cap, jobs, submit, _qos in rows:
            if account in leaves and user and (jobs, submit) != ("0", "0"):
                caps[account][user] = cap
        return {
            account: Place(
                parent=parent,
                gpu_minutes=_minutes(limit),
                stopped=(jobs, submit) == ("0", "0"),
                qos=qos,
                people=frozenset(caps[account]),
                caps={user: _minutes(cap) for user, cap in caps[account].items() if cap},
            )
            for account, user, parent, limit, jobs, submit, qos in rows
            if account in leaves and not user
        }

    def held_by_slurmctld(self) -> dict[str, int]:
        """The limits in GPU-minutes by which slurmctld lets jobs start, by leaf."""
        shown = self.slurm.run(["scontrol", "-o", "show", "assoc_mgr", "flags=assoc"]).stdout
        rows = re.findall(r"Account=(\S+) UserName= .*?GrpTRESMins=\S*?gres/gpu=(\d+)\(", shown)
        leaves = self.in_slurm()
        return {account: int(minutes) for account, minutes in rows if account in leaves}

    def used_seconds(self, account: str) -> int:
        """GPU-seconds on slurmctld's own counter."""
        told = json.loads(self.slurm.run(["sshare", "--json", "-a", "-A", account]).stdout)["shares"]["shares"]
        usage = next(row["tres"]["usage"] for row in told if row["name"] == account)
        return round(next(tres["value"] for tres in usage if tres["name"] == "gres/gpu"))

    def associations(self, account: str) -> dict[str, list[str]]:
        """By user (the account itself: ""): parent, limit, GrpJobs, GrpSubmit, QOS."""
        rows = self._assoc("format=user,parentname,grptresmins,grpjobs,grpsubmit,qos", f"account={account}")
        assert len(rows) == len({row[0] for row in rows}), f"an association twice: {rows}"
        return {user: rest for user, *rest in rows}

    def _assoc(self, *words: str) -> list[list[str]]:
        text = self.slurm.run(["sacctmgr", "-n", "-P", "show", "assoc", *words]).stdout
        return [line.split("|") for line in text.splitlines()]

    # --- what happens ---

    def sync(self, gateway: CommandsGateway | None = None) -> SyncReport:
        return synchronise(gateway or self.gateway, clock=timezone.now, retry_refused=True, waiting=waiting_people())

    def apply(self) -> Account:
        self.sync()
        self.account.refresh_from_db()
        return self.account

    def expect_agreement(self) -> None:
        """Slurm, both its daemons, holds what the grants say; the portal says so; nothing was done twice."""
        assert self.in_slurm() == self.granted()
        limits = {name: place.gpu_minutes for name, place in self.granted().items()}
        wait_for("slurmctld's own limits", lambda: self.held_by_slurmctld() == limits)
        assert {account.state for account in Account.objects.filter(managed=True)} == {Account.State.IN_FORCE}
        self.expect_nothing_twice()

    def expect_nothing_twice(self) -> None:
        """What was made was made once, and no operation follows itself: a change done is not done again."""
        records = OperationRecord.objects.filter(succeeded=True, operation__in=MADE_ONCE)
        times = Counter(records.values_list("operation", "account", "person"))
        assert not [key for key, number in times.items() if number > 1]
        last: dict[tuple[str, str, str], object] = {}
        for row in OperationRecord.objects.exclude(succeeded=False).exclude(operation="CancelJobs").order_by("pk"):
            subject, said = _subject(row), (row.operation, row.sentence)
            assert not row.succeeded or last.get(subject) != said, f"twice in a row: {said}"
            # Of one whose end nobody saw, nobody knows.
            last[subject] = said if row.succeeded else None

    def submit(
        self, user: str, *options: str, account: str = "", partition: str = "h100", script: str = FOREVER
    ) -> int:
        place = (f"--account={account or self.account.name}", f"--partition={partition}")
        return self.slurm.submit(user, *place, "--output=/dev/null", "--chdir=/tmp", *options, script=script)

    def job(self, job_id: int) -> str:
        return self.slurm.run(["squeue", "-h", "-j", str(job_id), "-o", "%T %r"], check=False).stdout.strip()

    def wait_until_runs(self, job_id: int) -> None:
        wait_for("the job's start", lambda: self.job(job_id).startswith("RUNNING"))

    def cancel_all(self) -> None:
        self.slurm.run(["sh", "-c", "squeue -h -o %A | xargs -r scancel"], check=False)


@pytest.fixture
def scene(cluster: Sandbox) -> Iterator[Scene]:
    """Writing to Slurm is switched on; jobs end with the test."""
    with scene_on(cluster) as made:
        yield made


@contextmanager
def scene_on(sandbox: Sandbox) -> Iterator[Scene]:
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=timezone.now())
    made = Scene(sandbox, f"portal{next(numbers)}")
    yield made
    made.cancel_all()


def _granted(account: Account, at: datetime) -> Place:
    lines = GrantLine.objects.filter(grant__project=account.project, pool=account.pool)
    given = {line: line.grant.is_open(at) for line in lines}
    seconds = sum(line.granted_gpu_seconds if is_open else line.charged_gpu_seconds for line, is_open in given.items())
    people = account.project.memberships.filter(
        status=Membership.Status.ACTIVE, user__is_active=True, user__cluster_username_found_at__isnull=False
    )
    return Place(
        parent=account.project.code,
        gpu_minutes=max(0, (seconds + account.offset_gpu_seconds) // MINUTE),
        stopped=not any(given.values()),
        qos=account.pool.qos,
        people=frozenset(people.values_list("user__cluster_username", flat=True)),
        caps={
            str(member.user.cluster_username): cap.gpu_seconds // MINUTE
            for member in people
            for cap in member.caps.filter(pool=account.pool)
        },
    )


def _minutes(limit: str) -> int:
    return int(limit.removeprefix("gres/gpu="))


def _subject(row: OperationRecord) -> tuple[str, str, str]:
    """What a change is about: the stop, the limit or another setting of one account, or of one person in it."""
    return (row.account, row.person, "stop" if row.operation in STOPS else row.operation)
