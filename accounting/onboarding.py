"""The page on getting onto the cluster, from agreement to first job. Here, because accounting knows the jobs."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Min
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.models import Job
from allocations.forms.onboarding import JobForm
from allocations.models import Account, Project
from allocations.onboarding import checklist, job_script
from allocations.selectors.onboarding import accounts_of, onboarding_facts
from allocations.texts import center_text
from allocations.views.base import SignedInRequest, signed_in
from portal.people.models import User

TEXTS = ("contact", "login_host", "key_or_password", "first_job", "account_rules")


@require_GET
@signed_in
def onboarding(request: SignedInRequest, code: str) -> HttpResponse:
    """The reader's steps in this project, with a script that they can submit as it is."""
    at = timezone.now()
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    accounts = accounts_of(project)
    facts = onboarding_facts(project, accounts, request.user, first_job_at=_first_job_at(request.user, accounts), at=at)
    form = JobForm(request.GET, accounts=accounts) if accounts else None
    job = form.job() if form else None
    context = {
        "project": project,
        "steps": checklist(facts),
        "form": form,
        "job": job,
        "has_asked": bool(request.user.cluster_username),
        "script": job_script(job) if job else "",
        "chosen": request.GET.urlencode(),
        "texts": {code: center_text(code) for code in TEXTS},
    }
    return render(request, "projects/onboarding.html", context)


def _first_job_at(user: User, accounts: list[Account]) -> datetime | None:
    """When the person first ran a job in one of the accounts."""
    if not user.is_on_cluster:
        return None
    names = [account.name for account in accounts]
    ran = Job.objects.filter(account__in=names, user=user.cluster_username, start__isnull=False)
    return ran.aggregate(first=Min("start"))["first"]
