"""The names asked for at sign-up; allauth asks for e-mail and password itself."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.people.models import User


class SignupForm(forms.Form):
    name_ko = forms.CharField(
        label=_("Korean name"),
        max_length=60,
        help_text=_("If you have no Korean name, write your name as you use it."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    name_en = forms.CharField(label=_("English name"), max_length=80, required=False)

    field_order = ["name_ko", "name_en", "email", "password1", "password2"]

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name_ko = self.cleaned_data["name_ko"]
        user.name_en = self.cleaned_data["name_en"]
        user.save(update_fields=["name_ko", "name_en"])
