"""Tags for jobs: `{% load usage %}`. State and reason in plain words, spans of time as people say them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounting.balance import Balance
from accounting.models import Job, QueueJob
from accounting.usage import seconds
from accounting.words import ReasonWords, reason_words, state_words
from portal.web.templatetags.ui import badge

register = template.Library()


@register.filter
def duration(length: int) -> str:
    """Seconds as the two greatest units: `2 d 3 h`, `3 h 20 min`, `20 min 5 s`, `5 s`."""
    days, rest = divmod(length, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, whole_seconds = divmod(rest, 60)
    if days:
        return _("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": whole_seconds}
    return _("%(seconds)s s") % {"seconds": whole_seconds}


@register.filter
def minutes(length: int | None) -> str:
    """A time limit in minutes as a span; a dash where there is none."""
    return "–" if length is None else duration(length * 60)


@register.filter
def elapsed(job: Job) -> str:
    return duration(seconds(job.start, job.until)) if job.start else "–"


@register.filter
def running_for(job: QueueJob, at: datetime) -> str:
    return duration(seconds(job.start, at)) if job.start else "–"


@register.filter
def charged(job: Job) -> int:
    """GPU-seconds, whole."""
    return job.gpus * seconds(job.start, job.until) if job.start else 0


@register.simple_tag
def state_badge(state: str) -> SafeString:
    return badge(*state_words(state))


@register.filter
def reason(job: QueueJob) -> ReasonWords:
    return reason_words(job.reason)


@register.filter
def member_name(user_name: str, names: Mapping[str, str]) -> str:
    """The person's name where the project knows it, else the cluster user name."""
    return names.get(user_name, user_name)


@register.filter
def days_left(balance: Balance, at: datetime) -> int:
    return balance.days_left(at)
