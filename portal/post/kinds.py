"""What a mail is about. People switch kinds on and off, or take them once a day; not those that must reach them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MailKind(models.TextChoices):
    DECISION = "decision", _("Decisions on your applications and grants")
    TASK = "task", _("Something waits for you")
    STEP = "step", _("Steps of your applications")
    REMINDER = "reminder", _("Reminders of deadlines")
    USAGE = "usage", _("Alerts about the use of your projects")
    MEMBER = "member", _("Members and invitations")
    OFFICE = "office", _("News for the office")
    SIGN_IN = "sign_in", _("Signing in")
    DIGEST = "digest", _("Mails of the day together")


class Delivery(models.TextChoices):
    AT_ONCE = "at_once", _("at once")
    DAILY = "daily", _("once a day")
    OFF = "off", _("not at all")


# What changes somebody's rights cannot be switched off or put together.
ALWAYS_AT_ONCE = (MailKind.DECISION, MailKind.MEMBER)
SWITCHABLE = (MailKind.TASK, MailKind.STEP, MailKind.REMINDER, MailKind.USAGE, MailKind.OFFICE)
# The office hears of every application; what it must act on comes as a task.
DEFAULTS = {MailKind.OFFICE: Delivery.DAILY}
