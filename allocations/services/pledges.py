"""비밀유지서약: what reviewers promise once a calendar year before the first proposal of the year opens to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Consent, ConsentText
from allocations.services.consents import texts_for
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User


def pledges_due(reviewer: User, at: datetime) -> list[ConsentText]:
    """The reviewers' texts that the person has not agreed to this year (in Seoul) in the version in use."""
    texts = texts_for(ConsentText.Stage.REVIEWER)
    if not texts:
        return []
    given = Consent.objects.filter(user=reviewer, text__in=texts, given=True, at__gte=_new_year(at))
    signed = set(given.values_list("text_id", flat=True))
    return [text for text in texts if text.required and text.pk not in signed]


@transaction.atomic
def pledge_sign(*, texts: Iterable[ConsentText], by: User, at: datetime) -> list[Consent]:
    """Record that the reviewer agrees to the texts for this year; each year is a row of its own.

    Raises Refused where a text has been replaced or another is due: nobody agrees to what they have not read.
    """
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    due = pledges_due(by, at)
    if not {text.pk for text in due} <= {text.pk for text in texts}:
        raise Refused(_("The pledge was changed meanwhile. Please read it again."))
    signed = [
        Consent.objects.create(text=text, user=by, application=None, given=True, sha256=text.sha256, at=at)
        for text in due
    ]
    if signed:
        record("reviewer.pledged", target=by, by=by, at=at, name=by.display_name, year=_new_year(at).year)
    return signed


def _new_year(at: datetime) -> datetime:
    local = timezone.localtime(at, timezone.get_default_timezone())
    return local.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
