"""What a new installation begins with. Running it again changes nothing, and never what the office wrote."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.default_texts import CONSENTS, PROGRAMMES
from allocations.models import ConsentText, Programme
from allocations.services.texts import consent_text_publish


@transaction.atomic
def make_defaults(at: datetime) -> int:
    """Texts people agree to, where there is none of that code, and programmes, where there is none at all.

    Returns how many rows were made.
    """
    made = 0
    for code, words in CONSENTS.items():
        if not ConsentText.objects.filter(code=code).exists():
            consent_text_publish(code=code, words=words, by=None, at=at)
            made += 1
    if not Programme.objects.exists():
        rows = [Programme(name_ko=ko, name_en=en, position=place * 10) for place, (ko, en) in enumerate(PROGRAMMES)]
        made += len(Programme.objects.bulk_create(rows))
    return made
