from allocations.models.applications import (
    Application,
    ApplicationVersion,
    Attachment,
    CorrectionRequest,
    FirmDetails,
    ProposedMember,
    RelatedGrant,
    RequestLine,
)
from allocations.models.calls import Call, CallDocument, CallPool, Criterion, Programme, Tier
from allocations.models.changes import ChangeRequest, FinalReport, Notice, OnboardingStep
from allocations.models.cluster import Account, Cluster, OperationRecord, Pool
from allocations.models.consents import Consent, ConsentText
from allocations.models.decisions import Decision, DecisionLine
from allocations.models.grants import Grant, GrantLine, LedgerEntry
from allocations.models.projects import Membership, Project
from allocations.models.reviewers import ConflictWaiver, DeclaredConflict, ReviewerInvitation, ReviewerProfile
from allocations.models.reviews import Review, Score, TechnicalLine, TechnicalReview
from allocations.models.texts import CenterText

__all__ = [
    "Account",
    "Application",
    "ApplicationVersion",
    "Attachment",
    "Call",
    "CallDocument",
    "CallPool",
    "CenterText",
    "ChangeRequest",
    "Cluster",
    "ConflictWaiver",
    "Consent",
    "ConsentText",
    "CorrectionRequest",
    "Criterion",
    "Decision",
    "DecisionLine",
    "DeclaredConflict",
    "FinalReport",
    "FirmDetails",
    "Grant",
    "GrantLine",
    "LedgerEntry",
    "Membership",
    "Notice",
    "OnboardingStep",
    "OperationRecord",
    "Pool",
    "Programme",
    "Project",
    "ProposedMember",
    "RelatedGrant",
    "RequestLine",
    "Review",
    "ReviewerInvitation",
    "ReviewerProfile",
    "Score",
    "TechnicalLine",
    "TechnicalReview",
    "Tier",
]
