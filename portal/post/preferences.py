"""How somebody takes each kind of mail, and the form in which they choose."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.utils import timezone

from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import ALWAYS_AT_ONCE, DEFAULTS, SWITCHABLE, Delivery, MailKind
from portal.post.models import MailPreference

DIGEST_HOUR = time(8)  # in Asia/Seoul


def delivery_of(user: User | None, kind: MailKind) -> Delivery:
    """At once for an address nobody has signed up with, and for kinds that cannot be switched."""
    if user is None or kind not in SWITCHABLE:
        return Delivery.AT_ONCE
    chosen = MailPreference.objects.filter(user=user, kind=kind).values_list("delivery", flat=True).first()
    return Delivery(chosen) if chosen else DEFAULTS.get(kind, Delivery.AT_ONCE)


def next_digest(at: datetime) -> datetime:
    """The next 08:00 in Korea after `at`."""
    today = timezone.localtime(at).replace(hour=DIGEST_HOUR.hour, minute=DIGEST_HOUR.minute, second=0, microsecond=0)
    return today if at < today else today + timedelta(days=1)


class PreferencesForm(forms.Form):
    """One choice per kind that this person can receive and may switch."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        for kind in kinds_for(user):
            self.fields[kind.value] = forms.ChoiceField(
                label=kind.label,
                choices=Delivery.choices,
                widget=forms.RadioSelect,
                initial=delivery_of(user, kind),
            )

    @transaction.atomic
    def save(self) -> None:
        for kind, delivery in self.cleaned_data.items():
            MailPreference.objects.update_or_create(user=self.user, kind=kind, defaults={"delivery": delivery})


def kinds_for(user: User) -> list[MailKind]:
    """News for the office is offered to the office only."""
    return [kind for kind in SWITCHABLE if kind != MailKind.OFFICE or user.can(Permission.APPLICATION_CHECK)]


def fixed_kinds() -> list[str]:
    return [str(kind.label) for kind in ALWAYS_AT_ONCE]
