"""`{% load standing %}`: where an application stands, for templates that show one."""

from __future__ import annotations

from django import template
from django.template import Context

from allocations.models import Application
from allocations.selectors.status import ApplicationState, application_state

register = template.Library()


@register.simple_tag(takes_context=True)
def state_of(context: Context, application: Application) -> ApplicationState:
    """`{% state_of application as state %}`: its steps, what is asked of the reader, and what was announced."""
    return application_state(application, context["request"].user)
