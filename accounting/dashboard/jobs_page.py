"""A project's jobs: the list, one of them in full, and the list as a file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.dashboard.exit_words import exit_words
from accounting.dashboard.job_file import jobs_csv
from accounting.dashboard.job_form import JobForm
from accounting.dashboard.jobs import MOST_JOBS, Known, find_jobs, jobs_asked_for, known_in
from accounting.dashboard.scope import Scope, scope_for
from accounting.models import Job
from accounting.names import names_of
from accounting.refunds.selectors import with_refund
from allocations.permissions import can_with_project
from allocations.views.base import SignedInRequest, signed_in
from portal.people.permissions import Permission

JOBS_A_PAGE = 50
NEAR = timedelta(days=30)


@require_GET
@signed_in
def jobs(request: SignedInRequest, code: str) -> HttpResponse:
    """Finished and running jobs, narrowed and ordered as the address says."""
    scope = scope_for(request.user, code)
    known = known_in(scope.accounts)
    form = _form(request, scope, known)
    context = _context(request, scope) | {"form": form, "names": known.names, "query": _query(request)}
    if form.is_valid():
        found = find_jobs(form, scope.accounts)
        context["page"] = Paginator(found, JOBS_A_PAGE).get_page(request.GET.get("page"))  # type: ignore[arg-type]
        context |= {"more": found.more, "most": MOST_JOBS, "several_pools": len(scope.accounts) > 1}
    return render(request, "accounting/jobs.html", context)


@require_GET
@signed_in
def jobs_file(request: SignedInRequest, code: str) -> HttpResponseBase:
    """The list as a file, all of it. What cannot be answered goes back to the page, which says why."""
    scope = scope_for(request.user, code)
    known = known_in(scope.accounts)
    form = _form(request, scope, known)
    if not form.is_valid():
        return redirect(f"{reverse('project_jobs', args=[code])}?{_query(request)}")
    lines = jobs_csv(jobs_asked_for(form.cleaned_data, scope.accounts), scope.accounts, known.names)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{code}-jobs.csv"'
    return answer


@require_GET
@signed_in
def job(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """One job in full."""
    scope = scope_for(request.user, code)
    found = get_object_or_404(with_refund(Job.objects.filter(account__in=scope.accounts)), pk=pk)
    context = _context(request, scope) | {
        "job": found,
        "pool": scope.accounts[found.account],
        "name": names_of([found.user]).get(found.user, ""),
        "exit_words": exit_words(found.exit_code, found.state) if found.final else "",
        "runs": _other_runs(found),
    }
    return render(request, "accounting/job.html", context)


def _other_runs(job: Job) -> QuerySet[Job]:
    """Of the same job, which was put back into the queue. Job numbers begin again some day: only runs near by count."""
    near = Q(end__gte=job.submit - NEAR, end__lte=job.until + NEAR) | Q(end=None)
    same = Job.objects.filter(near, account=job.account, cluster=job.cluster, job_id=job.job_id)
    return same.exclude(pk=job.pk).order_by("start", "pk")[:JOBS_A_PAGE]


def _form(request: SignedInRequest, scope: Scope, known: Known) -> JobForm:
    pools = list(scope.accounts.items())
    return JobForm(request.GET.dict(), people=known.people, pools=pools, partitions=known.partitions)


def _context(request: SignedInRequest, scope: Scope) -> dict[str, Any]:
    return {
        "project": scope.project,
        "pools": scope.accounts,
        "may_manage": can_with_project(request.user, Permission.PROJECT_MANAGE, scope.project),
        "at": timezone.now(),
        "read_until": scope.read_until,
    }


def _query(request: SignedInRequest) -> str:
    """Of the address, without the page."""
    asked = request.GET.copy()
    asked.pop("page", None)
    return asked.urlencode()
