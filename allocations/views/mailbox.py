"""The demo's mailbox: every mail of the portal as its receiver reads it, from the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from portal.post.kinds import MailKind
from portal.post.models import Mail

MAILS_A_PAGE = 20


class MailboxFilter(forms.Form):
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[("", _("all")), *MailKind.choices])
    text = forms.CharField(label=_("Search"), required=False, max_length=100)

    field_order = ["to", "kind", "text"]

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        receivers = Mail.objects.order_by("to").values_list("to", flat=True).distinct()
        choices = [("", _("all")), *((address, address) for address in receivers)]
        self.fields["to"] = forms.ChoiceField(label=_("Recipient"), required=False, choices=choices)
        self.order_fields(self.field_order)

    def chosen(self) -> QuerySet[Mail]:
        """The newest first; what cannot be read of the filter is left out of it."""
        self.is_valid()
        wanted = self.cleaned_data
        mails = Mail.objects.select_related("within")
        if wanted.get("to"):
            mails = mails.filter(to=wanted["to"])
        if wanted.get("kind"):
            mails = mails.filter(kind=wanted["kind"])
        if wanted.get("text"):
            mails = mails.filter(Q(subject__icontains=wanted["text"]) | Q(body__icontains=wanted["text"]))
        return mails


def demo_mailbox(request: HttpRequest) -> HttpResponse:
    if not settings.DEMO:
        raise Http404
    chosen = MailboxFilter(request.GET)
    page = Paginator(chosen.chosen(), MAILS_A_PAGE).get_page(request.GET.get("page"))
    context = {"filter": chosen, "page": page, "is_filtered": any(request.GET.values())}
    return render(request, "mails/mailbox.html", context)
