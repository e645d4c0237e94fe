"""A database of a bench's own with Django set up on it, and projects in great number: import it before any model."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

# The order is what sets Django up on a throw-away database.
from tests import throwaway  # isort: skip
import tests.ready  # noqa: F401  # isort: skip

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from allocations.models import Account, Cluster, Grant, GrantLine, LedgerEntry, Membership, Pool, Project
from allocations.services.accounts import cluster_writing_enable
from portal.people.models import Institution, User
from tests.factories import InstitutionFactory, PoolFactory

MINUTES = 600
atexit.register(throwaway.pytest_unconfigure)


class Queries:
    """Counts the database's queries while it is entered: `number`."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        self.number += 1
        return execute(sql, params, many, context)


@contextmanager
def counted() -> Iterator[Queries]:
    queries = Queries()
    with connection.execute_wrapper(queries):
        yield queries


def migrate() -> None:
    call_command("migrate", verbosity=0)
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=timezone.now())


def add_projects(sizes: list[int], first: int = 0) -> list[Account]:
    """Projects with so many people each, nobody in two; each has an open grant of MINUTES GPU-minutes in one pool."""
    pool, institution = PoolFactory(code="h100"), InstitutionFactory()
    teams = [_people(institution, f"u{number}x", size) for number, size in enumerate(sizes, start=first)]
    now = timezone.now()
    projects = Project.objects.bulk_create(
        Project(code=f"p{number:05d}", title_ko="과제", pi=team[0], institution=institution, created_at=now)
        for number, team in enumerate(teams, start=first)
    )
    Membership.objects.bulk_create(
        Membership(
            project=project,
            user=user,
            email=user.email,
            status=Membership.Status.ACTIVE,
            invited_at=now,
            joined_at=now,
        )
        for project, team in zip(projects, teams, strict=True)
        for user in team
    )
    _grants(projects, pool)
    return Account.objects.bulk_create(
        Account(project=project, pool=pool, name=f"{project.code}-{pool.code}") for project in projects
    )


def _people(institution: Institution, stem: str, size: int) -> list[User]:
    now = timezone.now()
    return User.objects.bulk_create(
        User(
            email=f"{stem}{number}@bench.example",
            institution=institution,
            cluster_username=f"{stem}{number}",
            cluster_username_approved_at=now,
            cluster_username_found_at=now,
        )
        for number in range(size)
    )


def _grants(projects: list[Project], pool: Pool) -> None:
    now = timezone.now()
    span = {"starts_at": now - timedelta(days=30), "ends_at": now + timedelta(days=300)}
    grants = Grant.objects.bulk_create(Grant(project=project, created_at=now, **span) for project in projects)
    lines = GrantLine.objects.bulk_create(GrantLine(grant=grant, pool=pool) for grant in grants)
    LedgerEntry.objects.bulk_create(
        LedgerEntry(line=line, kind=LedgerEntry.Kind.AWARD, gpu_seconds=MINUTES * 60, reason="award", at=now)
        for line in lines
    )
