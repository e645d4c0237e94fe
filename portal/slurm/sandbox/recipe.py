"""What a sandbox is made of, and the names of its cached layers: the same recipe has the same name."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
PROJECT = Path(__file__).resolve().parents[3]

SLURM_PACKAGES = (
    "slurmctld", "slurmdbd", "slurmd", "slurm-client",
    "mariadb-server-core", "mariadb-client-core",
    "iproute2", "passwd", "procps", "python3", "tzdata",
)  # fmt: skip
BUILD_PACKAGES = ("libslurm-dev", "gcc", "libc6-dev", "python3-dev", "python3-venv")


@dataclass(frozen=True)
class Release:
    """A Debian release that a sandbox can be made from."""

    suite: str
    script: str
    """debootstrap's script for it (its 4th argument), because an older debootstrap knows only older names."""
    packages: tuple[str, ...]
    has_python_layer: bool
    """Whether the portal's requirements and pyslurm are installed inside."""


RELEASES = {
    "forky": Release("forky", "sid", SLURM_PACKAGES + BUILD_PACKAGES, has_python_layer=True),
    "trixie": Release("trixie", "sid", SLURM_PACKAGES, has_python_layer=False),
}
DEFAULT_RELEASE = "forky"


@dataclass(frozen=True)
class PythonInputs:
    """The files of the project that decide what the Python layer holds."""

    project: Path = PROJECT

    def files(self) -> list[Path]:
        return [
            self.project / "requirements.txt",
            self.project / "requirements-slurm.txt",
            SCRIPTS / "slurm_26_05.h",
        ]


def base_layer(release: Release) -> str:
    """The name of the layer that holds Debian with Slurm and MariaDB."""
    what = [release.suite, release.script, sorted(release.packages)]
    return f"base-{release.suite}-{_digest(what, [SCRIPTS / 'base.sh'])}"


def python_layer(release: Release, inputs: PythonInputs) -> str:
    """The name of the layer with the Python environment: it belongs to one base layer."""
    scripts = [SCRIPTS / "python.sh", SCRIPTS / "python-inside.sh"]
    return f"python-{release.suite}-{_digest([base_layer(release)], scripts + inputs.files())}"


def layers(release: Release, inputs: PythonInputs) -> list[str]:
    """The layers of a release, the upper one first, as an overlay wants them."""
    base = [base_layer(release)]
    return [python_layer(release, inputs), *base] if release.has_python_layer else base


def _digest(what: Sequence[object], files: Sequence[Path]) -> str:
    digest = hashlib.sha256(json.dumps(what).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
