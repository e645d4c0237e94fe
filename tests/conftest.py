"""What every test may use: one Slurm cluster per run, started by the first test that asks for it."""

from tests.provisioning.faults import pytest_terminal_summary
from tests.slurm_cluster import cluster

__all__ = ["cluster", "pytest_terminal_summary"]
