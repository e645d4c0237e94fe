"""What a field of the application form is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

COLUMNS = frozenset(
    {"title_ko", "title_en", "summary", "purpose", "starts_on", "ends_on", "delegate_name", "delegate_email"}
)


class Level(models.TextChoices):
    REQUIRED = "required", _("Required")
    OPTIONAL = "optional", _("Optional")
    HIDDEN = "hidden", _("Hidden")


class Section(models.TextChoices):
    """The steps of the form, in their order."""

    PROJECT = "project", _("Project")
    NEED = "need", _("GPU time")
    TECHNICAL = "technical", _("Technical plan")
    PEOPLE = "people", _("People")
    FIRM = "firm", _("Firm")
    DATA = "data", _("Data and compliance")
    ATTACHMENTS = "attachments", _("Attachments")
    SUBMIT = "submit", _("Check and submit")


class Kind(models.TextChoices):
    """How a value is written; a block is rows or a part of the form of its own."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    SEVERAL = "several"
    KEYWORDS = "keywords"
    BLOCK = "block"


@dataclass(frozen=True, eq=False)
class Field:
    """`default` is the usual level, `tracks` the levels of tracks where it is another. No call changes a `fixed` one.

    `identifies` marks what tells who applies: it is left out where reviewers read blind.
    """

    name: str
    section: Section
    label: Any
    help: Any = ""
    kind: Kind = Kind.LINE
    max_length: int = 200
    choices: Any = ()
    default: Level = Level.OPTIONAL
    tracks: Mapping[str, Level] = field(default_factory=dict)
    fixed: bool = False
    identifies: bool = False

    @property
    def has_column(self) -> bool:
        """Whether the application itself has a column for it."""
        return self.name in COLUMNS
