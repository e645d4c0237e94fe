"""How a sandbox is, and what its build holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.slurm.sandbox import host
from portal.slurm.sandbox.layers import layer_record
from portal.slurm.sandbox.recipe import RELEASES, PythonInputs, layers


@dataclass(frozen=True)
class Versions:
    """What a build holds; all None where it is not there."""

    slurm: str | None
    pyslurm: str | None
    pyslurm_reason: str | None
    """Why there is no pyslurm inside."""

    def __str__(self) -> str:
        if self.slurm is None:
            return "not built yet"
        return f"Slurm {self.slurm}, pyslurm {self.pyslurm or f'unavailable: {self.pyslurm_reason}'}"


@dataclass(frozen=True)
class SandboxStatus:
    """How a sandbox is."""

    name: str
    release: str
    state: str
    """One of: unavailable, not built, down, starting, up."""
    unavailable: str | None
    """Why no sandbox can run on this machine."""
    pid: int | None
    """Its first process, as seen from outside."""
    versions: Versions
    nodes: tuple[str, ...]
    """A line per node: its name, state, GPUs."""

    @property
    def slurm(self) -> str | None:
        """The version of Slurm."""
        return self.versions.slurm

    @property
    def pyslurm(self) -> str | None:
        """The version of pyslurm inside."""
        return self.versions.pyslurm

    @property
    def pyslurm_reason(self) -> str | None:
        """Why there is no pyslurm inside."""
        return self.versions.pyslurm_reason


def versions_of(release: str, names: Sequence[str] | None = None) -> Versions:
    """What the layers of a release hold; the current ones, where none are named."""
    if names is None:
        names = layers(RELEASES[release], PythonInputs())
    records = [record for name in names if (record := layer_record(host.cache_folder(), name))]
    pyslurm = next((record.pyslurm for record in records if record.pyslurm), None)
    reason = next((record.pyslurm_reason for record in records if record.pyslurm_reason), None)
    if not RELEASES[release].has_python_layer:
        reason = f"pyslurm has no version for the Slurm of Debian {release}."
    return Versions(next((record.slurm for record in records if record.slurm), None), pyslurm, reason)


def are_built(names: Sequence[str]) -> bool:
    """Whether all these layers are in the cache."""
    return all(layer_record(host.cache_folder(), name) for name in names)
