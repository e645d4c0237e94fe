"""What people agree to: each text by itself, in the version they read, with its hash and the moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import Application, Consent, ConsentText
from allocations.services.outcomes import Refused
from portal.people.models import User


def texts_for(stage: ConsentText.Stage, track: str = "") -> list[ConsentText]:
    """The texts asked for now: the newest version of each code, of every track or of this one."""
    newest = {text.code: text for text in ConsentText.objects.filter(stage=stage).order_by("version")}
    asked = [text for text in newest.values() if not text.retired and text.track in {"", track}]
    return sorted(asked, key=lambda text: (text.position, text.code))


@transaction.atomic
def consent_give(
    *, user: User, texts_given: Mapping[ConsentText, bool], application: Application | None = None, at: datetime
) -> list[Consent]:
    """Record the answers that differ from the last ones. To refuse an optional text is an answer; a required one that
    is not agreed to yet only keeps the application from being submitted.

    Raises Refused where one of the texts has a newer version meanwhile: nobody agrees to what they have not read.
    """
    for text in texts_given:
        if ConsentText.objects.filter(code=text.code, version__gt=text.version).exists():
            raise Refused(_("“%(title)s” was changed meanwhile. Please read it again.") % {"title": text.title})
    answered = answers_of(user, texts_given, application)
    return [
        Consent.objects.create(text=text, user=user, application=application, given=given, sha256=text.sha256, at=at)
        for text, given in texts_given.items()
        if answered.get(text.pk, False if text.required else None) != given
    ]


def answers_of(user: User, texts: Iterable[ConsentText], application: Application | None = None) -> dict[int, bool]:
    """The last answer to each text that was answered, by the text's key."""
    rows = Consent.objects.filter(user=user, text__in=list(texts), application=application).order_by("pk")
    return dict(rows.values_list("text_id", "given"))


def refused_texts(
    user: User, texts: Iterable[ConsentText], application: Application | None = None
) -> list[ConsentText]:
    """Required texts that are not agreed to in the version in use."""
    texts = list(texts)
    answered = answers_of(user, texts, application)
    return [text for text in texts if text.required and not answered.get(text.pk)]
