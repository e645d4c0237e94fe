"""Steps of getting onto the cluster that a person ticks themself."""

from __future__ import annotations

from datetime import datetime

from allocations.models import OnboardingStep
from allocations.onboarding import SELF_TICKED
from allocations.services.outcomes import Refused
from portal.people.models import User


def onboarding_tick(*, user: User, step: str, done: bool, at: datetime) -> None:
    """Say that a step is done, or that it is not. Twice is as once. Raises Refused for one the portal knows itself."""
    if step not in SELF_TICKED:
        raise Refused(step)
    if done:
        OnboardingStep.objects.get_or_create(user=user, step=step, defaults={"done_at": at})
    else:
        OnboardingStep.objects.filter(user=user, step=step).delete()
