"""The folder of one sandbox: what it was started with, who runs it, and everything it has written."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from portal.slurm.sandbox import host
from portal.slurm.sandbox.config import Node, plan
from portal.slurm.sandbox.errors import SandboxError
from portal.slurm.sandbox.layers import exclusive_lock, remove_tree
from portal.slurm.sandbox.processes import Process
from portal.slurm.sandbox.recipe import SCRIPTS

# An overlay's options are separated by these.
UNUSABLE_IN_PATH = frozenset(",:\\\n\t")
SAVED_USAGE = "var/lib/slurm/slurmctld/assoc_usage"


@dataclass(frozen=True)
class Bind:
    """A file or folder of this machine that is seen inside."""

    source: Path
    target: str
    read_only: bool = True

    @classmethod
    def parse(cls, text: str) -> "Bind":
        """A bind written as SOURCE:TARGET (read-only) or SOURCE:TARGET:rw."""
        source, _, rest = text.partition(":")
        target, _, mode = rest.partition(":")
        if not source or not target.startswith("/") or mode not in ("", "ro", "rw"):
            raise SandboxError(f"{text!r} is no bind; write SOURCE:TARGET or SOURCE:TARGET:rw.")
        return cls(Path(source), target, read_only=mode != "rw")

    def line(self) -> str:
        """How enter.sh reads it. Raises SandboxError where the source is missing."""
        source = self.source.resolve()
        if not source.exists():
            raise SandboxError(f"{self.source} cannot be shown in the sandbox, because it does not exist.")
        if UNUSABLE_IN_PATH & set(f"{source}{self.target}") - set(",:\\"):
            raise SandboxError(f"{self.source} cannot be shown in the sandbox: its name holds a tab or a line break.")
        return f"{'ro' if self.read_only else 'rw'}\t{source}\t{self.target}\n"


@dataclass(frozen=True)
class Settings:
    """What a sandbox was started with, kept for a resume."""

    release: str
    layers: tuple[str, ...]
    """Names of its layers, the upper one first."""
    nodes: tuple[Node, ...]


class State:
    """The folder of a sandbox (only root may enter: it holds the cluster's key and the users' files)."""

    def __init__(self, folder: Path) -> None:
        if UNUSABLE_IN_PATH & set(str(folder)):
            raise SandboxError(f"{folder} cannot hold a sandbox: no comma, colon or backslash may be in its path.")
        self.folder = folder
        self.log = folder / "log"
        self.upper = folder / "upper"

    def locked(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Keeps other starts and stops of this sandbox away."""
        return exclusive_lock(self.folder.with_name(self.folder.name + ".lock"), waiting)

    def exists(self) -> bool:
        """Whether there is anything to resume."""
        return (self.folder / "settings.json").exists()

    def settings(self) -> Settings | None:
        """What it was started with last; None where it never was."""
        try:
            read = json.loads((self.folder / "settings.json").read_text())
        except FileNotFoundError:
            return None
        nodes = tuple(Node(**node) for node in read["nodes"])
        return Settings(read["release"], tuple(read["layers"]), nodes)

    def prepare(self, settings: Settings, binds: Iterable[Bind], *, fresh: bool) -> None:
        """Makes the folder ready for launch.sh; a fresh one begins empty. Nothing may run in it."""
        if host.file_system(self.folder) == "overlay":
            raise SandboxError(
                f"{self.folder} cannot hold a sandbox, because it lies on an overlay file system, as containers have "
                "them. Name a folder elsewhere with PORTAL_VAR."
            )
        if fresh:
            remove_tree(self.folder)
        # Left by a run whose writes were not forced to disk. Whoever resumes that has not restarted the machine since.
        remove_tree(self.folder / "work/work/incompat")
        for folder in (self.folder, self.folder / "work", self.folder / "root", self.upper):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.upper.chmod(0o755)
        (self.folder / "binds").write_text("".join(bind.line() for bind in binds))
        init = _made_open(self.upper, "usr/local/lib/sandbox")
        (init / "init.py").write_bytes((SCRIPTS / "init.py").read_bytes())
        saved = (self.upper / SAVED_USAGE).exists()
        (init / "plan.json").write_text(plan(settings.nodes, fresh=fresh, has_saved_usage=saved))
        (init / "plan.json").chmod(0o600)
        Process.current().record(self.folder / "owner")
        # Last, because it is what makes the folder one that can be resumed.
        (self.folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))

    def launcher(self) -> Process | None:
        """The process that holds the namespaces, from the first moment of a start."""
        return Process.recorded(self.folder / "launcher")

    def init(self) -> Process | None:
        """The first process inside."""
        return Process.recorded(self.folder / "init")

    def owner(self) -> Process | None:
        """The process that started it."""
        return Process.recorded(self.folder / "owner")

    def is_ready(self) -> bool:
        """Whether its start was completed and it still runs."""
        return (self.folder / "ready").exists() and self.init() is not None

    def set_ready(self) -> None:
        """Records that its start was completed."""
        (self.folder / "ready").touch()

    def forget_processes(self) -> None:
        """Removes the records of processes that have ended."""
        for name in ("ready", "init", "launcher", "owner"):
            (self.folder / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder and its lock file. The caller holds the lock."""
        remove_tree(self.folder)
        self.folder.with_name(self.folder.name + ".lock").unlink(missing_ok=True)

    def tail(self, lines: int = 12) -> str:
        """The end of what was said at the start."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def _made_open(top: Path, below: str) -> Path:
    """Makes a folder that everyone may enter, whatever the umask."""
    folder = top
    for part in Path(below).parts:
        folder = folder / part
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    return folder


def states(parent: Path) -> Sequence[State]:
    """All sandboxes below a folder."""
    return [State(record.parent) for record in sorted(parent.glob("*/settings.json"))]
