"""Job rows 작업 기록 that need a person: unreadable, held, without an end, or late for days that are sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet, Value
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.history.held import charged_gpu_seconds, job_keep, unreadable_dismiss
from accounting.history.sealed import sealed_difference_apply, sealed_difference_dismiss
from accounting.history.store import job_accept_held
from accounting.models import Job, SealedDifference, UnreadableJobRow
from accounting.usage import seconds
from allocations.models import Account
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.people.permissions import Permission
from portal.slurm.sacct import DELIMITER
from portal.sums import count_of

ROWS_A_PAGE = 25
# What of a job an operator compares, in this order: the field and its words.
COMPARED = {
    "state": gettext_lazy("State"),
    "account": gettext_lazy("Slurm account"),
    "user": gettext_lazy("User name"),
    "start": gettext_lazy("Start"),
    "end": gettext_lazy("End"),
    "gpus": gettext_lazy("Number of GPUs"),
}
MOMENTS = frozenset({"start", "end"})


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs, in words."""

    label: str
    ours: str
    slurm: str


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A job as the portal has it beside what Slurm says now, in GPU-seconds."""

    job: Job
    ours: int
    slurm: int
    project: str

    @property
    def difference(self) -> int:
        return self.slurm - self.ours

    @property
    def command(self) -> str:
        return (
            f"sacct -X -D -M {self.job.cluster} -j {self.job.job_id} -S {self.job.submit:%Y-%m-%d} "
            "-o JobID,User,Account,State,Start,End,AllocTRES"
        )

    @property
    def changes(self) -> list[Change]:
        pairs = [(name, label, getattr(self.job, name), _held(self.job, name)) for name, label in COMPARED.items()]
        return [Change(str(label), _words(ours), _words(slurm)) for _name, label, ours, slurm in pairs if ours != slurm]


@dataclass(frozen=True, slots=True)
class RunawayRow:
    job: Job
    gpu_seconds: int
    project: str


@dataclass(frozen=True, slots=True)
class AsideRow:
    """`text` as a person can read it: what stood between the values is a bar."""

    row: UnreadableJobRow
    text: str


@dataclass(frozen=True, slots=True)
class SealedRow:
    difference: SealedDifference
    project: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the lists: its name in the address, its words, what is in it, and how a row of it is shown."""

    key: str
    label: str
    rows: QuerySet[Any]
    shown: Callable[[Iterable[Any]], list[Any]]

    @property
    def count(self) -> int:
        return self.rows.count()


def kinds() -> list[Kind]:
    aside = UnreadableJobRow.objects.open()
    runaway = Job.objects.filter(runaway_since__isnull=False).order_by("runaway_since", "pk")
    sealed = SealedDifference.objects.filter(closed_at=None)
    return [
        Kind("held", _("Held jobs"), Job.objects.held().order_by("held_at", "pk"), held_rows),
        Kind("aside", _("Put aside"), aside, lambda rows: [_aside(row) for row in rows]),
        Kind("runaway", _("Without an end"), runaway, runaway_rows),
        Kind("sealed", _("Late for sealed days"), sealed, sealed_rows),
    ]


def rows_waiting() -> Any:
    """How many rows are in all the lists together, to be read along with another row."""
    return sum((count_of(kind.rows) for kind in kinds()), Value(0))


