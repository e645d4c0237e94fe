"""Getting onto the cluster: ticking a step, and the first job's script. The page itself is accounting's, which knows
whether somebody has run a job."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from allocations.forms.onboarding import JobForm
from allocations.models import Project
from allocations.onboarding import job_script as script_of
from allocations.selectors.onboarding import accounts_of
from allocations.services import Refused
from allocations.services.onboarding import onboarding_tick
from allocations.views.base import SignedInRequest, signed_in


@signed_in
def onboarding_step(request: SignedInRequest, code: str) -> HttpResponse:
    """Tick a step or take the tick back, and come back to it."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    if request.method == "POST":
        try:
            done = request.POST.get("done") == "yes"
            onboarding_tick(user=request.user, step=request.POST.get("step", ""), done=done, at=timezone.now())
        except Refused as refusal:
            raise Http404 from refusal
    return redirect("onboarding", project.code)


@signed_in
def job_script(request: SignedInRequest, code: str) -> HttpResponse:
    """The script as a file, for the same choices as on the page."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    accounts = accounts_of(project)
    if not accounts:
        raise Http404
    script = script_of(JobForm(request.GET, accounts=accounts).job())
    answer = HttpResponse(script, content_type="text/x-shellscript; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="job.sh"'
    return answer
