"""Members of a project: everybody in it sees them, PI and delegate invite and remove, the PI names delegates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.members import InviteForm, RemoveForm
from allocations.models import Membership, Project
from allocations.permissions import can_with_project
from allocations.selectors.projects import members_of
from allocations.services import Refused
from allocations.services.members import delegate_set, member_invite, member_remind, member_remove, member_stop
from allocations.services.stopping import may_stop_jobs
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import LostRace
from portal.people.permissions import Permission


@signed_in
def project_members(request: SignedInRequest, code: str) -> HttpResponse:
    if request.method == "POST":
        return _invite(request, get_object_or_404(Project.objects.managed_by(request.user), code=code))
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    return _page(request, project, InviteForm())


@signed_in
def member_remove_page(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """Says what happens, and asks whether what runs shall be ended too."""
    membership = _managed(request, code, pk)
    runs_jobs = membership.user is not None and membership.user.is_on_cluster
    if request.method != "POST":
        context = {
            "membership": membership,
            "project": membership.project,
            "form": RemoveForm(),
            "runs_jobs": runs_jobs,
        }
        return render(request, "projects/remove_member.html", context)
    stop_jobs = runs_jobs and "stop_jobs" in request.POST
    done = _("%(name)s is removed. What runs is being ended.") if stop_jobs else _("%(name)s is removed.")
    name = membership.name or membership.email
    return _act(request, membership, partial(member_remove, stop_jobs=stop_jobs), done % {"name": name})


@signed_in
def member_stop_page(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """End at once what a former member still runs: asks first. For who manages the project, and for operators."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    former = project.memberships.filter(status=Membership.Status.REMOVED, user__isnull=False).select_related("user")
    membership = get_object_or_404(former, pk=pk)
    if not (membership.user and may_stop_jobs(request.user, project, membership.user.cluster_username or "")):
        raise Http404
    if request.method != "POST":
        return render(request, "projects/stop_member.html", {"membership": membership, "project": project})
    try:
        member_stop(membership=membership, by=request.user, at=timezone.now())
        messages.success(request, _("The jobs are being ended; this takes a few seconds."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("project", code)


@signed_in
def member_remind_page(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    membership = _managed(request, code, pk)
    if request.method != "POST":
        return redirect("project_members", code)
    return _act(request, membership, member_remind, _("Invited again: %(email)s.") % {"email": membership.email})


@signed_in
def member_delegate_page(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """Name a member delegate, or no longer: the PI alone."""
    project = get_object_or_404(Project.objects.filter(pi=request.user), code=code)
    membership = get_object_or_404(members_of(project).exclude(user=project.pi_id), pk=pk)
    if request.method != "POST":
        return redirect("project_members", code)
    is_delegate = request.POST.get("is_delegate") == "yes"
    text = _("%(name)s is delegate now.") if is_delegate else _("%(name)s is no longer delegate.")
    act = partial(delegate_set, is_delegate=is_delegate)
    return _act(request, membership, act, text % {"name": membership.name or membership.email})


def _managed(request: SignedInRequest, code: str, pk: int) -> Membership:
    """A membership in a project of the reader's. Raises Http404 otherwise, and for the PI's own."""
    project = get_object_or_404(Project.objects.managed_by(request.user), code=code)
    return get_object_or_404(members_of(project).exclude(user=project.pi_id), pk=pk)


def _act(request: SignedInRequest, membership: Membership, act: Callable[..., Membership], done: str) -> HttpResponse:
    try:
        act(membership=membership, by=request.user, at=timezone.now())
        messages.success(request, done)
    except LostRace:
        membership.refresh_from_db()
        text = _("%(name)s stands at: %(status)s.")
        status = membership.get_status_display()
        messages.warning(request, text % {"name": membership.name or membership.email, "status": status})
    return redirect("project_members", membership.project.code)


def _invite(request: SignedInRequest, project: Project) -> HttpResponse:
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            member_invite(project=project, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("email", str(refusal))
        else:
            messages.success(request, _("Invited: %(email)s.") % {"email": form.cleaned_data["email"]})
            return redirect("project_members", project.code)
    return _page(request, project, form)


def _page(request: SignedInRequest, project: Project, form: InviteForm) -> HttpResponse:
    members = list(members_of(project).prefetch_related("caps__pool"))
    context = {
        "project": project,
        "members": members,
        "leads": project.pi_id == request.user.pk,
        "has_delegate": any(row.is_delegate for row in members),
        "form": form,
        "may_manage": can_with_project(request.user, Permission.PROJECT_MANAGE, project),
    }
    return render(request, "projects/members.html", context)
