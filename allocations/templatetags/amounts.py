"""Filters for amounts as applicants write them: `{% load amounts %}`."""

from __future__ import annotations

from django import template

from allocations.forms.amounts import hours_of

register = template.Library()


@register.filter
def hours(minutes: int | None) -> str:
    """`1.5`: minutes as hours with at most two decimals; a dash for None."""
    return "–" if minutes is None else hours_of(minutes)
