"""What the first job asks for: in the address, so that a page can be kept and shared."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.forms.amounts import WholeNumberField
from allocations.models import Account
from allocations.onboarding import CHECK, TRAIN, Job

MOST_MINUTES = 24 * 60


class JobForm(forms.Form):
    """Of the accounts of one project. Whatever is left out or wrong falls back to one GPU for ten minutes."""

    pool = forms.ChoiceField(label=gettext_lazy("GPU kind"))
    gpus = WholeNumberField(label=gettext_lazy("Number of GPUs"), min_value=1)
    minutes = WholeNumberField(label=gettext_lazy("Longest run time"), min_value=1, max_value=MOST_MINUTES)
    body = forms.ChoiceField(
        label=gettext_lazy("What it does"),
        choices=[
            (CHECK, gettext_lazy("Show the GPUs (nvidia-smi)")),
            (TRAIN, gettext_lazy("A small training run (PyTorch)")),
        ],
    )
    use_required_attribute = False
    DEFAULTS = {"gpus": "1", "minutes": "10", "body": CHECK}

    def __init__(self, data: Any, *, accounts: list[Account]) -> None:
        self.accounts = {account.pool.code: account for account in accounts}
        super().__init__({"pool": accounts[0].pool.code, **self.DEFAULTS, **{key: data[key] for key in data}})
        self.fields["pool"].choices = [(code, account.pool.name) for code, account in self.accounts.items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        account = self.accounts.get(cleaned.get("pool", ""))
        if account and cleaned.get("gpus", 1) > account.pool.most_gpus_per_job:
            most = account.pool.most_gpus_per_job
            self.add_error("gpus", _("A job takes at most %(most)s GPUs of this kind.") % {"most": most})
        return cleaned

    def job(self) -> Job:
        """What a valid form asks for; else the smallest job of the first account."""
        if not self.is_valid():
            first = next(iter(self.accounts.values()))
            return Job(first.name, first.pool.partitions[0], gpus=1, minutes=10)
        wanted = self.cleaned_data
        account = self.accounts[wanted["pool"]]
        return Job(account.name, account.pool.partitions[0], wanted["gpus"], wanted["minutes"], wanted["body"])
