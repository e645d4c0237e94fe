"""The fields of the application form: which there are, on which step, and whether a call requires, offers or hides
them.

A call says where it differs from what is usual in its track (`Call.field_levels`). Values of fields that have no column
of their own live in `Application.answers[field.name]`: text and choices as str, several choices and keywords as a list
of str, whole numbers as int. Those about the firm live in its FirmDetails.
"""

from __future__ import annotations

from allocations.fields import choices
from allocations.fields.kinds import Field, Kind, Level, Section
from allocations.fields.listed import FIELDS
from allocations.models import Application, Call
from portal.people.models import Institution

__all__ = [
    "BY_NAME",
    "FIELDS",
    "Field",
    "Kind",
    "Level",
    "Section",
    "fields_of",
    "is_confidential",
    "is_from_firm",
    "keywords_of",
    "level_of",
    "sections_of",
    "usual_level",
]

BY_NAME = {row.name: row for row in FIELDS}


def usual_level(track: str, field: Field) -> Level:
    """What a field is in a track unless the call says otherwise."""
    return field.tracks.get(track, field.default)


def level_of(call: Call, field: Field) -> Level:
    """What a field is in a call."""
    written = call.field_levels.get(field.name)
    if field.fixed or written not in Level.values:
        return usual_level(call.track, field)
    return Level(written)


def fields_of(call: Call, section: Section) -> list[tuple[Field, Level]]:
    """The fields that a call shows on a step, in their order. Whether the step about the firm is for an applicant at
    all: `sections_of`."""
    rows = [(row, level_of(call, row)) for row in FIELDS if row.section == section]
    return [(row, level) for row, level in rows if level != Level.HIDDEN]


def sections_of(application: Application) -> list[Section]:
    """The steps of this application's form: those on which its call shows anything; the firm's only for firms."""
    return [
        section
        for section in Section
        if fields_of(application.call, section) and (section != Section.FIRM or is_from_firm(application))
    ]


def is_from_firm(application: Application) -> bool:
    return application.call.track == Call.Track.FIRM or application.institution.kind == Institution.Kind.FIRM


def is_confidential(application: Application) -> bool:
    return application.answers.get("confidential") == choices.IS_CONFIDENTIAL


def keywords_of(application: Application) -> list[str]:
    return list(application.answers.get("keywords") or [])
