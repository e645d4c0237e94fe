"""Institutions that the portal does not know yet: written down by an applicant, confirmed by the office."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portal.events.services import record
from portal.people.mail_domains import FREE_MAIL_DOMAINS, PUBLIC_SUFFIXES
from portal.people.models import Institution, InstitutionDomain, User


class NotRegistered(Exception):
    """An institution cannot be registered or confirmed as written; the message says why, to the person."""


def institution_register(
    *, name_ko: str, name_en: str = "", kind: str, business_number: str = "", by: User, at: datetime
) -> Institution:
    """A new institution, not confirmed yet, with the person as its first.

    Raises NotRegistered where the person belongs to one already, or one of that name or number exists: nobody joins an
    institution by typing its name.
    """
    if by.institution_id is not None:
        raise NotRegistered(_("You belong to an institution already."))
    name_ko, name_en = " ".join(name_ko.split()), " ".join(name_en.split())
    _require_new(name_ko, name_en, business_number)
    try:
        with transaction.atomic():
            return _create(name_ko, name_en, kind, business_number, by, at)
    except IntegrityError as error:
        raise NotRegistered(_taken()) from error


def _create(name_ko: str, name_en: str, kind: str, business_number: str, by: User, at: datetime) -> Institution:
    institution = Institution.objects.create(
        name_ko=name_ko,
        name_en=name_en or name_ko,
        kind=kind,
        business_number=business_number or None,
        confirmed=False,
        registered_by=by,
    )
    attached = User.objects.filter(pk=by.pk, institution=None).update(institution=institution)
    if not attached:
        raise NotRegistered(_("You belong to an institution already."))
    by.institution = institution
    record("institution.registered", target=institution, by=by, at=at, topics=("applications",), name=name_ko)
    return institution


@transaction.atomic
def institution_confirm(*, institution: Institution, by: User, at: datetime, domain: str = "") -> Institution:
    """The office has looked and it is what it says. With `domain`, whoever proves an address there belongs to it; so do
    those from now on who proved theirs before.

    Confirming again changes nothing. Raises NotRegistered where the domain is another institution's or everybody's.
    """
    if domain:
        _record_domain(institution, domain.lower())
    if Institution.objects.filter(pk=institution.pk, confirmed=False).update(confirmed=True):
        record(
            "institution.confirmed",
            target=institution,
            by=by,
            at=at,
            topics=("applications",),
            name=institution.name_ko,
            domain=domain.lower(),
        )
    institution.refresh_from_db()
    return institution


def domain_offered(institution: Institution) -> str:
    """The e-mail domain of who registered it, as what the office may record; "" where it tells nothing or is known."""
    if institution.registered_by is None:
        return ""
    email = institution.registered_by.email
    domain = email.lower().rpartition("@")[2]
    known = domain in FREE_MAIL_DOMAINS or Institution.objects.for_email(email) is not None
    return "" if known else domain


def _record_domain(institution: Institution, domain: str) -> None:
    if domain in FREE_MAIL_DOMAINS | PUBLIC_SUFFIXES:
        raise NotRegistered(_("Everybody can have an address there: it says nothing of where somebody works."))
    owner = InstitutionDomain.objects.get_or_create(domain=domain, defaults={"institution": institution})[0]
    if owner.institution_id != institution.pk:
        raise NotRegistered(_("This e-mail domain belongs to another institution."))
    proven = EmailAddress.objects.filter(verified=True, user__institution=None, email__iendswith=domain)
    people = [row.user_id for row in proven if Institution.objects.for_email(row.email) == institution]
    User.objects.filter(pk__in=people, institution=None).update(institution=institution)


def _require_new(name_ko: str, name_en: str, business_number: str) -> None:
    known = Institution.objects.filter(name_ko__iexact=name_ko)
    if name_en:
        known |= Institution.objects.filter(name_en__iexact=name_en)
    if business_number:
        known |= Institution.objects.filter(business_number=business_number)
    if known.exists():
        raise NotRegistered(_taken())


def _taken() -> str:
    return _(
        "An institution of this name or number is registered here. If it is yours, sign up with its e-mail address, or "
        "ask the office to add you to it."
    )
