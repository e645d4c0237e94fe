"""Tags for jobs: `{% load usage %}`. State and reason in plain words, spans of time as people say them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from accounting.balance import Balance
from accounting.dashboard.calendar import Day
from accounting.models import Job, QueueJob
from accounting.now import Now
from accounting.refunds.request import oldest_end
from accounting.usage import seconds
from accounting.words import ReasonWords, state_words
from portal.web.templatetags.figures import hours_text, percent
from portal.web.templatetags.ui import badge

register = template.Library()

# Options of sbatch, and what is typed about a job that waits.
COMMAND = re.compile(r"(--[a-z]+(?:=\d+)?|(?:scancel|scontrol release) [\w\[\],-]+)")


@register.filter
def duration(length: int) -> str:
    """Seconds as their two greatest units: `2 d 3 h`, `3 h 20 min`, `20 min 5 s`; a unit of none is left out."""
    days, rest = divmod(length, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, whole_seconds = divmod(rest, 60)
    parts = [
        _("%(number)s d") % {"number": days} if days else "",
        _("%(number)s h") % {"number": hours} if hours else "",
        _("%(number)s min") % {"number": minutes} if minutes else "",
        _("%(number)s s") % {"number": whole_seconds} if whole_seconds or not length else "",
    ]
    first = next(position for position, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


@register.filter
def minutes(length: int | None) -> str:
    """A time limit in minutes as a span; a dash where there is none."""
    return "–" if length is None else duration(length * 60)


@register.filter
def elapsed(job: Job) -> str:
    return duration(seconds(job.start, job.until)) if job.start else "–"


@register.filter
def waited_for(job: Job) -> str:
    """From its submission to its start."""
    return duration(seconds(job.submit, job.start)) if job.start else "–"


@register.filter
def used_of_limit(job: Job) -> str:
    """How much of its time limit it ran."""
    return percent(seconds(job.start, job.until), (job.time_limit_minutes or 0) * 60) if job.start else "–"


@register.filter
def running_for(job: QueueJob, at: datetime) -> str:
    return duration(seconds(job.start, at)) if job.start else "–"


@register.filter
def charged(job: Job) -> int:
    """GPU-seconds, whole."""
    return job.gpus * seconds(job.start, job.until) if job.start else 0


@register.filter
def may_be_refunded(job: Job, at: datetime) -> bool:
    """Whether a refund may still be asked for, where none stands yet."""
    return bool(charged(job)) and job.end is not None and job.end >= oldest_end(at)


@register.simple_tag
def state_badge(state: str) -> SafeString:
    return badge(*state_words(state))


@register.filter
def reason(job: QueueJob, now: Now) -> ReasonWords:
    """Why the job waits; where it is about a budget, whose."""
    return now.reason(job)


@register.filter
def commands(text: str) -> SafeString:
    """A sentence with its commands and options set apart, to be copied whole."""
    return mark_safe(COMMAND.sub(r'<code class="nowrap">\1</code>', escape(text)))  # noqa: S308 - escaped before


@register.filter
def within(label: str) -> str:
    """A label as a word within a sentence: `Member` as `member`, `GPU kind` as it is."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


@register.filter
def member_name(user_name: str, names: Mapping[str, str]) -> str:
    """The person's name where the project knows it, else the cluster user name."""
    return names.get(user_name, user_name)


@register.filter
def day_cells(days: Iterable[Day | None]) -> SafeString:
    """A row of the calendar. A year has too many cells for a template."""
    return SafeString("".join(_day_cell(day) if day else "<td></td>" for day in days))


def _day_cell(day: Day) -> SafeString:
    words = escape(day.words)
    return SafeString(
        f'<td class="level-{day.level}" title="{words}"><span class="visually-hidden">{words}</span></td>'
    )


@register.filter
def days_left(balance: Balance, at: datetime) -> int:
    return balance.days_left(at)


@register.filter
def passed(balance: Balance, at: datetime) -> int:
    """Seconds of its period that are over."""
    return balance.passed_seconds(at)


@register.filter
def exact_hours(gpu_seconds: int) -> str:
    """GPU-hours with two places throughout, for columns of small amounts."""
    return hours_text(gpu_seconds, 2)


@register.filter
def exact_hours_unit(gpu_seconds: int) -> str:
    """The same with its unit, where somebody decides on the amount or is told of it."""
    return _("%(hours)s GPU-hours") % {"hours": exact_hours(gpu_seconds)}


@register.filter
def in_words(states: Iterable[str]) -> str:
    """How jobs end, each in plain words with Slurm's own."""
    return ", ".join(f"{state_words(state).words} ({state})" for state in states)
