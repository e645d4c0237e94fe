"""People's names on the cluster: asked for, to be made there, missing there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from allocations.selectors.usernames import AskedName, names_asked, names_lost, names_to_make, with_warnings
from allocations.services.outcomes import Refused
from allocations.services.usernames import username_approve, username_refuse
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.people.models import User
from portal.people.permissions import Permission


class RefuseNameForm(ReasonForm):
    """`name`: the one that the operator saw."""

    name = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].help_text = gettext_lazy("The person reads it, by e-mail and on their page.")


@requires(Permission.OPERATIONS_VIEW)
def people(request: SignedInRequest) -> HttpResponse:
    return _page(request)


@requires(Permission.OPERATIONS_CHANGE)
def people_approve(request: SignedInRequest) -> HttpResponse:
    """Approve the ticked names, as they stood on the page; asks once more where one may be somebody else's."""
    ticked = set(request.POST.getlist("name"))
    if request.method != "POST":
        return redirect("operations_people")
    if not ticked:
        messages.info(request, _("Tick the names to approve first."))
        return redirect("operations_people")
    chosen = [row for row in with_warnings(names_asked()) if row.key in ticked]
    if any(row.warnings for row in chosen) and "confirmed" not in request.POST:
        return render(request, "operations/people_confirm.html", {"chosen": chosen})
    done = sum(_approved(request, row.user) for row in chosen)
    if done < len(ticked):
        messages.warning(request, _("Not all of them: some have changed or are decided already."))
    if done:
        text = ngettext("%(count)s name is approved.", "%(count)s names are approved.", done)
        messages.success(request, text % {"count": done})
    return redirect("operations_people")


@requires(Permission.OPERATIONS_CHANGE)
def people_refuse(request: SignedInRequest, pk: int) -> HttpResponse:
    """Refuse a name with a reason: one that waits for approval, or was approved and cannot be made."""
    user = get_object_or_404(User, pk=pk)
    if user.cluster_username is None:
        messages.info(request, _("Somebody else was faster: it is so already."))
        return redirect("operations_people")
    form = RefuseNameForm(request.POST or None, initial={"name": user.cluster_username})
    if request.method == "POST" and form.is_valid():
        user.cluster_username = form.cleaned_data["name"]
        try:
            username_refuse(user=user, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
            messages.success(request, _("Refused. The person is told by e-mail."))
        except LostRace:
            messages.warning(request, _("The name has changed or is in use meanwhile."))
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("operations_people")
    return render(request, "operations/people_refuse.html", {"person": user, "form": form})


def _approved(request: SignedInRequest, user: User) -> bool:
    try:
        username_approve(user=user, by=request.user, at=timezone.now())
    except (LostRace, Refused):
        return False
    return True


def _page(request: SignedInRequest) -> HttpResponse:
    asked: list[AskedName] = with_warnings(names_asked())
    to_make = list(names_to_make())
    context = {
        "asked": asked,
        "own": request.user.pk,
        "to_make": to_make,
        "names": "\n".join(str(user.cluster_username) for user in to_make),
        "lost": list(names_lost()),
    }
    return render(request, "operations/people.html", context)
