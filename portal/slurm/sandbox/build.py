"""Builds the layers of a sandbox into the cache: seconds when they are there, minutes when they are not."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from portal.slurm.sandbox import host
from portal.slurm.sandbox.errors import SandboxError
from portal.slurm.sandbox.layers import (
    LayerRecord,
    Report,
    exclusive_lock,
    layer_record,
    layer_root,
    remove_tree,
    remove_unfinished,
    write_record,
)
from portal.slurm.sandbox.recipe import SCRIPTS, PythonInputs, Release, base_layer, python_layer

# What a build mounts ends with its process, also when it is killed.
NAMESPACE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
TAIL_LINES = 15


def build_layers(release: Release, inputs: PythonInputs, cache: Path, report: Report) -> None:
    """Builds what is missing of a release. Raises SandboxError with the end of the log where that fails."""
    name = base_layer(release)
    ensure_layer(cache, name, lambda work: _build_base(work, release, report), report)
    if release.has_python_layer:
        base = layer_root(cache, name)
        ensure_layer(
            cache, python_layer(release, inputs), lambda work: _build_python(work, base, inputs, report), report
        )


def ensure_layer(cache: Path, name: str, build: Callable[[Path], LayerRecord], report: Report) -> None:
    """Builds a layer if it is not there. `build` makes the folder "layer" in the folder it is given.

    Of several who want the same layer one builds and the others wait. A layer that was not finished is never seen.
    """
    if layer_record(cache, name):
        return
    with exclusive_lock(cache / f"{name}.lock", lambda: report(f"waiting for another build of {name}")):
        if layer_record(cache, name):
            return
        remove_unfinished(cache, name)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache))
        try:
            write_record(work / "layer", build(work))
            (work / "layer").rename(cache / name)
        finally:
            remove_tree(work)


def _build_base(work: Path, release: Release, report: Report) -> LayerRecord:
    started = time.monotonic()
    host.install_builder()
    root = work / "layer/root"
    _make_root(root)
    environment = {"PATH": host.PATH, "LC_ALL": "C.UTF-8", **host.apt_proxy(), **host.network_environment()}
    mirror = host.debian_mirror() or ""
    packages = ",".join(release.packages)
    arguments = [str(root), release.suite, release.script, str(host.KEYRING), mirror, packages]
    log = work / "log"
    try:
        _run_script("base.sh", arguments, environment, log, report)
    except SandboxError:
        if not re.search(r"unknown key|Invalid Release signature", log.read_text(errors="replace")):
            raise
        report("bringing the keys of Debian's archive up to date")
        host.renew_keyring()
        shutil.rmtree(root)
        _make_root(root)
        _run_script("base.sh", arguments, environment, log, report)
    return LayerRecord(seconds=time.monotonic() - started, slurm=_slurm_version(root))


def _make_root(root: Path) -> None:
    """The top of a file tree must be open to everyone, whatever the umask."""
    root.mkdir(parents=True)
    root.chmod(0o755)


def _slurm_version(root: Path) -> str:
    status = (root / "var/lib/dpkg/status").read_text()
    match = re.search(r"^Package: slurmctld\n(?:.+\n)*?Version: (\S+?)(?:-\S+)?\n", status, re.MULTILINE)
    if match is None:
        raise SandboxError("The file system was built without Slurm's controller.")
    return match[1]


def _build_python(work: Path, base: Path, inputs: PythonInputs, report: Report) -> LayerRecord:
    started = time.monotonic()
    given = work / "inputs"
    given.mkdir()
    for file in inputs.files():
        shutil.copy(file, given)
    environment = {"PATH": host.PATH, "LC_ALL": "C.UTF-8", **host.network_environment()}
    places = [str(place) for place in host.pip_places()]
    _run_script("python.sh", [str(work), str(base), str(given), *places], environment, work / "log", report)
    portal = work / "layer/root/opt/portal"
    _make_root(portal.parents[1])
    portal.parent.mkdir()
    portal.parent.chmod(0o755)
    (work / "upper/opt/portal").rename(portal)
    return LayerRecord(
        seconds=time.monotonic() - started,
        pyslurm=_line(portal / "pyslurm-version"),
        pyslurm_reason=_line(portal / "pyslurm-reason"),
    )


def _line(file: Path) -> str | None:
    return (file.read_text().strip() or None) if file.exists() else None


def _run_script(script: str, arguments: Sequence[str], environment: dict[str, str], log: Path, report: Report) -> None:
    """Runs a build script, reporting each line it prints as a step with the seconds it took."""
    argv = [*NAMESPACE, "sh", str(SCRIPTS / script), *arguments]
    step, started = script, time.monotonic()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if step != script:
                report(f"{step}: {time.monotonic() - started:.0f} s")
            step, started = line.strip(), time.monotonic()
            report(f"{step} …")
    if process.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        kept = Path(tempfile.gettempdir()) / f"sandbox-build-{os.getpid()}.log"
        shutil.copy(log, kept)
        raise SandboxError(f"The step “{step}” failed. The whole log is in {kept}; it ends with:\n{last}")
    report(f"{step}: {time.monotonic() - started:.0f} s")
