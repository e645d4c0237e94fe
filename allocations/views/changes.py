"""Changes after the award: the PI asks, one short form a kind; the center decides from its queue."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.changes import FORMS, AnswerForm, ChangeForm
from allocations.models import ChangeRequest, Project
from allocations.permissions import can_with_project
from allocations.selectors.changes import (
    all_lines,
    changes_decided,
    changes_of,
    changes_to_decide,
    running_lines,
)
from allocations.services import Refused
from allocations.services.change_rules import may_decide
from allocations.services.changes import change_grant, change_refuse, change_withdraw
from allocations.views.base import SignedInRequest, requires, signed_in
from allocations.workflow import LostRace
from portal.people.permissions import Permission

DECIDED_A_PAGE = 30
# What a second press on the page that shows it once more sends.
CONFIRMED = "confirmed"


@signed_in
def project_changes(request: SignedInRequest, code: str) -> HttpResponse:
    """What was asked for in a project and what came of it, and for its PI and delegate what can be asked for."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    changes = list(changes_of(project))
    context = {
        "project": project,
        "changes": changes,
        "asked": [row.kind for row in changes if row.status == ChangeRequest.Status.ASKED],
        "may_manage": can_with_project(request.user, Permission.PROJECT_MANAGE, project),
    }
    return render(request, "changes/list.html", context)


@signed_in
def change_new(request: SignedInRequest, code: str, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404
    project = get_object_or_404(Project.objects.managed_by(request.user).select_related("pi"), code=code)
    at = timezone.now()
    posted = request.POST if request.method == "POST" else None
    form = FORMS[kind](posted, project=project, lines=running_lines(project, at), at=at)
    if posted is None or not form.is_valid() or "back" in posted:
        return _form_page(request, form)
    if form.confirms and CONFIRMED not in posted:
        return render(request, "changes/confirm.html", {"form": form, "project": project, "kind": form.kind})
    try:
        change = form.ask(request.user, at)
    except Refused as refusal:
        form.add_error(form.about(), str(refusal))
        return _form_page(request, form)
    if change.status == ChangeRequest.Status.GRANTED:
        messages.success(request, _("Returned: %(what)s.") % {"what": change.in_words})
    else:
        messages.success(request, _("Asked for. The center's answer comes by e-mail."))
    return redirect("project_changes", code)


@signed_in
def change(request: SignedInRequest, pk: int) -> HttpResponse:
    """One request: for the project's people, and for who decides on it."""
    row = _visible(request, pk)
    if request.method == "POST":
        return _decide(request, row)
    return _page(request, row, AnswerForm(change=row))


@signed_in
def change_withdraw_page(request: SignedInRequest, pk: int) -> HttpResponse:
    managed = ChangeRequest.objects.filter(project__in=Project.objects.managed_by(request.user))
    row = get_object_or_404(managed.select_related("project"), pk=pk)
    if request.method != "POST":
        return redirect("change", pk)
    try:
        change_withdraw(change=row, by=request.user, at=timezone.now())
        messages.success(request, _("The request is withdrawn."))
    except LostRace:
        _say_what_stands(request, row)
    return redirect("project_changes", row.project.code)


@requires(Permission.CHANGE_DECIDE)
def change_queue(request: SignedInRequest) -> HttpResponse:
    """Requests that wait for the reader, the most urgent first, and what was decided lately."""
    waiting = changes_to_decide(request.user)
    decided = Paginator(changes_decided(), DECIDED_A_PAGE).get_page(request.GET.get("page"))
    hidden = ChangeRequest.objects.open().count() - len(waiting)
    context = {"waiting": waiting, "hidden": hidden, "decided": decided, "now": timezone.now()}
    return render(request, "changes/queue.html", context)


def _decide(request: SignedInRequest, row: ChangeRequest) -> HttpResponse:
    if not may_decide(request.user, row):
        raise Http404
    form = AnswerForm(request.POST, change=row)
    refuses = request.POST.get("action") == "refuse"
    if refuses:
        form.fields.pop("gpu_seconds", None)
    if not form.is_valid():
        return _page(request, row, form)
    acting: dict[str, Any] = {"change": row, **form.cleaned_data, "by": request.user, "at": timezone.now()}
    try:
        (change_refuse if refuses else change_grant)(**acting)
    except Refused as refusal:
        form.add_error("answer" if refuses else None, str(refusal))
        return _page(request, _visible(request, row.pk), form)
    except LostRace:
        _say_what_stands(request, row)
        return redirect("change", row.pk)
    messages.success(request, _("Refused. The PI is told.") if refuses else _("Granted. The PI is told."))
    return redirect("change_queue")


def _visible(request: SignedInRequest, pk: int) -> ChangeRequest:
    named = ChangeRequest.objects.select_related(
        "project__pi", "project__institution", "grant__application", "pool", "to_pool", "new_pi", "asked_by"
    )
    return get_object_or_404(named.visible_to(request.user), pk=pk)


def _form_page(request: SignedInRequest, form: ChangeForm) -> HttpResponse:
    if form.kind != ChangeRequest.Kind.PI_CHANGE and not form.lines:
        return render(request, "changes/nothing.html", {"project": form.project, "form": form})
    context = {"form": form, "project": form.project, "kind": form.kind, "lines": form.lines}
    return render(request, "changes/new.html", context)


def _page(request: SignedInRequest, row: ChangeRequest, form: AnswerForm) -> HttpResponse:
    context = {
        "change": row,
        "project": row.project,
        "form": form,
        "lines": all_lines(row.project),
        "may_decide": row.status == ChangeRequest.Status.ASKED and may_decide(request.user, row),
        "may_withdraw": row.status == ChangeRequest.Status.ASKED
        and can_with_project(request.user, Permission.PROJECT_MANAGE, row.project),
    }
    return render(request, "changes/change.html", context)


def _say_what_stands(request: SignedInRequest, row: ChangeRequest) -> None:
    """To who came second: what the other one did."""
    row = ChangeRequest.objects.select_related("decided_by").get(pk=row.pk)
    if row.decided_by == request.user:  # the second press of one button
        messages.success(request, _("The request stands at: %(status)s.") % {"status": row.get_status_display()})
        return
    text = _("Nothing was changed: %(name)s was faster. The request stands at: %(status)s.")
    name = row.decided_by.display_name if row.decided_by else ""
    messages.warning(request, text % {"name": name, "status": row.get_status_display()})
