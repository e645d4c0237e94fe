"""Which rule keeps a small request from being awarded by the portal itself; it is then the office's to look at."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from allocations.awards import Rule, breach
from allocations.models import Application, Grant, Tier
from allocations.selectors.reports import reports_overdue
from allocations.services.room import asked_of, lock_call, room_for
from allocations.workflow import ApplicationStatus


class Hold(models.TextChoices):
    """Why an application of the smallest size is not awarded at once."""

    INSTITUTION = "institution", _("the institution is not confirmed yet")
    EMAIL = "email", _("the applicant's e-mail address is not verified")
    SIZE = "size", _("the amount is above this size's limit")
    PERIOD = "period", _("the period is longer than this size allows, or has passed")
    ANOTHER = "another", _("the applicant has another grant of this size, or an offer of one")
    REPORT = "report", _("the applicant's final report on an earlier grant is overdue")
    CAP = "cap", _("the call's cap per applicant or institution is reached")
    POOL = "pool", _("the call has no hours left in this GPU kind")
    REQUEST = "request", _("the amounts asked for do not fit together")


HOLD_OF_RULE = {Rule.POOL: Hold.POOL, Rule.NOT_OFFERED: Hold.POOL, Rule.PERSON: Hold.CAP, Rule.INSTITUTION: Hold.CAP}


def held_by_rule(application: Application, at: datetime) -> Hold | None:
    """The first rule that holds the application; None where it may be awarded as asked for.

    Locks the call's pools. Whoever calls it has locked the application and its applicant, so that no second one of the
    same person passes beside it.
    """
    tier = application.tier
    if tier is None or tier.route != Tier.Route.RULE or not tier.holds(application.requested_gpu_seconds):
        return Hold.SIZE
    if not _period_fits(application, tier, at):
        return Hold.PERIOD
    return _person_hold(application, at) or _room_hold(application)


def _period_fits(application: Application, tier: Tier, at: datetime) -> bool:
    first, last = application.starts_on, application.ends_on
    if first is None or last is None or last < timezone.localdate(at):
        return False
    return (last - first).days + 1 <= tier.most_days


def _person_hold(application: Application, at: datetime) -> Hold | None:
    if not application.institution.confirmed:
        return Hold.INSTITUTION
    person = application.applicant
    if not EmailAddress.objects.filter(user=person, email__iexact=person.email, verified=True).exists():
        return Hold.EMAIL
    if _has_another(application, at):
        return Hold.ANOTHER
    if reports_overdue(person, at):
        return Hold.REPORT
    return None


def _has_another(application: Application, at: datetime) -> bool:
    """A grant by rule that has not ended, or one offered; in whichever call."""
    by_rule = Q(tier__route=Tier.Route.RULE)
    others = Application.objects.filter(by_rule, applicant=application.applicant).exclude(pk=application.pk)
    if others.filter(status=ApplicationStatus.OFFERED).exists():
        return True
    return Grant.objects.filter(application__in=others, ends_at__gt=at).exists()


def _room_hold(application: Application) -> Hold | None:
    asked = asked_of(application)
    room = room_for(application, lock_call(application.call))
    found = breach({pool: line.requested for pool, line in asked.items()}, asked, room)
    return HOLD_OF_RULE.get(found.rule, Hold.REQUEST) if found else None
