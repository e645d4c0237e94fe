"""What Slurm did, as the portal keeps it, and what follows from it.

Usage is integer GPU-seconds and follows from job rows alone: it is recomputed, never incremented.
"""

from accounting.models.alerts import Alert, AlertThresholds, HiddenAlert
from accounting.models.capacity import ClusterDay
from accounting.models.checks import AcceptedDifference, LedgerCheck, Verification
from accounting.models.editions import Edition, Target
from accounting.models.jobs import Job, QueueJob, SealedDifference, UnreadableJobRow
from accounting.models.readings import Counter, Deviation, IngestMark
from accounting.models.refunds import Maintenance, Refund, RefundRule
from accounting.models.statements import Statement
from accounting.models.usage import UsageDay, UsageMonth, UsageMonthSum, UsageSum

__all__ = [
    "AcceptedDifference",
    "Alert",
    "AlertThresholds",
    "ClusterDay",
    "Counter",
    "Deviation",
    "Edition",
    "HiddenAlert",
    "IngestMark",
    "Job",
    "LedgerCheck",
    "Maintenance",
    "QueueJob",
    "Refund",
    "RefundRule",
    "SealedDifference",
    "Statement",
    "Target",
    "UnreadableJobRow",
    "UsageDay",
    "UsageMonth",
    "UsageMonthSum",
    "UsageSum",
    "Verification",
]