@requires(Permission.OPERATIONS_VIEW)
def row_list(request: SignedInRequest) -> HttpResponse:
    """One kind at a time; the first that has something in it where none is asked for."""
    lists = [(kind, kind.count) for kind in kinds()]
    wanted = request.GET.get("show")
    first = next((kind for kind, count in lists if count), lists[0][0])
    kind = next((kind for kind, _count in lists if kind.key == wanted), first)
    page = Paginator(kind.rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "lists": lists,
        "show": kind.key,
        "page": page,
        "rows": kind.shown(page.object_list),
        "runaway_command": f"sacctmgr show runawayjobs cluster={settings.SLURM_CLUSTER}",
    }
    return render(request, "operations/rows.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(UnreadableJobRow, pk=pk)
    if request.method != "POST":
        return render(request, "operations/rows_dismiss.html", {"row": _aside(row)})
    try:
        unreadable_dismiss(row=row, by=request.user, at=timezone.now())
        messages.success(request, _("Dismissed. A row with another text is shown again."))
    except LostRace:
        messages.info(request, _("Somebody else was faster: it is so already."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return _back("aside")


@requires(Permission.OPERATIONS_CHANGE)
def held(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ours and Slurm's side by side: take over Slurm's, or keep ours with a reason."""
    job, at = get_object_or_404(Job, pk=pk), timezone.now()
    if job.held_at is None or _shown(request, job.held_at) != job.held_at:
        messages.info(request, _("It has changed meanwhile: please look at it again."))
        return _back("held")
    form = ReasonForm(request.POST if "keep" in request.POST else None)
    try:
        if "accept" in request.POST:
            job_accept_held(job=job, by=request.user, at=at)
            messages.success(request, _("Taken over. Usage and balance follow Slurm now."))
            return _back("held")
        if form.is_valid():
            job_keep(job=job, reason=form.cleaned_data["reason"], by=request.user, at=at)
            messages.success(request, _("Kept as it is. The same from Slurm is not held again."))
            return _back("held")
    except LostRace:
        messages.info(request, _("It has changed meanwhile: please look at it again."))
        return _back("held")
    except Refused as refusal:
        messages.error(request, str(refusal))
        return _back("held")
    return render(request, "operations/rows_held.html", {"row": held_rows([job])[0], "form": form})


@requires(Permission.OPERATIONS_CHANGE)
def sealed(request: SignedInRequest, pk: int) -> HttpResponse:
    """Enter the difference on its days, or leave them as they are; either with a reason."""
    difference, at = get_object_or_404(SealedDifference, pk=pk), timezone.now()
    if difference.closed_at or _shown(request, difference.found_at) != difference.found_at:
        messages.info(request, _("It has changed meanwhile: please look at it again."))
        return _back("sealed")
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        enter = "apply" in request.POST
        act = sealed_difference_apply if enter else sealed_difference_dismiss
        try:
            act(difference=difference, reason=form.cleaned_data["reason"], by=request.user, at=at)
            messages.success(request, _("Entered on its days.") if enter else _("Left as it is."))
            return _back("sealed")
        except LostRace:
            messages.info(request, _("It has changed meanwhile: please look at it again."))
            return _back("sealed")
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return render(request, "operations/rows_sealed.html", {"row": sealed_rows([difference])[0], "form": form})


def held_rows(jobs: Iterable[Job]) -> list[HeldRow]:
    jobs = list(jobs)
    projects = _projects(job.account for job in jobs)
    return [
        HeldRow(job, charged_gpu_seconds(job), _held_gpu_seconds(job), projects.get(job.account, "")) for job in jobs
    ]


def runaway_rows(jobs: Iterable[Job]) -> list[RunawayRow]:
    jobs = list(jobs)
    projects = _projects(job.account for job in jobs)
    return [RunawayRow(job, charged_gpu_seconds(job), projects.get(job.account, "")) for job in jobs]


def sealed_rows(differences: Iterable[SealedDifference]) -> list[SealedRow]:
    differences = list(differences)
    projects = _projects(row.account_name for row in differences)
    return [SealedRow(row, projects.get(row.account_name, "")) for row in differences]


def _aside(row: UnreadableJobRow) -> AsideRow:
    return AsideRow(row, row.text.replace(DELIMITER, "|"))


def _projects(names: Iterable[str]) -> dict[str, str]:
    """The codes of the projects that the accounts belong to, by account name."""
    return dict(Account.objects.filter(name__in=set(names)).values_list("name", "project__code"))


def _held(job: Job, name: str) -> Any:
    """A value that Slurm gives the job now."""
    value = (job.held or {}).get(name)
    return parse_datetime(value) if name in MOMENTS and value else value


def _held_gpu_seconds(job: Job) -> int:
    start, end = _held(job, "start"), _held(job, "end")
    return _held(job, "gpus") * seconds(start, end or job.last_seen_at) if start else 0


def _words(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
    return "–" if value is None else str(value)


def _shown(request: SignedInRequest, now: datetime) -> datetime | None:
    """The state that the reader was shown and decides about; the present one before they decide."""
    return parse_datetime(request.POST.get("shown", "")) if request.method == "POST" else now


def _back(kind: str) -> HttpResponse:
    return redirect(f"{reverse('operations_rows')}?show={kind}")
