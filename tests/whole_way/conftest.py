"""One running portal and one browser for the tests of the whole way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from portal.slurm.sandbox import Sandbox
from tests.rig import Person, Rig, browser, chromium_path


def _require(reason: str | None) -> None:
    if reason and os.environ.get("REQUIRE_SLURM") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The portal with people, pools and an open call, but no applications."""
    _require(Sandbox.unavailable_reason())
    portal = Rig("whole")
    try:
        yield portal.start("--base")
    finally:
        portal.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    _require(None if chromium_path() else "Chromium is not installed.")
    with browser() as started:
        yield started


@pytest.fixture
def person(rig: Rig, chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Somebody at a browser of their own; what a page wrote to the console as an error fails the test."""
    people: list[Person] = []

    def sit_down(**context: object) -> Person:
        people.append(Person(rig, chromium, **context))
        return people[-1]

    yield sit_down
    errors = [error for person in people for error in person.errors]
    # Shown by pytest with a test that failed.
    sys.stdout.write(f"--- web ---\n{rig.web_log()[-4000:]}\n--- worker ---\n{rig.worker_log()[-4000:]}\n")
    sys.stdout.write("\n".join(map(str, rig.query("SELECT at, action, data, topics FROM events_event ORDER BY id"))))
    for someone in people:
        someone.context.close()
    assert errors == []
