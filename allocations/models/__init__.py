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
from allocations.models.cluster import Account, Association, Cluster, Drift, Hold, OperationRecord, Pool, Rebase
from allocations.models.consents import Consent, ConsentText
from allocations.models.decisions import Decision, DecisionLine
from allocations.models.grants import Grant, GrantLine, LedgerEntry, Overrun, Suspension
from allocations.models.projects import DefaultAccount, MemberCap, Membership, Project, StopOrder
from allocations.models.reviewers import ConflictWaiver, DeclaredConflict, ReviewerInvitation, ReviewerProfile
from allocations.models.reviews import Review, Score, TechnicalLine, TechnicalReview
from allocations.models.texts import CenterText

__all__ = [
    "Account",
    "Application",
    "ApplicationVersion",
    "Association",
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
    "DefaultAccount",
    "Drift",
    "FinalReport",
    "FirmDetails",
    "Grant",
    "GrantLine",
    "Hold",
    "LedgerEntry",
    "MemberCap",
    "Membership",
    "Notice",
    "OnboardingStep",
    "OperationRecord",
    "Overrun",
    "Pool",
    "Programme",
    "Project",
    "ProposedMember",
    "Rebase",
    "RelatedGrant",
    "RequestLine",
    "Review",
    "ReviewerInvitation",
    "ReviewerProfile",
    "Score",
    "StopOrder",
    "Suspension",
    "TechnicalLine",
    "TechnicalReview",
    "Tier",
]
