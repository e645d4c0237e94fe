"""Mails about signing in go through the outbox as well, so that they are tried again and seen in the demo's mailbox."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from allauth.account.utils import get_next_redirect_url
from allauth.core import context as current
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.utils import timezone, translation

from portal.people import adapter
from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.models import Mail
from portal.post.sending import send


class AccountAdapter(adapter.AccountAdapter):
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the language of the page that caused the mail, which the receiver is looking at; sent at once."""
        language = translation.get_language() or settings.LANGUAGE_CODE
        request = current.request
        everything = {"request": request, "email": email, "current_site": get_current_site(request), **context}
        with translation.override(language):
            message = self.render_mail(template_prefix, email, everything)
        at = timezone.now()
        mail = Mail.objects.create(
            kind=MailKind.SIGN_IN,
            to=email,
            receiver=User.objects.filter(email__iexact=email).first(),
            language=language,
            subject=message.subject[:250],
            body=f"{message.body}\n",
            created_at=at,
            due_at=at,
        )
        send(mail, at)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The link in the mail leads, after the new password, to the page that was asked for in the first place."""
        address = super().get_reset_password_from_key_url(key)
        wanted = get_next_redirect_url(self.request)
        return f"{address}?{urlencode({'next': wanted})}" if wanted else address
