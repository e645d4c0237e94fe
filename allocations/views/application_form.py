"""The application form, a page for each step: saved as often as one likes, submitted once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.fields import BY_NAME, Section, sections_of
from allocations.forms.controls import has_buttons
from allocations.forms.steps import Step
from allocations.models import Application
from allocations.selectors.fit import fit_of
from allocations.services import Refused
from allocations.services.applications import application_save, application_submit
from allocations.services.completeness import Completeness, completeness, tier_for
from allocations.services.consents import consent_give
from allocations.services.outcomes import Incomplete, Problem
from allocations.services.prechecks import warnings
from allocations.services.versions import changed_since_submission
from allocations.sizes import business_days, duration_text, way_text
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import ApplicationStatus, LostRace
from portal.web.autosave import is_autosave, left_out, not_saved, saved


@signed_in
def application_edit(request: SignedInRequest, pk: int, step: str = "") -> HttpResponse:
    application = _own(request, pk)
    sections = sections_of(application)
    if not step:
        return redirect("application_edit", pk, _first_lacking(application, sections))
    if step not in sections:
        raise Http404
    section = Section(step)
    if request.method == "POST":
        return _store(request, application, section)
    if not application.writable:
        return redirect("application_detail", pk)
    return _page(request, application, Step(application, section))


@signed_in
def application_fit(request: SignedInRequest, pk: int) -> HttpResponse:
    """Beside the amounts while they are written: what each pool has free, and which way the whole amount goes."""
    application = _own(request, pk)
    step = Step(application, Section.NEED, request.GET)
    step.is_valid()
    lines = [line for block in step.blocks if (line := block.draft()) is not None]
    asked = {line.pool.pk: line.asked_gpu_seconds or 0 for line in lines}
    period = [step.form.cleaned_data.get(name) for name in ("starts_on", "ends_on")]
    context = {"fit_rows": _fit_rows(step, asked, period), "route": _route(application, asked), "live": True}
    return render(request, "applications/parts/fit.html", context)


def _own(request: SignedInRequest, pk: int) -> Application:
    own = Application.objects.filter(applicant=request.user).select_related("call", "applicant", "institution", "firm")
    return get_object_or_404(own.prefetch_related("lines__pool", "attachments", "call__tiers"), pk=pk)


def _first_lacking(application: Application, sections: list[Section]) -> str:
    state = completeness(application, timezone.localdate())
    return next((section for section in sections if state.missing(section)), sections[-1]).value


def _store(request: SignedInRequest, application: Application, section: Section) -> HttpResponse:
    """Keep whatever is valid; then go on, or list what is not."""
    at = timezone.now()
    step = Step(application, section, request.POST, request.FILES)
    valid = step.is_valid()
    revision = request.POST.get("revision", "")
    try:
        application_save(
            application=application,
            draft=step.draft(),
            revision=int(revision) if revision.isdecimal() and len(revision) < 10 else -1,
            by=request.user,
            at=at,
        )
    except LostRace:
        return not_saved() if is_autosave(request) else _stale(request, application, section)
    except Refused as refusal:
        if is_autosave(request):
            return not_saved(str(refusal))
        step.form.add_error(None, str(refusal))
        return _page(request, application, step)
    application = _own(request, application.pk)
    if is_autosave(request):
        state = completeness(application, timezone.localdate(at))
        unsaved = left_out(step.form, step.members, step.grants, *step.blocks)
        return saved(application.revision, at=at, meter=state.percent, problems=len(state.problems), unsaved=unsaved)
    if request.POST.get("action") == "submit" and section == Section.SUBMIT:
        return _submit(request, application, step)
    if not valid:
        messages.warning(request, _("Saved, except for what is listed below."))
        return _page(request, application, step)
    return _onwards(request, application, section)


def _onwards(request: SignedInRequest, application: Application, section: Section) -> HttpResponse:
    sections = sections_of(application)
    place = sections.index(section)
    action = request.POST.get("action")
    if action in sections:
        return redirect("application_edit", application.pk, action)
    if action == "next" and place + 1 < len(sections):
        return redirect("application_edit", application.pk, sections[place + 1].value)
    if action == "back" and place:
        return redirect("application_edit", application.pk, sections[place - 1].value)
    messages.success(request, _("Draft saved."))
    address = reverse("application_edit", args=[application.pk, section.value])
    return redirect(f"{address}#{action}" if action in {"members", "related_grants"} else address)


def _submit(request: SignedInRequest, application: Application, step: Step) -> HttpResponse:
    """Consents first: they are given whether or not something else is still missing."""
    at = timezone.now()
    problems: list[Problem] = []
    try:
        if step.consents is not None:
            given = step.consents.given()
            consent_give(user=request.user, texts_given=given, application=application, at=at)
        done = application_submit(application=application, by=request.user, at=at)
        text = _("Submitted. Its number is %(number)s; a confirmation is on its way by e-mail.")
        messages.success(request, text % {"number": done.number})
        return redirect("application_detail", application.pk)
    except Incomplete as incomplete:
        problems = incomplete.problems
    except Refused as refusal:
        step.form.add_error(None, str(refusal))
    except LostRace:
        step.form.add_error(None, _("It was submitted or withdrawn meanwhile, in another window."))
    return _page(request, application, step, refused=problems)


def _stale(request: SignedInRequest, application: Application, section: Section) -> HttpResponse:
    """Another window saved first: show what is stored beside what was written here, and lose neither."""
    application = _own(request, application.pk)
    step = Step(application, section, request.POST)
    step.is_valid()
    return _page(request, application, step, stale=True, differences=list(step.differences()), status=409)


@dataclass(frozen=True, slots=True)
class StepLink:
    """A step in the navigation."""

    section: Section
    url: str
    missing: int
    current: bool


@dataclass(frozen=True, slots=True)
class ProblemLink:
    """A problem with the way to its field."""

    step: str
    url: str
    message: str


def _page(
    request: SignedInRequest,
    application: Application,
    step: Step,
    *,
    refused: Iterable[Problem] = (),
    stale: bool = False,
    differences: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    state = completeness(application, timezone.localdate())
    sections = sections_of(application)
    place = sections.index(step.section)
    context: dict[str, Any] = {
        "application": application,
        "step": step,
        "links": _links(application, sections, step.section, state),
        "percent": state.percent,
        "previous": sections[place - 1] if place else None,
        "next": sections[place + 1] if place + 1 < len(sections) else None,
        "is_draft": application.status == ApplicationStatus.DRAFT,
        "is_open": application.status != ApplicationStatus.DRAFT or application.call.is_open(timezone.now()),
        "correction": application.corrections.filter(answered_at=None).first(),
        "stale": stale,
        "differences": differences,
    }
    if step.section == Section.NEED:
        asked = {line.pool_id: line.requested_gpu_seconds or 0 for line in application.lines.all()}
        period = [step.form[name].value() for name in ("starts_on", "ends_on")] if not step.form.is_bound else []
        context |= {"fit_rows": _fit_rows(step, asked, period), "route": _route(application, asked)}
    if step.section == Section.SUBMIT:
        elsewhere = [problem for problem in state.problems if problem.section != Section.SUBMIT]
        context |= {
            "problems": [_problem_link(application, problem) for problem in refused or elsewhere],
            "warnings": [_problem_link(application, problem) for problem in warnings(application)],
            "refused": bool(refused),
            "route": _route(application, {0: application.requested_gpu_seconds}),
            "changed": changed_since_submission(application),
        }
    return render(request, "applications/form.html", context, status=status)


def _links(application: Application, sections: list[Section], current: Section, state: Completeness) -> list[StepLink]:
    return [
        StepLink(
            section,
            reverse("application_edit", args=[application.pk, section.value]),
            state.missing(section),
            section == current,
        )
        for section in sections
    ]


def _problem_link(application: Application, problem: Problem) -> ProblemLink:
    if not problem.section:
        return ProblemLink("", "", problem.message)
    field = BY_NAME.get(problem.field)
    suffix = "_0" if field is not None and has_buttons(field) else ""
    address = reverse("application_edit", args=[application.pk, problem.section])
    label = str(Section(problem.section).label)
    return ProblemLink(label, f"{address}#id_{problem.field}{suffix}", problem.message)


def _fit_rows(step: Step, asked: dict[int, int], period: list[Any]) -> list[dict[str, Any]]:
    """For each pool what it has free in the period and how much of that is asked; nothing while there is no period."""
    if len(period) != 2 or None in period or period[1] < period[0]:
        return []
    fits = fit_of([block.pool for block in step.blocks], *period)
    return [
        {"pool": block.pool, "fit": fits[block.pool.pk], "asked": asked.get(block.pool.pk, 0)} for block in step.blocks
    ]


def _route(application: Application, asked: dict[int, int]) -> dict[str, Any] | None:
    """Which way an amount goes and how long that takes, in words; None while nothing is asked."""
    total = sum(asked.values())
    if not total:
        return None
    tiers = list(application.call.tiers.all())
    tier = tier_for(application, total)
    if tiers and tier is None:
        return {"total": total, "too_much": max(row.upto_gpu_seconds or 0 for row in tiers)}
    way = tier.route if tier else "full"
    return {
        "total": total,
        "tier": tier,
        "way": way_text(way, tier.reviews_needed if tier else 1),
        "takes": duration_text(business_days(application.call, way)),
    }
