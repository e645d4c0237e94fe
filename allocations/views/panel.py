"""The panel: what waits for a decision, and deciding it in two steps."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.decisions import DecisionForm
from allocations.models import Application, Decision
from allocations.permissions import has_stake
from allocations.scoring import mean_score, recommended_gpu_seconds, weighted_score
from allocations.selectors import panel_rows, submitted_reviews
from allocations.services import Refused
from allocations.services.decisions import decision_award, decision_decline
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours_unit


@requires(Permission.APPLICATION_DECIDE)
def panel(request: SignedInRequest) -> HttpResponse:
    decided = Decision.objects.select_related("application__call", "decided_by").prefetch_related("lines__pool")
    context = {"rows": panel_rows(request.user), "decided": decided.order_by("-decided_at")[:20]}
    return render(request, "panel/list.html", context)


@requires(Permission.APPLICATION_DECIDE)
def decide(request: SignedInRequest, pk: int) -> HttpResponse:
    """All reviews beside the form; a first POST asks whether it is meant, a second makes it final."""
    visible = Application.objects.visible_to(request.user).select_related("call", "applicant", "institution")
    prefetched = visible.prefetch_related("lines__pool", "attachments", submitted_reviews())
    application = get_object_or_404(prefetched, pk=pk)
    if application.status != ApplicationStatus.SUBMITTED:
        if request.method == "POST":
            messages.warning(request, outcome_sentence(application))
        return redirect("application_detail", pk)
    if has_stake(request.user, application):
        return render(request, "panel/conflict.html", {"application": application}, status=403)
    recommended = recommended_gpu_seconds(application.reviews.all())
    form = DecisionForm(application, recommended, request.POST if request.method == "POST" else None)
    if request.method == "POST" and request.POST.get("action") != "back" and form.is_valid():
        if request.POST.get("action") != "confirm":
            return render(request, "panel/confirm.html", {"application": application, "form": form})
        return _decided(request, application, form)
    return _page(request, application, form)


def _decided(request: SignedInRequest, application: Application, form: DecisionForm) -> HttpResponse:
    at, reason = timezone.now(), form.cleaned_data["reason"]
    try:
        if form.declines:
            decision_decline(application=application, reason=reason, by=request.user, at=at)
        else:
            decision_award(application=application, awards=form.awards, reason=reason, by=request.user, at=at)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, application, form)
    except LostRace:
        application.refresh_from_db()
        messages.warning(request, outcome_sentence(application))
        return redirect("application_detail", application.pk)
    messages.success(request, _("Decided. The applicant is told by e-mail."))
    return redirect("panel")


def outcome_sentence(application: Application) -> str:
    """What stands, for somebody whose decision came too late."""
    decision = Decision.objects.filter(application=application).select_related("decided_by").first()
    if decision is None:
        return _("Nothing was decided: the application stands at %(status)s.") % {
            "status": application.get_status_display()
        }
    values = {
        "person": decision.decided_by,
        "outcome": decision.get_outcome_display(),
        "amount": gpu_hours_unit(decision.awarded_gpu_seconds),
    }
    if decision.outcome == Decision.Outcome.DECLINED:
        return _("%(person)s decided first: %(outcome)s. Yours was not recorded.") % values
    return _("%(person)s decided first: %(outcome)s, %(amount)s. Yours was not recorded.") % values


def _page(request: SignedInRequest, application: Application, form: DecisionForm) -> HttpResponse:
    reviews = list(application.reviews.all())
    needed = application.call.reviews_needed
    context = {
        "application": application,
        "form": form,
        "reviews": [(review, weighted_score(review)) for review in reviews],
        "score": mean_score(reviews),
        "recommended": recommended_gpu_seconds(reviews),
        "reviews_missing": max(0, needed - len(reviews)),
    }
    return render(request, "panel/decide.html", context)
