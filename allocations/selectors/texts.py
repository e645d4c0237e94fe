"""The office's texts, with what they are used for."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from allocations.models import CenterText, ConsentText, Programme
from allocations.texts import PLACES, Place


def programmes_counted() -> QuerySet[Programme]:
    return Programme.objects.annotate(number_of_calls=Count("calls"))


def consent_versions() -> QuerySet[ConsentText]:
    """With `agreed` and `refused`: how many people answered to the version."""
    return ConsentText.objects.annotate(
        agreed=Count("consents__user", filter=Q(consents__given=True), distinct=True),
        refused=Count("consents__user", filter=Q(consents__given=False), distinct=True),
    )


def consents_by_stage() -> list[tuple[str, list[ConsentText]]]:
    """The newest version of every text, by when it is asked for."""
    newest: dict[str, ConsentText] = {}
    for text in consent_versions().order_by("version"):
        newest[text.code] = text
    rows = sorted(newest.values(), key=lambda text: (text.position, text.code))
    return [(str(stage.label), [row for row in rows if row.stage == stage]) for stage in ConsentText.Stage]


@dataclass(frozen=True, slots=True)
class PlaceRow:
    place: Place
    own: CenterText | None

    @property
    def text(self) -> str:
        return (self.own.text if self.own else "") or self.place.default


def places() -> list[PlaceRow]:
    own = {text.code: text for text in CenterText.objects.select_related("changed_by")}
    return [PlaceRow(place, own.get(place.code)) for place in PLACES]
