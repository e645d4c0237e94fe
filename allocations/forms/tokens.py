"""Making an access token."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

DAYS = [(30, _("30 days")), (90, _("90 days")), (180, _("180 days")), (365, _("a year"))]


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Token name"), help_text=_("Where it is used, such as “login node” or “lab dashboard”."), max_length=60
    )
    days = forms.TypedChoiceField(label=_("Valid for"), choices=DAYS, coerce=int, initial=90)
    use_required_attribute = False
