"""Whether the packed static files are those of the present sources: asked by settings, so nothing of Django here.

Packed means: named by their content, kept by browsers for good, compressed beforehand (portal/web/storage.py). Where
they are missing or older than what lies in static/, the portal serves the sources instead, so nobody sees a stale file.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

STAMP = ".packed"
# What else is packed comes with these packages.
PACKAGES = ("Django", "django-htmx", "whitenoise", "brotli")


def stamp_of(sources: Path) -> str:
    """Changes with every file of `sources` and with the packages that bring static files of their own."""
    told = [f"{name} {version(name)}" for name in PACKAGES]
    for path in sorted(sources.rglob("*")):
        if path.is_file():
            found = path.stat()
            told.append(f"{path.relative_to(sources)} {found.st_mtime_ns} {found.st_size}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def is_current(sources: Path, packed: Path) -> bool:
    """Whether `packed` was made of exactly these sources."""
    stamp = packed / STAMP
    return stamp.exists() and stamp.read_text() == stamp_of(sources)
