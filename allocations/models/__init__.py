from allocations.models.applications import Application, Attachment, ProposedMember, RequestLine
from allocations.models.calls import Call, Criterion
from allocations.models.cluster import Account, Cluster, OperationRecord, Pool
from allocations.models.grants import Grant, GrantLine, LedgerEntry
from allocations.models.projects import Membership, Project
from allocations.models.reviews import Decision, DecisionLine, Review, Score

__all__ = [
    "Account",
    "Application",
    "Attachment",
    "Call",
    "Cluster",
    "Criterion",
    "Decision",
    "DecisionLine",
    "Grant",
    "GrantLine",
    "LedgerEntry",
    "Membership",
    "OperationRecord",
    "Pool",
    "Project",
    "ProposedMember",
    "RequestLine",
    "Review",
    "Score",
]
