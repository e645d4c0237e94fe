from collections.abc import Iterator

import pytest
from django.utils import translation
from hypothesis import settings

# Tests say nothing about speed, and a shared machine may be slow.
settings.register_profile("accounting", deadline=None)
settings.load_profile("accounting")


@pytest.fixture
def english() -> Iterator[None]:
    with translation.override("en"):
        yield
