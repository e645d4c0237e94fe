"""What every test may use: one Slurm cluster per run, started by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from tests.provisioning.faults import pytest_terminal_summary
from tests.slurm_cluster import cluster

__all__ = ["cluster", "pytest_terminal_summary"]


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """People are made and sign in hundreds of times, and a real hash takes a third of a second, on purpose."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_from_their_sources() -> Iterator[None]:
    """Whether or not they are packed: the server that lives in the test process knows only the names of the sources.

    Packed files are tested where the portal runs as it does for people, in tests/whole_way/.
    """
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": storage}, WHITENOISE_USE_FINDERS=True):
        yield
