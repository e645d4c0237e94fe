"""Calls as the office writes them: begun, changed, cloned, published, taken back. Every change is an Event."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.mails import calls as mails
from allocations.models import Call, CallDocument, CallPool, Criterion, Programme, Tier
from allocations.services.call_rules import (
    Progress,
    problems_before_publishing,
    progress_of,
    require_editor,
    require_still_whole,
)
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class CallBasics:
    """What a call says of itself, and its window. Days are business days."""

    title_ko: str
    title_en: str
    opens_at: datetime
    closes_at: datetime
    text_ko: str = ""
    text_en: str = ""
    track: str = Call.Track.ACADEMIC
    programme: Programme | None = None
    blind: bool = False
    threshold_hundredths: int = 300
    days_for_check: int = 3
    days_for_correction: int = 5
    days_for_technical: int = 5
    days_for_reviews: int = 15
    days_for_decision: int = 10
    days_for_acceptance: int = 10

    def values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


# What a clone takes over besides its parts; titles and window are its own, publication and decision begin anew.
CLONED = [
    field.name for field in fields(CallBasics) if field.name not in {"title_ko", "title_en", "opens_at", "closes_at"}
]
CLONED += ["most_gpu_seconds_per_person", "most_gpu_seconds_per_institution", "field_levels"]
# What an application was written by.
FIXED_ONCE_APPLIED = ["track", "blind", "threshold_hundredths"]


def lock(call: Call, by: User) -> Call:
    """The call's row, held until the transaction ends. Raises Refused for who may not change it."""
    require_editor(call, by)
    return Call.objects.select_for_update().get(pk=call.pk)


@transaction.atomic
def call_create(*, basics: CallBasics, by: User, at: datetime) -> Call:
    """A draft nobody else sees. Raises Refused for who may not write calls, or where the window is not one."""
    require_editor(None, by)
    _require_window(basics)
    call = Call.objects.create(**basics.values())
    record("call.created", target=call, by=by, at=at)
    return call


@transaction.atomic
def call_change(*, call: Call, basics: CallBasics, by: User, at: datetime) -> Call:
    """Raises Refused where the change would be unfair to who has begun, or would leave a published call incomplete."""
    locked = lock(call, by)
    _require_window(basics)
    _require_fair(locked, basics, progress_of(locked))
    closed_at = locked.closes_at
    changed = set_values(locked, basics.values())
    require_still_whole(locked)
    if locked.published_at is not None and "closes_at" in changed:
        changed.remove("closes_at")
        before, after = moment_text(closed_at), moment_text(locked.closes_at)
        record("call.deadline_moved", target=locked, by=by, at=at, before=before, after=after)
        mails.deadline_moved(locked, closed_at)
    if changed:
        record("call.basics_changed", target=locked, by=by, at=at, fields=changed)
    return locked


@transaction.atomic
def call_publish(*, call: Call, moment: datetime, by: User, at: datetime) -> Call:
    """Publish from `moment` on: now, or later. Raises Refused with everything still missing, LostRace where it is
    published already."""
    locked = lock(call, by)
    if locked.published_at is not None:
        raise LostRace("publish")
    if found := problems_before_publishing(locked, at):
        raise Refused(" ".join(problem.text for problem in found))
    if moment >= locked.closes_at:
        raise Refused(_("It would be published after it closes."))
    locked.published_at = max(moment, at)
    locked.save(update_fields=["published_at"])
    if moment <= at:
        record("call.published", target=locked, by=by, at=at)
    else:
        record("call.publication_planned", target=locked, by=by, at=at, moment=moment_text(moment))
    return locked


@transaction.atomic
def call_take_back(*, call: Call, by: User, at: datetime) -> Call:
    """Make it a draft again. Raises Refused once somebody has begun to apply, LostRace where it is a draft."""
    locked = lock(call, by)
    if locked.published_at is None:
        raise LostRace("take back")
    if progress_of(locked).begun:
        raise Refused(_("Somebody has begun to apply, so the call stays published."))
    locked.published_at = None
    locked.save(update_fields=["published_at"])
    record("call.taken_back", target=locked, by=by, at=at)
    return locked


@transaction.atomic
def call_discard(*, call: Call, by: User, at: datetime) -> None:
    """Delete a draft that came to nothing; its Events stay.

    Raises Refused where it is published or somebody has begun to apply.
    """
    locked = lock(call, by)
    if locked.published_at is not None or progress_of(locked).begun:
        raise Refused(_("Only a draft that nobody has begun to apply in can be discarded."))
    for document in locked.documents.all():
        delete_file(document)
    record("call.discarded", target=locked, by=by, at=at, title=locked.title_ko)
    locked.delete()


def delete_file(document: CallDocument) -> None:
    """Once the transaction is committed."""
    stored = document.file
    transaction.on_commit(partial(stored.storage.delete, str(stored.name)), robust=True)


@transaction.atomic
def call_clone(
    *, call: Call, title_ko: str, title_en: str, opens_at: datetime, closes_at: datetime, by: User, at: datetime
) -> Call:
    """A draft like the call, with titles and window of its own; documents are copied, applications are not."""
    require_editor(None, by)
    window = CallBasics(title_ko=title_ko, title_en=title_en, opens_at=opens_at, closes_at=closes_at)
    _require_window(window)
    kept = {name: getattr(call, name) for name in CLONED}
    clone = Call.objects.create(title_ko=title_ko, title_en=title_en, opens_at=opens_at, closes_at=closes_at, **kept)
    _copy_rows(call, clone)
    _copy_documents(call, clone)
    record("call.cloned", target=clone, by=by, at=at, title=call.title_ko)
    return clone


def set_values(row: Any, values: dict[str, Any]) -> list[str]:
    """Store what differs; returns the names of what did."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
    return changed


def moment_text(moment: datetime) -> str:
    """`2026-12-20 18:00` in Seoul, the same in every language."""
    return f"{timezone.localtime(moment, timezone.get_default_timezone()):%Y-%m-%d %H:%M}"


def _require_window(basics: CallBasics) -> None:
    if basics.closes_at <= basics.opens_at:
        raise Refused(_("The call has to close after it opens."))


def _require_fair(call: Call, basics: CallBasics, progress: Progress) -> None:
    if progress.decided and basics.closes_at != call.closes_at:
        raise Refused(_("The call is decided: its deadline cannot be moved any more."))
    if progress.begun and basics.opens_at != call.opens_at:
        raise Refused(_("Somebody has begun to apply: the opening time cannot be changed any more."))
    if progress.begun and basics.closes_at < call.closes_at:
        raise Refused(_("Somebody has begun to apply: the deadline can be put later, but not earlier."))
    if progress.handed_in and any(getattr(call, name) != getattr(basics, name) for name in FIXED_ONCE_APPLIED):
        raise Refused(_("Somebody has applied: track, blind review and the score needed cannot be changed any more."))


def _copy_rows(source: Call, target: Call) -> None:
    parts: list[type[CallPool | Tier | Criterion]] = [CallPool, Tier, Criterion]
    for part in parts:
        for row in part.objects.filter(call=source):
            row.pk, row.call = None, target
            row.save(force_insert=True)


def _copy_documents(source: Call, target: Call) -> None:
    for document in source.documents.all():
        with document.file.open("rb") as stored:
            content = ContentFile(stored.read(), name=document.name)
        copy = CallDocument(
            call=target,
            title_ko=document.title_ko,
            title_en=document.title_en,
            name=document.name,
            size=document.size,
            content_type=document.content_type,
        )
        copy.file.save(document.name, content, save=True)
