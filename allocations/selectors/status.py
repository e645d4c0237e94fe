"""Where an application stands, as its applicant and those who may read it see it."""

from __future__ import annotations

from dataclasses import dataclass

from allocations.models import Application, CorrectionRequest, Decision, Grant
from allocations.permissions import may_act
from allocations.standing import Step, steps
from allocations.workflow import Action, ApplicationStatus
from portal.events.models import Event
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """Of a decision, and of what reviewers wrote to the applicant, nothing is here before it is announced."""

    steps: list[Step]
    own: bool
    may_write: bool
    may_withdraw: bool
    offered: bool
    correction: CorrectionRequest | None
    ineligible_because: str
    decision: Decision | None
    technical_comment: str
    comments: list[str]
    grant: Grant | None


def application_state(application: Application, user: User) -> ApplicationState:
    own = application.applicant_id == user.pk
    announced = _announced_decision(application)
    return ApplicationState(
        steps=steps(application),
        own=own,
        may_write=own and application.writable,
        may_withdraw=may_act(user, Action.WITHDRAW, application),
        offered=own and application.status == ApplicationStatus.OFFERED,
        correction=_open_correction(application),
        ineligible_because=_reason_of_ineligibility(application),
        decision=announced,
        technical_comment=_technical_comment(application) if announced else "",
        comments=_comments(application) if announced else [],
        grant=Grant.objects.select_related("project").filter(application=application).first(),
    )


def _announced_decision(application: Application) -> Decision | None:
    """None also while a promotion from the reserve list is decided and not announced."""
    if application.status == ApplicationStatus.DECIDED:
        return None
    announced = Decision.objects.filter(application=application, announced_at__isnull=False)
    return announced.prefetch_related("lines__pool").first()


def _open_correction(application: Application) -> CorrectionRequest | None:
    if application.status != ApplicationStatus.RETURNED:
        return None
    return application.corrections.order_by("-pk").first()


def _reason_of_ineligibility(application: Application) -> str:
    if application.status != ApplicationStatus.INELIGIBLE:
        return ""
    found = last_event(application, "application.found_ineligible")
    return str(found.data.get("reason", "")) if found else ""


def last_event(application: Application, action: str) -> Event | None:
    events = Event.objects.filter(target_kind="application", target_id=str(application.pk), action=action)
    return events.select_related("by").first()


def _technical_comment(application: Application) -> str:
    submitted = application.technical_reviews.filter(submitted_at__isnull=False).last()
    return submitted.comment_to_applicant if submitted else ""


def _comments(application: Application) -> list[str]:
    """What reviewers wrote to the applicant, without their names."""
    submitted = application.reviews.filter(submitted_at__isnull=False, released_at=None)
    return [comment for comment in submitted.values_list("comment_to_applicant", flat=True) if comment]
