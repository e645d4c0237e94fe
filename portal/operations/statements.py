"""Statements 사용 명세서 of a month over all projects: what is closed, what is not and why, as a file."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounting.statements.closing import statement_close
from accounting.statements.months import parse_month
from accounting.statements.rows import center_sheet
from accounting.statements.selectors import CenterMonth, center_month, center_months
from allocations.models import Project
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.people.permissions import Permission
from portal.web.sheets import xlsx_file

STATEMENTS_A_PAGE = 50
MOST_MISSING = 50
# What one press closes, so that the answer does not take minutes.
MOST_AT_ONCE = 200


@requires(Permission.OPERATIONS_VIEW)
def statement_list(request: SignedInRequest) -> HttpResponse:
    """The last month that is over, or the one that is asked for."""
    at = timezone.now()
    months = center_months(at)
    if not months:
        return render(request, "operations/statements.html", {"month": None})
    month = center_month(_asked(request.GET.get("month"), months), at)
    position = months.index(month.month)
    context = {
        "month": month,
        "closed": Paginator(month.closed.defer("figures"), STATEMENTS_A_PAGE).get_page(request.GET.get("page")),
        "missing": month.missing[:MOST_MISSING],
        "later": months[position - 1] if position else None,
        "earlier": months[position + 1] if position + 1 < len(months) else None,
    }
    return render(request, "operations/statements.html", context)


@requires(Permission.OPERATIONS_VIEW)
def export(request: SignedInRequest, month: str) -> HttpResponse:
    found = _month(month)
    return xlsx_file(
        [center_sheet(found.closed, [row.project for row in found.missing])], f"statements-{found.address}"
    )


@requires(Permission.OPERATIONS_CHANGE)
def close(request: SignedInRequest, month: str) -> HttpResponse:
    """Close a month without waiting for its day or its comparison with Slurm, with a reason."""
    found = _month(month)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        _close(request, found, form.cleaned_data["reason"])
        return _back(found)
    if not found.may_be_closed:
        messages.info(request, _("There is nothing to close in this month now."))
        return _back(found)
    return render(request, "operations/statements_close.html", {"month": found, "form": form})


def _close(request: SignedInRequest, month: CenterMonth, reason: str) -> None:
    done = 0
    for row in month.missing[:MOST_AT_ONCE]:
        try:
            done += _closed(request, row.project, month.month, reason)
        except Refused as refusal:
            messages.error(request, f"{row.project.code}: {refusal}")
    if done:
        text = ngettext("%(count)s statement was closed.", "%(count)s statements were closed.", done)
        messages.success(request, text % {"count": done})
    if len(month.missing) > MOST_AT_ONCE:
        messages.info(request, _("There are more: please close the rest the same way."))


def _closed(request: SignedInRequest, project: Project, month: date, reason: str) -> bool:
    try:
        statement_close(project=project, month=month, by=request.user, at=timezone.now(), reason=reason)
    except LostRace:
        return False
    return True


def _asked(text: str | None, months: list[date]) -> date:
    """Raises Http404 for a month that is not over, or no month at all."""
    try:
        month = parse_month(text) if text else months[0]
    except ValueError:
        raise Http404 from None
    if month not in months:
        raise Http404
    return month


def _month(text: str) -> CenterMonth:
    at = timezone.now()
    return center_month(_asked(text, center_months(at)), at)


def _back(month: CenterMonth) -> HttpResponse:
    answer = redirect("operations_statements")
    answer["Location"] += f"?month={month.address}"
    return answer
