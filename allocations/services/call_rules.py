"""What a call needs before it can be published, and what may no longer change because it would be unfair."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.models import Application, Call, ConsentText, Review, Tier
from allocations.services.outcomes import Refused
from portal.people.models import User
from portal.people.permissions import Permission

WHOLE = 100


class Part(models.TextChoices):
    """The short pages on which a call is written; `office_call_<part>` is their address."""

    BASICS = "basics", gettext_lazy("Basics")
    POOLS = "pools", gettext_lazy("Pools and hours")
    SIZES = "sizes", gettext_lazy("Sizes")
    CRITERIA = "criteria", gettext_lazy("Criteria")
    FIELDS = "fields", gettext_lazy("Form fields")
    DOCUMENTS = "documents", gettext_lazy("Documents")


@dataclass(frozen=True, slots=True)
class CallProblem:
    """Something a call lacks and the part where it is mended; `part` is None where it is mended elsewhere."""

    part: Part | None
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far people have come in a call: the further, the less of it may change."""

    begun: int = 0
    handed_in: int = 0
    reviews: int = 0
    decided: bool = False


def progress_of(call: Call) -> Progress:
    applications = Application.objects.filter(call=call)
    counts = applications.aggregate(begun=models.Count("pk"), handed_in=models.Count("submitted_at"))
    reviews = Review.objects.filter(application__call=call).count()
    return Progress(counts["begun"], counts["handed_in"], reviews, call.decided_at is not None)


def problems(call: Call) -> list[CallProblem]:
    """What the call lacks as a text to apply by, in the order of its parts."""
    return [
        *(CallProblem(Part.BASICS, text) for text in _basics_problems(call)),
        *(CallProblem(Part.POOLS, text) for text in _pool_problems(call)),
        *(CallProblem(Part.CRITERIA, text) for text in _criteria_problems(call)),
    ]


def problems_before_publishing(call: Call, at: datetime) -> list[CallProblem]:
    """`problems`, and what only matters at the moment of publishing."""
    found = problems(call)
    if call.closes_at <= at:
        found.insert(0, CallProblem(Part.BASICS, _("The closing time is in the past.")))
    if not ConsentText.objects.filter(stage=ConsentText.Stage.APPLICATION, retired=False).exists():
        found.append(CallProblem(None, _("No consent text is asked for with applications.")))
    return found


def why_locked(part: Part, progress: Progress) -> str:
    """The reason why a part cannot be changed at all; "" where it can, if only partly."""
    if part == Part.SIZES and progress.handed_in:
        return _("Somebody has applied: sizes and routes stay as they were when the application was written.")
    if part == Part.FIELDS and progress.handed_in:
        return _("Somebody has applied: the form stays as it was for everybody.")
    if part == Part.CRITERIA and progress.reviews:
        return _("Reviews are assigned: all applications are judged by the same criteria.")
    return ""


def require_editor(call: Call | None, by: User) -> None:
    """Raises Refused for who may not write calls, or has applied in this one."""
    if not by.can(Permission.CALL_EDIT):
        raise Refused(_("Only the office may do this."))
    if call is not None and Application.objects.filter(call=call, applicant=by).exists():
        raise Refused(_("You have applied in this call yourself, so a colleague has to do this."))


def require_open_part(part: Part, call: Call) -> None:
    if reason := why_locked(part, progress_of(call)):
        raise Refused(reason)


def require_still_whole(call: Call) -> None:
    """A published call stays one that people can apply by. Raises Refused with everything that would be missing."""
    if call.published_at is not None and (found := problems(call)):
        raise Refused(" ".join(problem.text for problem in found))


def _basics_problems(call: Call) -> list[str]:
    found = []
    if not call.text_ko.strip():
        found.append(_("The Korean text is missing."))
    if not call.text_en.strip():
        found.append(_("The English text is missing."))
    return found


def _pool_problems(call: Call) -> list[str]:
    return [] if call.offers.exists() else [_("No pool is offered.")]


def _criteria_problems(call: Call) -> list[str]:
    """Criteria are needed where anything goes to scientific review; their weights add up to the whole."""
    weights = list(call.criteria.values_list("weight", flat=True))
    if weights and sum(weights) != WHOLE:
        return [_("The weights of the criteria add up to %(sum)s %%, not to 100 %%.") % {"sum": sum(weights)}]
    reviewed = not call.tiers.exists() or call.tiers.filter(route=Tier.Route.FULL).exists()
    return [_("No criteria are set, but applications go to scientific review.")] if reviewed and not weights else []
