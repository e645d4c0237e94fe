"""Inviting people to a project, and choosing one's name on the cluster."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from allocations.models import Account
from allocations.services import Refused
from allocations.services.usernames import require_usable_username
from portal.people.models import cluster_username_validator

AS_TYPED = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"))
    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    proposed_username = forms.CharField(
        label=_("Cluster user name, if known"),
        max_length=31,
        required=False,
        validators=[cluster_username_validator],
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    use_required_attribute = False


class UsernameForm(forms.Form):
    """Refuses what cannot be had at once; that a name is taken is found out when it is stored."""

    cluster_username = forms.CharField(
        label=_("Cluster user name"),
        help_text=_(
            "Your name on the cluster and in Slurm: 2 to 31 lower-case letters, digits, hyphens or underscores. "
            "If you have a login on this cluster already, enter its name. Once approved it cannot be changed."
        ),
        max_length=31,
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    use_required_attribute = False

    def clean_cluster_username(self) -> str:
        name: str = self.cleaned_data["cluster_username"]
        try:
            require_usable_username(name)
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return name


class DefaultAccountForm(forms.Form):
    """Choose among one's own accounts that take jobs now. The value is the Account."""

    account = forms.TypedChoiceField(label=_("Account for jobs that name none"))
    use_required_attribute = False

    def __init__(self, *args: Any, accounts: list[Account], **options: Any) -> None:
        super().__init__(*args, **options)
        by_name = {account.name: account for account in accounts}
        field = self.fields["account"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [("", _("Choose an account"))] + [
            (name, f"{name} · {account.project.title} · {account.pool.name}") for name, account in by_name.items()
        ]
        field.coerce = by_name.__getitem__


class RemoveForm(forms.Form):
    stop_jobs = forms.BooleanField(label=_("End what runs now too"), required=False)
