"""A browser for what only a browser can tell."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.rig import browser, chromium_path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not chromium_path():
        reason = "Chromium is not installed."
        pytest.fail(reason) if os.environ.get("REQUIRE_SLURM") == "1" else pytest.skip(reason)
    with browser() as started:
        yield started
