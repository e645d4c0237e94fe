"""A throw-away, real Slurm for the demo, the tests and the benchmarks; docs/sandbox.md describes it."""

from portal.slurm.sandbox.config import CLUSTER, DEFAULT_NODES, Node
from portal.slurm.sandbox.errors import CommandFailed, SandboxError
from portal.slurm.sandbox.history import HistoryJob
from portal.slurm.sandbox.sandbox import PYTHON, Sandbox, all_sandboxes, prune
from portal.slurm.sandbox.state import Bind
from portal.slurm.sandbox.status import SandboxStatus, Versions

__all__ = [
    "CLUSTER",
    "DEFAULT_NODES",
    "PYTHON",
    "Bind",
    "CommandFailed",
    "HistoryJob",
    "Node",
    "Sandbox",
    "SandboxError",
    "SandboxStatus",
    "Versions",
    "all_sandboxes",
    "prune",
]
