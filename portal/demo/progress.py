"""Progress lines that say what is being done and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    sys.stdout.write(f"{what} … ")
    sys.stdout.flush()
    start = time.monotonic()
    try:
        yield
    except BaseException:
        sys.stdout.write("failed.\n")
        raise
    sys.stdout.write(f"{time.monotonic() - start:.1f} s\n")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
