"""The office's texts: programmes, texts people agree to, the center's own words, and what pools are called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import CenterText, ConsentText, Pool, Programme
from allocations.services.call_rules import require_editor
from allocations.services.calls import set_values
from allocations.services.outcomes import Refused
from allocations.texts import BY_CODE
from portal.events.services import record
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class ConsentWords:
    """One version of a text people agree to; `track` "" asks it in every track."""

    stage: str
    title_ko: str
    title_en: str
    text_ko: str
    text_en: str
    required: bool = True
    track: str = ""
    position: int = 0


@transaction.atomic
def programme_save(*, programme: Programme | None, values: dict[str, Any], by: User, at: datetime) -> Programme:
    """`values`: name_ko, name_en, position, active. Raises Refused for who may not."""
    require_editor(None, by)
    if programme is None:
        programme = Programme.objects.create(**values)
        record("programme.created", target=programme, by=by, at=at, name=programme.name_ko)
    elif changed := set_values(Programme.objects.select_for_update().get(pk=programme.pk), values):
        record("programme.changed", target=programme, by=by, at=at, name=values["name_ko"], fields=changed)
    return programme


@transaction.atomic
def consent_text_publish(*, code: str, words: ConsentWords, by: User | None, at: datetime) -> ConsentText:
    """The next version of a text, in use from now on; who agreed to an older one is asked again.

    `by` None is the installation. Raises Refused where nothing differs from the version in use.
    """
    if by is not None:
        require_editor(None, by)
    newest = ConsentText.objects.select_for_update().filter(code=code).order_by("-version").first()
    values = asdict(words)
    if newest is not None:
        values["stage"] = newest.stage
        if not newest.retired and all(getattr(newest, name) == value for name, value in values.items()):
            raise Refused(_("Nothing differs from the version in use."))
    version = newest.version + 1 if newest else 1
    text = ConsentText.objects.create(code=code, version=version, created_at=at, **values)
    record("consent_text.published", target=text, by=by, at=at, title=text.title_ko, version=version)
    return text


@transaction.atomic
def consent_text_retire(*, code: str, by: User, at: datetime) -> None:
    """No longer ask for a text. What people agreed to stays; a new version asks again.

    Raises Refused where it is not asked for, or by who may not.
    """
    require_editor(None, by)
    newest = ConsentText.objects.filter(code=code).order_by("-version").first()
    if newest is None or newest.retired:
        raise Refused(_("This text is not asked for."))
    ConsentText.objects.filter(code=code).update(retired=True)
    record("consent_text.retired", target=newest, by=by, at=at, title=newest.title_ko)


@transaction.atomic
def center_text_change(*, code: str, text_ko: str, text_en: str, by: User, at: datetime) -> None:
    """Without any words the default stands. Raises KeyError for a code that has no place, Refused for who may not."""
    require_editor(None, by)
    place = BY_CODE[code]
    words = {"text_ko": text_ko.strip(), "text_en": text_en.strip(), "changed_at": at, "changed_by": by}
    text, _created = CenterText.objects.update_or_create(code=place.code, defaults=words)
    record("center_text.changed", target=text, by=by, at=at, code=place.code)


@transaction.atomic
def pool_change(*, pool: Pool, values: dict[str, Any], by: User, at: datetime) -> Pool:
    """`values`: name_ko, name_en, rate_hundredths, most_gpus_per_job, position. Raises Refused for who may not."""
    require_editor(None, by)
    locked = Pool.objects.select_for_update().get(pk=pool.pk)
    if changed := set_values(locked, values):
        record("pool.changed", target=locked, by=by, at=at, name=locked.name_ko, fields=changed)
    return locked
