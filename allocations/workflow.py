"""Which status may follow which. The table is the rule; `advance` is the only way along it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class ApplicationStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", _("Under review")
    AWARDED = "awarded", _("Selected")
    DECLINED = "declined", _("Not selected")
    WITHDRAWN = "withdrawn", _("Withdrawn")


TRANSITIONS: dict[ApplicationStatus, frozenset[ApplicationStatus]] = {
    ApplicationStatus.DRAFT: frozenset({ApplicationStatus.SUBMITTED, ApplicationStatus.WITHDRAWN}),
    ApplicationStatus.SUBMITTED: frozenset(
        {ApplicationStatus.AWARDED, ApplicationStatus.DECLINED, ApplicationStatus.WITHDRAWN}
    ),
    ApplicationStatus.AWARDED: frozenset(),
    ApplicationStatus.DECLINED: frozenset(),
    ApplicationStatus.WITHDRAWN: frozenset(),
}


class LostRace(Exception):
    """Somebody else acted first, or the step is not open from here; the reader is shown what stands now."""


def sources_of(target: ApplicationStatus) -> list[ApplicationStatus]:
    return [source for source, targets in TRANSITIONS.items() if target in targets]


def advance(application: models.Model, target: ApplicationStatus, **changes: Any) -> None:
    """Move the application to `target` by one conditional UPDATE, with the other `changes`.

    Raises LostRace where its row is no longer in a state from which `target` follows.
    """
    rows = type(application)._default_manager.filter(pk=application.pk, status__in=sources_of(target))
    if not rows.update(status=target, **changes):
        raise LostRace(target)
    application.refresh_from_db()
