"""Which mails somebody receives, and how often."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from allocations.views.base import SignedInRequest, signed_in
from portal.post.preferences import PreferencesForm, fixed_kinds


@signed_in
def mail_preferences(request: SignedInRequest) -> HttpResponse:
    form = PreferencesForm(request.POST or None, user=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Your choice is saved."))
        return redirect("mail_preferences")
    return render(request, "mails/preferences.html", {"form": form, "fixed": fixed_kinds()})
