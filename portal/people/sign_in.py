"""The sign-in form. Apart from the sign-up form, which allauth imports while its own forms are being loaded."""

from __future__ import annotations

from typing import Any

from allauth.account import forms
from allauth.account.utils import passthrough_next_redirect_url
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _


class LoginForm(forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """The way to a new password keeps the page that was asked for."""
        super().__init__(*args, **kwargs)
        address = reverse("account_reset_password")
        if self.request is not None:
            address = passthrough_next_redirect_url(self.request, address, "next")
        self.fields["password"].help_text = format_html('<a href="{}">{}</a>', address, _("Forgot your password?"))
