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
    # Playwright keeps an event loop in this thread, where Django would else refuse to ask its database.
    with pytest.MonkeyPatch.context() as environment, browser() as started:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield started
