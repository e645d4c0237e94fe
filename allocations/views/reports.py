"""The final report of a grant: written by PI or delegate, saved by itself, read by the project and the center."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.reports import ReportForm
from allocations.models import FinalReport, Grant, GrantLine, Project
from allocations.permissions import can_with_project
from allocations.selectors.changes import figures
from allocations.selectors.reports import report_due_on
from allocations.services import Refused
from allocations.services.outcomes import Incomplete
from allocations.services.reports import lines_of, problems_of, report_save, report_submit
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import LostRace
from portal.people.permissions import Permission
from portal.web.autosave import is_autosave, left_out, not_saved, saved


@signed_in
def final_report(request: SignedInRequest, code: str, grant_pk: int) -> HttpResponse:
    grant = _grant(request, code, grant_pk)
    report = FinalReport.objects.filter(grant=grant).first() or FinalReport(grant=grant)
    may_write = can_with_project(request.user, Permission.PROJECT_MANAGE, grant.project)
    if report.submitted_at or not may_write:
        return _autosave_is_late(request) or _read(request, grant, report)
    if request.method == "POST":
        return _write(request, grant, report)
    return _page(request, grant, ReportForm(instance=report, initial={"revision": report.revision}))


def _write(request: SignedInRequest, grant: Grant, report: FinalReport) -> HttpResponse:
    form = ReportForm(request.POST, instance=FinalReport(grant=grant))
    submits = request.POST.get("action") == "submit"
    if not form.is_valid() and not is_autosave(request):
        return _page(request, grant, form)
    acting: dict[str, Any] = {"grant": grant, "draft": form.draft(), "revision": form.cleaned_data.get("revision", -1)}
    acting |= {"by": request.user, "at": timezone.now()}
    try:
        report = (report_submit if submits else report_save)(**acting)
    except Incomplete as incomplete:
        for problem in incomplete.problems:
            form.add_error(problem.field, problem.message)
        return _page(request, grant, form)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, grant, form)
    except LostRace:
        if is_autosave(request):
            return not_saved()
        form.add_error(None, _("Meanwhile the report was saved in another window. Copy what you wrote and reload."))
        return _page(request, grant, form, status=409)
    if is_autosave(request):
        return saved(report.revision, problems=len(problems_of(report)) + len(form.errors), unsaved=left_out(form))
    messages.success(request, _("The report is handed in. Thank you.") if submits else _("Saved."))
    return redirect("final_report", grant.project.code, grant.pk)


def _autosave_is_late(request: SignedInRequest) -> HttpResponse | None:
    return not_saved(_("Not saved: the report is handed in.")) if is_autosave(request) else None


def _read(request: SignedInRequest, grant: Grant, report: FinalReport) -> HttpResponse:
    labels = {field.name: field.verbose_name for field in FinalReport._meta.fields}
    written = [(labels[name], getattr(report, name)) for name in ReportForm.Meta.fields]
    context = _context(grant) | {"report": report, "written": written, "dois": lines_of(report.publications)}
    return render(request, "projects/report.html", context)


def _page(request: SignedInRequest, grant: Grant, form: ReportForm, status: int = 200) -> HttpResponse:
    at = timezone.now()
    context = _context(grant) | {"form": form, "ended": at >= grant.ends_at}
    return render(request, "projects/report_form.html", context, status=status)


def _context(grant: Grant) -> dict[str, Any]:
    lines = figures(GrantLine.objects.filter(grant=grant))
    return {"grant": grant, "project": grant.project, "lines": lines, "due_on": report_due_on(grant)}


def _grant(request: SignedInRequest, code: str, pk: int) -> Grant:
    """The project's people see its grants; who decides on changes and who sees every project see all."""
    projects: QuerySet[Project] = Project.objects.visible_to(request.user)
    if request.user.can(Permission.CHANGE_DECIDE):
        projects = Project.objects.all()
    grants = Grant.objects.filter(project__in=projects, project__code=code)
    return get_object_or_404(grants.select_related("project__pi", "application"), pk=pk)
