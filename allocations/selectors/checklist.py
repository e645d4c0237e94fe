"""What the eligibility check looks at, each with what the portal found. People decide; the list decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from allocations import business_number
from allocations.fields import is_from_firm
from allocations.models import Application, ConsentText, FirmDetails
from allocations.models.applications import COMPETING
from allocations.selectors.reports import reports_overdue
from allocations.services.consents import refused_texts, texts_for
from allocations.services.room import budget_of, held_awards
from portal.web.templatetags.figures import gpu_hours_unit


@dataclass(frozen=True, slots=True)
class Check:
    """`kind` is the badge: success, warning (look at it), danger (stands against it) or neutral (does not apply)."""

    label: str
    kind: str
    note: str

    @property
    def word(self) -> str:
        return {
            "success": _("in order"),
            "warning": _("look at it"),
            "danger": _("missing"),
            "neutral": _("does not apply"),
        }[self.kind]


def checklist(application: Application, at: datetime) -> list[Check]:
    """In a bounded number of queries."""
    return [
        _institution(application),
        *_firm(application),
        _consents(application),
        _period(application),
        _cap(application),
        _competing(application),
        _attachments(application),
        _final_report(application, at),
    ]


def _institution(application: Application) -> Check:
    institution = application.institution
    if institution.confirmed:
        return Check(_("Institution"), "success", str(institution))
    note = _("%(name)s was registered by the applicant and is not confirmed yet.") % {"name": institution}
    return Check(_("Institution"), "danger", note)


def _firm(application: Application) -> Iterator[Check]:
    if not is_from_firm(application):
        return
    firm = FirmDetails.objects.filter(application=application).first()
    number = (firm.business_number if firm else "") or application.institution.business_number or ""
    wrong = business_number.problem(number) if number else _("None is given.")
    shown = business_number.shown(number)
    yield Check(_("Business registration number"), "danger" if wrong else "success", f"{shown} {wrong}".strip())
    yield _sme_certificate(application, firm)


def _sme_certificate(application: Application, firm: FirmDetails | None) -> Check:
    label = _("SME certificate")
    if firm is not None and firm.size in {FirmDetails.Size.MIDDLE, FirmDetails.Size.LARGE}:
        return Check(label, "neutral", str(firm.get_size_display()))
    until = firm.sme_certificate_until if firm else None
    if until is None:
        return Check(label, "warning", _("Its last day is not given."))
    words = _("valid until %(day)s") % {"day": date_format(until, "DATE_FORMAT")}
    if application.starts_on and until < application.starts_on:
        return Check(label, "danger", _("%(words)s, before the period begins") % {"words": words})
    if application.ends_on and until < application.ends_on:
        return Check(label, "warning", _("%(words)s, before the period ends") % {"words": words})
    return Check(label, "success", words)


def _consents(application: Application) -> Check:
    texts = texts_for(ConsentText.Stage.APPLICATION, application.call.track)
    missing = refused_texts(application.applicant, texts, application)
    if missing:
        return Check(_("Consents"), "danger", ", ".join(text.title for text in missing))
    return Check(_("Consents"), "success", _("All required ones are given."))


def _period(application: Application) -> Check:
    first, last, tier = application.starts_on, application.ends_on, application.tier
    if first is None or last is None:
        return Check(_("Period"), "danger", _("It is not given."))
    days = (last - first).days + 1
    if tier is not None and days > tier.most_days:
        note = _("%(days)s days; applications of this size run for %(most)s at most.")
        return Check(_("Period"), "danger", note % {"days": days, "most": tier.most_days})
    return Check(_("Period"), "success", _("%(days)s days") % {"days": days})


def _cap(application: Application) -> Check:
    """Against what the call has awarded already to the same person and institution."""
    call, asked = application.call, application.requested_gpu_seconds
    others = [award for award in held_awards(call) if award.application != application.pk]
    room = budget_of(call, call.offers.all(), others).room(application.applicant_id, application.institution_id)
    bounds = [bound for bound in (room.person, room.institution) if bound is not None]
    if not bounds:
        return Check(_("Caps of the call"), "neutral", _("The call has none."))
    left = max(0, min(bounds))
    words = _("%(asked)s requested, %(left)s left under the caps") % {
        "asked": gpu_hours_unit(asked),
        "left": gpu_hours_unit(left),
    }
    return Check(_("Caps of the call"), "success" if asked <= left else "warning", words)


def _competing(application: Application) -> Check:
    """Other open applications of the applicant, or with the applicant in the team."""
    applicant = application.applicant
    theirs = Q(applicant=applicant) | Q(proposed_members__email__iexact=applicant.email)
    others = Application.objects.filter(theirs, status__in=COMPETING).exclude(pk=application.pk).distinct()
    numbers = [number for number in others.values_list("number", flat=True) if number]
    if not numbers:
        return Check(_("Other open applications"), "success", _("None."))
    return Check(_("Other open applications"), "warning", ", ".join(sorted(numbers)))


def _attachments(application: Application) -> Check:
    attached = list(application.attachments.all())
    if not attached:
        return Check(_("Attachments"), "warning", _("None."))
    if application.call.blind and not any(row.blind for row in attached):
        return Check(_("Attachments"), "warning", _("No blind copy: reviewers of this call see no file."))
    return Check(_("Attachments"), "success", ", ".join(row.name for row in attached))


def _final_report(application: Application, at: datetime) -> Check:
    overdue = reports_overdue(application.applicant, at)
    if not overdue:
        return Check(_("Final reports of earlier grants"), "success", _("None is overdue."))
    numbers = ", ".join(grant.reference for grant in overdue)
    return Check(_("Final reports of earlier grants"), "danger", _("Overdue: %(numbers)s") % {"numbers": numbers})
