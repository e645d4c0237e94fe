"""The panel's calls: ranking, proposal, announcement, export."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from allocations.mails.decisions import letter
from allocations.models import Call, Decision
from allocations.ranking_csv import ranking_csv
from allocations.selectors.panel import RankingRow, panel_calls, ranking
from allocations.selectors.simulation import Simulation, simulation
from allocations.services import Refused
from allocations.services.deadlines import due_after
from allocations.services.decisions import ANNOUNCEMENT, decisions_adopt, decisions_announce
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission

SHOWN = {
    "waiting": lambda row: row.waits,
    "decided": lambda row: row.decided,
    "announced": lambda row: not row.waits and not row.decided,
}


@requires(Permission.APPLICATION_DECIDE)
def panel(request: SignedInRequest) -> HttpResponse:
    return render(request, "panel/list.html", {"rows": panel_calls()})


@requires(Permission.APPLICATION_DECIDE)
def panel_call(request: SignedInRequest, pk: int) -> HttpResponse:
    found = ranking(_call(pk), request.user)
    show = request.GET.get("show", "")
    rows = [row for row in found.rows if show not in SHOWN or SHOWN[show](row)]
    context = {"call": found.call, "ranking": found, "rows": rows, "show": show}
    return render(request, "panel/call.html", context)


@requires(Permission.APPLICATION_DECIDE)
def panel_call_csv(request: SignedInRequest, pk: int) -> HttpResponseBase:
    found = ranking(_call(pk), request.user)
    answer = StreamingHttpResponse(ranking_csv(found), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="ranking-{pk}.csv"'
    return answer


@requires(Permission.APPLICATION_DECIDE)
def panel_proposal(request: SignedInRequest, pk: int) -> HttpResponse:
    """Simulated awards, to adopt one by one or as a whole. Only what was shown is adopted: where anything changed
    meanwhile, the page is shown anew."""
    call = _call(pk)
    found = simulation(ranking(call, request.user))
    if request.method == "POST":
        return _adopt(request, call, found)
    return render(request, "panel/proposal.html", {"call": call, "proposal": found})


def _adopt(request: SignedInRequest, call: Call, found: Simulation) -> HttpResponse:
    seen, only = set(request.POST.getlist("seen")), request.POST.get("adopt", "")
    chosen = [row for row in found.adoptable if only in {"all", str(row.application.pk)}]
    if not chosen or any(row.seen not in seen for row in chosen):
        messages.warning(request, _("The proposal has changed meanwhile. Nothing was decided; please read it again."))
        return redirect("panel_proposal", call.pk)
    verdicts = [(row.application, row.verdict) for row in chosen if row.verdict is not None]
    try:
        made = decisions_adopt(verdicts=verdicts, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, _("Nothing was decided: %(reason)s") % {"reason": refusal})
    except LostRace:
        messages.warning(request, _("Somebody else decided meanwhile. Nothing was decided; please read it again."))
    else:
        text = ngettext("%(number)s decision made.", "%(number)s decisions made.", len(made))
        messages.success(request, text % {"number": len(made)})
        if only == "all":
            return redirect("panel_call", call.pk)
    return redirect("panel_proposal", call.pk)


@requires(Permission.APPLICATION_DECIDE)
def panel_announce(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which letters go out, each to be read before; then they do."""
    call = _call(pk)
    decided = ranking(call, request.user).decided
    if request.method == "POST":
        return _announce(request, call, decided)
    chosen = request.GET.get("application")
    letters = [(row, *_letter(row), chosen in {None, str(row.application.pk)}) for row in decided]
    return render(request, "panel/announce.html", {"call": call, "letters": letters})


def _announce(request: SignedInRequest, call: Call, decided: list[RankingRow]) -> HttpResponse:
    ticked = set(request.POST.getlist("application"))
    applications = [row.application for row in decided if str(row.application.pk) in ticked]
    if not applications:
        messages.warning(request, _("Nothing was announced: choose at least one that is decided and not announced."))
        return redirect("panel_announce", call.pk)
    try:
        told = decisions_announce(applications=applications, by=request.user, at=timezone.now())
    except (LostRace, Refused):
        messages.warning(request, _("Nothing was announced: somebody announced them or took them back meanwhile."))
    else:
        text = ngettext("%(number)s letter is on its way.", "%(number)s letters are on their way.", len(told))
        messages.success(request, text % {"number": len(told)})
    return redirect("panel_call", call.pk)


def _letter(row: RankingRow) -> tuple[str, str]:
    decision = row.application.decision
    decision.application = row.application
    action = ANNOUNCEMENT[Decision.Outcome(decision.outcome)]
    return letter(decision, due_after(action, row.application.call, timezone.now()))


def _call(pk: int) -> Call:
    return get_object_or_404(Call, pk=pk)
