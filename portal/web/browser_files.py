"""Third-party browser files: fetched at set-up by their published hash, kept out of the repository.

static/browser-files.lock.json names packages of the npm registry by version and integrity, and the files to take.
The registry is the public one, or the one that NPM_CONFIG_REGISTRY (or npm_config_registry) names; whatever it
answers is used only if its SHA-512 is the locked one. Nothing is loaded from elsewhere at run time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

PUBLIC_REGISTRY = "https://registry.npmjs.org/"
TIMEOUT_SECONDS = 60
BLOCK_BYTES = 1 << 18
STAMP = ".locked"


class BrowserFilesError(Exception):
    """A package could not be fetched or is not what the lock says; the text says what to do."""


@dataclass(frozen=True)
class LockedFile:
    """A file of the package: `source` is its path (or a pattern), `target` where it goes; a folder ends with "/".
    What the regular expression `cut` matches is left out of its text."""

    source: str
    target: str
    cut: str = ""

    def place(self, name: str) -> str:
        return self.target + name.rpartition("/")[2] if self.target.endswith("/") else self.target


@dataclass(frozen=True)
class LockedPackage:
    name: str
    version: str
    integrity: str
    folder: str
    files: tuple[LockedFile, ...]

    @property
    def stamp(self) -> str:
        """Changes with anything that the lock says of the package."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def address(self, registry: str) -> str:
        """Where every npm registry serves the tarball; the scope of a name is not part of the file's."""
        return f"{registry.rstrip('/')}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


@dataclass(frozen=True)
class Fetched:
    """How many files were taken, from a tarball of how many bytes."""

    files: int
    bytes: int


def registry_address() -> str:
    """npm itself reads either spelling of the variable."""
    named = (os.environ.get(name) for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"))
    return next(filter(None, named), PUBLIC_REGISTRY)


def read_lock(path: Path) -> list[LockedPackage]:
    """The packages of the lock. Raises BrowserFilesError where it cannot be read as one."""
    try:
        return [_package(entry) for entry in json.loads(path.read_text(encoding="utf-8"))["packages"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrowserFilesError(f"{path} is not a lock of browser files: {error!r}.") from error


def _package(entry: dict[str, Any]) -> LockedPackage:
    files = tuple(LockedFile(item["from"], item["to"], item.get("cut", "")) for item in entry["files"])
    return LockedPackage(entry["name"], entry["version"], entry["integrity"], entry["folder"], files)


def fetch(package: LockedPackage, vendor: Path, registry: str) -> Fetched | None:
    """Bring the package's files into `vendor`, whole or not at all; None where they were there already.

    Raises BrowserFilesError when the registry cannot be reached, or its answer is not the locked one.
    """
    folder = vendor / package.folder
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == package.stamp:
        return None
    vendor.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as tarball, tempfile.TemporaryDirectory(dir=vendor, prefix=".new-") as scratch:
        size = _download(package, registry, tarball)
        new = Path(scratch) / "files"
        count = _extract(package, tarball, new)
        (new / STAMP).write_text(package.stamp)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
    return Fetched(count, size)


def _download(package: LockedPackage, registry: str, into: IO[bytes]) -> int:
    """Write the tarball and return its size in bytes, once its hash is the locked one."""
    address = package.address(registry)
    if not address.startswith(("https://", "http://", "file://")):
        raise BrowserFilesError(f"{registry} is not the address of a registry: it should begin with https://.")
    digest = hashlib.sha512()
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (checked above)
            while block := answer.read(BLOCK_BYTES):
                digest.update(block)
                into.write(block)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise BrowserFilesError(
            f"{package.name} {package.version} could not be downloaded from {registry} ({reason}). Check the network "
            "connection, or set NPM_CONFIG_REGISTRY to a registry that can be reached; then run it again."
        ) from error
    found = "sha512-" + base64.b64encode(digest.digest()).decode()
    if found != package.integrity:
        raise BrowserFilesError(
            f"{package.name} {package.version} from {registry} is not the locked package: its hash is {found}, "
            f"the lock says {package.integrity}. Nothing of it was used."
        )
    return into.tell()


def _extract(package: LockedPackage, tarball: IO[bytes], into: Path) -> int:
    """Write the listed files, each to the place the lock names, and return how many they are."""
    tarball.seek(0)
    missing = {locked.source for locked in package.files}
    count = 0
    with tarfile.open(fileobj=tarball, mode="r:gz") as archive:
        for locked, name, content in _listed(package, archive):
            missing.discard(locked.source)
            _write(into / locked.place(name), re.sub(locked.cut.encode(), b"", content) if locked.cut else content)
            count += 1
    if missing:
        raise BrowserFilesError(f"{package.name} {package.version} has no {', '.join(sorted(missing))}.")
    return count


def _listed(package: LockedPackage, archive: tarfile.TarFile) -> Iterator[tuple[LockedFile, str, bytes]]:
    for member in archive:
        name = member.name.partition("/")[2]  # every path of a tarball lies in one folder, usually package/
        for locked in package.files:
            content = archive.extractfile(member) if fnmatchcase(name, locked.source) else None
            if content is not None:
                yield locked, name, content.read()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
