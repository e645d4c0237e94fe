"""`{% load proposals %}{% proposal_of application as sections %}`: what the applicant wrote, by sections."""

from __future__ import annotations

from django import template

from allocations.models import Application
from allocations.selectors.written import WrittenSection, written

register = template.Library()


@register.simple_tag
def proposal_of(application: Application) -> list[WrittenSection]:
    return written(application)
