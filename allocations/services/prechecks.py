"""What an applicant should know before submitting although it keeps nothing from being submitted."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import formats
from django.utils.translation import gettext as _

from allocations.fields import BY_NAME, Kind, Section
from allocations.fields.values import firm_of, value_of
from allocations.models import Application
from allocations.services.outcomes import Problem

# A name shorter than this is found in ordinary words.
SHORTEST_NAME = 2


def warnings(application: Application) -> list[Problem]:
    """In the order of the form; each names the field to look at."""
    found = [*_certificate(application), *_institution(application)]
    if application.call.blind:
        found += [*_names_in_texts(application), *_blind_copy(application)]
    return found


def _certificate(application: Application) -> Iterator[Problem]:
    firm = firm_of(application)
    until = firm.sme_certificate_until if firm else None
    if until and application.starts_on and until < application.starts_on:
        text = _("The SME certificate expires on %(day)s, before the period begins. Attach a newer one later.")
        yield Problem("sme_certificate_until", text % {"day": formats.date_format(until)}, Section.FIRM)


def _institution(application: Application) -> Iterator[Problem]:
    if not application.institution.confirmed:
        yield Problem("", _("The office confirms your institution with this application."), "")


def _names_in_texts(application: Application) -> Iterator[Problem]:
    """Where a text that reviewers read tells who applies."""
    names = [*_names_of(application)]
    for field in BY_NAME.values():
        if field.identifies or field.kind not in {Kind.LINE, Kind.TEXT}:
            continue
        written = str(value_of(application, field) or "").lower()
        told = [name for name in names if name.lower() in written]
        if told:
            text = _("Reviewers read this without names, but it says “%(name)s”.") % {"name": told[0]}
            yield Problem(field.name, text, field.section)


def _names_of(application: Application) -> Iterator[str]:
    applicant, institution = application.applicant, application.institution
    candidates = [applicant.name_ko, applicant.name_en, applicant.email, institution.name_ko, institution.name_en]
    yield from (name for name in candidates if len(name.strip()) >= SHORTEST_NAME)


def _blind_copy(application: Application) -> Iterator[Problem]:
    attached = list(application.attachments.all())
    if attached and not any(file.blind for file in attached):
        text = _("Reviewers read none of your files: attach a blind copy if they should.")
        yield Problem("blind_files", text, Section.ATTACHMENTS)
