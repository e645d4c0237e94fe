"""Sentences are compared in English; a cluster in memory that fails where a test wants it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import translation

from allocations.models import Account, Cluster
from allocations.provisioning import apply, marks
from allocations.services.accounts import cluster_writing_enable
from portal.slurm.fake import FakeGateway
from portal.slurm.types import Operation
from tests.factories import NOW, GrantFactory, ProjectFactory


class Stubborn(FakeGateway):
    """A cluster that fails on operations chosen by the test."""

    def __init__(self) -> None:
        super().__init__(root_account="paic")
        self.fails: Callable[[Operation], Exception | None] = lambda operation: None

    def execute(self, operation: Operation) -> str:
        error = self.fails(operation)
        if error is not None:
            raise error
        return super().execute(operation)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried or asked again is so at once."""
    monkeypatch.setattr(apply, "RETRY_SECONDS", 0)
    monkeypatch.setattr(marks, "ASK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(marks, "HEARD_WITHIN_SECONDS", 0)


@pytest.fixture
def gateway() -> Stubborn:
    return Stubborn()


@pytest.fixture
def writable(db: None) -> Cluster:
    """The one cluster, writing switched on."""
    cluster = Cluster.current()
    cluster_writing_enable(cluster=cluster, by=None, at=NOW)
    return cluster


@pytest.fixture
def account(writable: Cluster) -> Account:
    """p26001-h100: 500 GPU-hours from 1 March to 31 August 2026, with kim as the only person."""
    GrantFactory(project=ProjectFactory(code="p26001", pi__cluster_username="kim"), hours=500)
    return Account.objects.get()
