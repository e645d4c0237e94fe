"""`{% time_to due_at at %}`: how long somebody has still, beside a deadline."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from allocations.workdays import business_days_left
from portal.web.templatetags.ui import badge

register = template.Library()

# With fewer business days left a deadline is marked.
SOON = 3


@register.simple_tag
def time_to(due_at: datetime | None, at: datetime) -> SafeString | str:
    """Late, due today or the business days left; nothing without a deadline."""
    if due_at is None:
        return ""
    if due_at < at:
        return badge("warning", _("late"))
    days = business_days_left(at, due_at)
    if days < 1:
        return badge("warning", _("due today"))
    text = ngettext("%(days)s business day left", "%(days)s business days left", days) % {"days": days}
    return badge("warning", text) if days < SOON else format_html('<span class="muted nowrap">{}</span>', text)
