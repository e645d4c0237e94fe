from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.slurm.sandbox import Sandbox
from tests.slurm_cluster import require_sandbox, unique_name

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def make_sandbox(tmp_path: Path) -> Iterator[MakeSandbox]:
    """Makes sandboxes of a test's own, not started; whatever becomes of them is removed after the test."""
    require_sandbox()
    made = []

    def make(release: str = "forky") -> Sandbox:
        name = unique_name("own-")
        made.append(Sandbox(name, release=release, state=tmp_path / name))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.down(purge=True)
