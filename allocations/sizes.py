"""What a size of a call means to who applies: how much it covers, which way it goes, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from allocations.models import Call, Tier
from portal.web.templatetags.figures import gpu_hours


@dataclass(frozen=True, slots=True)
class Size:
    name: str
    covers: str
    way: str
    takes: str
    most_days: int | None
    tier: Tier | None


def sizes(call: Call, tiers: Iterable[Tier]) -> list[Size]:
    """The call's sizes from the smallest on; one that goes the whole way where it has none."""
    rows: list[Size] = []
    above: int | None = None
    for tier in tiers:
        rows.append(
            Size(
                name=str(tier),
                covers=covers_text(above, tier.upto_gpu_seconds),
                way=way_text(tier.route, tier.reviews_needed),
                takes=duration_text(business_days(call, tier.route)),
                most_days=tier.most_days,
                tier=tier,
            )
        )
        above = tier.upto_gpu_seconds
    return rows or [_only_size(call)]


def business_days(call: Call, route: str) -> int:
    """About how many business days an application takes on a route until it is decided; 0 is minutes."""
    if route == Tier.Route.RULE:
        return 0
    checked = call.days_for_check + call.days_for_technical
    return checked if route == Tier.Route.TECHNICAL else checked + call.days_for_reviews + call.days_for_decision


def covers_text(above: int | None, upto: int | None) -> str:
    """`up to 1,000 GPU-hours`; both bounds in GPU-seconds, None where there is none."""
    if above is None and upto is None:
        return _("any amount")
    if above is None:
        return _("up to %(upto)s GPU-hours") % {"upto": gpu_hours(upto)}
    if upto is None:
        return _("more than %(above)s GPU-hours") % {"above": gpu_hours(above)}
    return _("more than %(above)s, up to %(upto)s GPU-hours") % {"above": gpu_hours(above), "upto": gpu_hours(upto)}


def way_text(route: str, reviews_needed: int) -> str:
    if route == Tier.Route.RULE:
        return _("decided by rule, without a review")
    if route == Tier.Route.TECHNICAL:
        return _("eligibility check and one technical review")
    return ngettext(
        "eligibility check, technical review, %(reviews)s scientific review, decision by the panel",
        "eligibility check, technical review, %(reviews)s scientific reviews, decision by the panel",
        reviews_needed,
    ) % {"reviews": reviews_needed}


def duration_text(days: int) -> str:
    if not days:
        return _("within minutes")
    return ngettext("about %(days)s business day", "about %(days)s business days", days) % {"days": days}


def _only_size(call: Call) -> Size:
    return Size(
        name=_("All applications"),
        covers=covers_text(None, None),
        way=way_text(Tier.Route.FULL, 1),
        takes=duration_text(business_days(call, Tier.Route.FULL)),
        most_days=None,
        tier=None,
    )
