"""What allauth does for the portal's people: the institution follows from a verified e-mail address."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, user_signed_up
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone, translation

from portal.events.services import record
from portal.people.models import Institution, User


class AccountAdapter(DefaultAccountAdapter):
    def clean_email(self, email: str) -> str:
        return super().clean_email(email).lower()


@receiver(user_signed_up)
def _remember_language(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    user.language = "en" if translation.get_language() == "en" else "ko"
    user.save(update_fields=["language"])


@receiver(email_confirmed)
def _affiliate(sender: object, request: HttpRequest, email_address: EmailAddress, **kwargs: Any) -> None:
    """The address is proven to be the person's: attach them to the institution it belongs to."""
    user = email_address.user
    institution = Institution.objects.for_email(email_address.email)
    if user.institution_id is None and institution is not None:
        user.institution = institution
        user.save(update_fields=["institution"])
    record("person.joined", target=user, by=user, at=timezone.now(), institution=str(user.institution_id or ""))
