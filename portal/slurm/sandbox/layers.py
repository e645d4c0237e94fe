"""The cache of built layers: finding, locking, removing. A layer appears in one step and never changes after that."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from portal.slurm.sandbox.errors import SandboxError

Report = Callable[[str], None]
RECORD = "layer.json"


@dataclass(frozen=True)
class LayerRecord:
    """What is known of a built layer; versions are None where the layer does not hold the program."""

    seconds: float
    slurm: str | None = None
    pyslurm: str | None = None
    pyslurm_reason: str | None = None


def layer_root(cache: Path, name: str) -> Path:
    """The file tree of a layer."""
    return cache / name / "root"


def layer_record(cache: Path, name: str) -> LayerRecord | None:
    """The record of a layer, None where it has not been built (or not for this user)."""
    try:
        return LayerRecord(**json.loads((cache / name / RECORD).read_text()))
    except (FileNotFoundError, PermissionError):
        return None


def write_record(folder: Path, record: LayerRecord) -> None:
    """Writes the record of a layer that is being built."""
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=1))


@contextmanager
def exclusive_lock(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds a lock file; calls `waiting` once if somebody else holds it. The holder may remove the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with file.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_still(file, handle):
                continue
            yield
            return


def _is_still(file: Path, handle: IO[str]) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False


def hold_layer(cache: Path, name: str) -> IO[str]:
    """Marks a layer as in use for as long as the file, or a child that inherits it, stays open."""
    handle = (cache / f"{name}.lock").open("w")
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def prune_layers(cache: Path, keep: set[str], report: Report) -> None:
    """Removes the layers that are neither kept nor in use, and what broken builds have left."""
    for record in sorted(cache.glob(f"*/{RECORD}")):
        layer = record.parent
        if layer.name in keep or layer.name.startswith("."):
            continue
        with (cache / f"{layer.name}.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"{layer.name} is in use and stays")
                continue
            report(f"removing {layer.name}")
            remove_tree(layer)


def remove_unfinished(cache: Path, name: str) -> None:
    """Removes what killed builds of a layer have left. The caller holds the layer's lock."""
    for left in cache.glob(f".{name}.*"):
        remove_tree(left)


def remove_tree(folder: Path) -> None:
    """Removes a folder and all below it. Raises SandboxError while anything is mounted there."""
    place = str(folder.resolve())
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = [mount for mount in mounts if mount == place or mount.startswith(place + os.sep)]
    if below:
        raise SandboxError(f"{folder} is not removed, because {below[0]} is still mounted.")
    if folder.exists():
        shutil.rmtree(folder)
