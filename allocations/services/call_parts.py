"""The parts of a call: pools with hours and caps, sizes, criteria, form fields, documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import Call, CallDocument, CallPool, Criterion, Pool, Tier
from allocations.services.call_rules import Part, progress_of, require_open_part, require_still_whole
from allocations.services.calls import delete_file, lock, set_values
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class CallOffer:
    """What is given per pool and at most to one applicant and institution, in GPU-seconds; None is unbounded."""

    gpu_seconds: Mapping[Pool, int | None]
    most_per_person: int | None = None
    most_per_institution: int | None = None


@dataclass(frozen=True, slots=True)
class TierRow:
    name_ko: str
    name_en: str
    upto_gpu_seconds: int | None
    route: str
    reviews_needed: int
    most_days: int


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """`anchors_*` are empty or six texts, for the scores 0 to 5; `weight` is in percent."""

    name_ko: str
    name_en: str
    weight: int
    help_ko: str = ""
    help_en: str = ""
    anchors_ko: list[str] = field(default_factory=list)
    anchors_en: list[str] = field(default_factory=list)


@transaction.atomic
def call_set_offer(*, call: Call, offer: CallOffer, by: User, at: datetime) -> Call:
    """Raises Refused where somebody has applied and would be offered less than the call said."""
    locked = lock(call, by)
    before = {row.pool: row.gpu_seconds for row in locked.offers.select_related("pool")}
    caps = {
        "most_gpu_seconds_per_person": offer.most_per_person,
        "most_gpu_seconds_per_institution": offer.most_per_institution,
    }
    if progress_of(locked).handed_in:
        _require_no_less(before, offer.gpu_seconds)
        for name, cap in caps.items():
            _require_not_below(getattr(locked, name), cap)
    changed = set_values(locked, caps)
    if not changed and before == dict(offer.gpu_seconds):
        return locked
    # Rows stay where they can: deciding locks them.
    locked.offers.exclude(pool__in=list(offer.gpu_seconds)).delete()
    for pool, gpu_seconds in offer.gpu_seconds.items():
        CallPool.objects.update_or_create(call=locked, pool=pool, defaults={"gpu_seconds": gpu_seconds})
    require_still_whole(locked)
    said = {pool.code: gpu_seconds for pool, gpu_seconds in offer.gpu_seconds.items()}
    record("call.pools_changed", target=locked, by=by, at=at, offers=said, caps=caps)
    return locked


@transaction.atomic
def call_set_tiers(*, call: Call, rows: Sequence[TierRow], by: User, at: datetime) -> Call:
    """Raises Refused once somebody has applied, or where two sizes cannot be told apart."""
    locked = lock(call, by)
    before = [_tier_row(tier) for tier in locked.tiers.all()]
    ordered = sorted(rows, key=lambda row: (row.upto_gpu_seconds is None, row.upto_gpu_seconds or 0))
    if before == ordered:
        return locked
    require_open_part(Part.SIZES, locked)
    if len({row.upto_gpu_seconds for row in rows}) < len(rows):
        raise Refused(_("Two sizes reach up to the same amount."))
    locked.tiers.all().delete()
    Tier.objects.bulk_create(Tier(call=locked, **asdict(row)) for row in ordered)
    require_still_whole(locked)
    record("call.tiers_changed", target=locked, by=by, at=at, tiers=[asdict(row) for row in ordered])
    return locked


@transaction.atomic
def call_set_criteria(*, call: Call, rows: Sequence[CriterionRow], by: User, at: datetime) -> Call:
    """In the order given. Raises Refused once reviews are assigned; weights stay once somebody has applied."""
    locked = lock(call, by)
    before = [_criterion_row(criterion) for criterion in locked.criteria.all()]
    if before == list(rows):
        return locked
    require_open_part(Part.CRITERIA, locked)
    weights = [row.weight for row in rows]
    if progress_of(locked).handed_in and weights != [row.weight for row in before]:
        raise Refused(_("Somebody has applied: the words can be mended, but the weights stay as they are."))
    locked.criteria.all().delete()
    Criterion.objects.bulk_create(
        Criterion(call=locked, position=position, **asdict(row)) for position, row in enumerate(rows, start=1)
    )
    require_still_whole(locked)
    record("call.criteria_changed", target=locked, by=by, at=at, criteria=[[row.name_ko, row.weight] for row in rows])
    return locked


@transaction.atomic
def call_set_fields(*, call: Call, levels: Mapping[str, str], by: User, at: datetime) -> Call:
    """`levels`: field name to level where it differs from the usual. Raises Refused once somebody has applied."""
    locked = lock(call, by)
    if locked.field_levels == dict(levels):
        return locked
    require_open_part(Part.FIELDS, locked)
    set_values(locked, {"field_levels": dict(levels)})
    record("call.fields_changed", target=locked, by=by, at=at, levels=dict(levels))
    return locked


@transaction.atomic
def call_add_document(
    *, call: Call, title_ko: str, title_en: str, file: File[bytes], name: str, content_type: str, by: User, at: datetime
) -> CallDocument:
    """`content_type` is what the file is by its content."""
    locked = lock(call, by)
    document = CallDocument(
        call=locked, title_ko=title_ko, title_en=title_en, name=name, size=file.size, content_type=content_type
    )
    document.file.save(name, file, save=True)
    record("call.document_added", target=locked, by=by, at=at, title=title_ko)
    return document


@transaction.atomic
def call_remove_document(*, document: CallDocument, by: User, at: datetime) -> None:
    """The file goes when the transaction is committed."""
    locked = lock(document.call, by)
    delete_file(document)
    record("call.document_removed", target=locked, by=by, at=at, title=document.title_ko)
    document.delete()


def _tier_row(tier: Tier) -> TierRow:
    reviews = tier.reviews_needed if tier.route == Tier.Route.FULL else 0
    return TierRow(tier.name_ko, tier.name_en, tier.upto_gpu_seconds, tier.route, reviews, tier.most_days)


def _criterion_row(row: Criterion) -> CriterionRow:
    return CriterionRow(
        row.name_ko, row.name_en, row.weight, row.help_ko, row.help_en, list(row.anchors_ko), list(row.anchors_en)
    )


def _require_no_less(before: Mapping[Pool, int | None], after: Mapping[Pool, int | None]) -> None:
    for pool, gpu_seconds in before.items():
        if pool not in after:
            text = _("Somebody has applied: %(pool)s cannot be taken out any more.")
            raise Refused(text % {"pool": pool})
        _require_not_below(gpu_seconds, after[pool])


def _require_not_below(before: int | None, after: int | None) -> None:
    """None is unbounded."""
    if after is not None and (before is None or after < before):
        raise Refused(_("Somebody has applied: hours and limits can be raised, but not lowered."))
