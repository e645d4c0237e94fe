"""One set of filters for figures, so that a GPU-hour reads the same on every page.

Amounts are stored as integer GPU-seconds and shown as GPU-hours rounded down (design.md section 7).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from babel.dates import format_timedelta
from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()


def hours_text(gpu_seconds: int | None, places: int = 0) -> str:
    """GPU-seconds as hours with thousands separators, rounded towards zero; a dash for None."""
    if gpu_seconds is None:
        return "–"
    sign = "-" if gpu_seconds < 0 else ""
    scaled = abs(int(gpu_seconds)) * 10**places // 3600
    whole, rest = divmod(scaled, 10**places)
    return f"{sign}{whole:,}" + (f".{rest:0{places}d}" if places else "")


@register.filter
def gpu_hours(gpu_seconds: int | None) -> str:
    """`1,234`: GPU-hours without a unit, for table columns whose head names it; small amounts keep two places."""
    if gpu_seconds is not None and 0 < abs(gpu_seconds) < 10 * 3600 and gpu_seconds % 3600:
        return hours_text(gpu_seconds, 2)
    return hours_text(gpu_seconds)


@register.filter
def gpu_hours_unit(gpu_seconds: int | None) -> str:
    """`1,234 GPU-hours`: with its unit, for running text."""
    return _("%(hours)s GPU-hours") % {"hours": gpu_hours(gpu_seconds)}


@register.filter
def number(value: int | None) -> str:
    """`1,234`; a dash for None."""
    return "–" if value is None else f"{value:,}"


@register.filter
def percent(part: int, whole: int) -> str:
    """`42 %` of the whole, rounded down so that 100 % means all of it; a dash where there is no whole."""
    return _("%(number)s %%") % {"number": part * 100 // whole} if whole else "–"


@register.filter
def rate(part: int, whole: int) -> str:
    """`42.1 %`: the same with one place, for the rates that reports give too."""
    tenths = part * 1000 // whole if whole else 0
    return _("%(number)s %%") % {"number": f"{tenths // 10}.{tenths % 10}"} if whole else "–"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """`3 minutes ago` as a <time> with the full moment in its title; static/js/forms.js keeps it current."""
    if moment is None:
        return _("never")
    local = timezone.localtime(moment)
    return format_html(
        '<time data-ago datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S"),
        ago_text(timezone.now() - moment),
    )


def ago_text(passed: timedelta) -> str:
    """How long ago (or, negative, in how long) in the page's language: whole units, rounded towards now."""
    seconds = int(passed.total_seconds())
    size = next((size for size in (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60) if abs(seconds) >= size), 1)
    whole = int(seconds / size) * size or 1  # this very moment is "1 second ago", never "in 0 seconds"
    return format_timedelta(timedelta(seconds=-whole), add_direction=True, threshold=1, locale=get_language() or "ko")
