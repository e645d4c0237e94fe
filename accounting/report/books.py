"""What a report is reckoned from, read in a handful of queries however much there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, TruncMonth

from accounting.models import ClusterDay, UsageMonth
from accounting.report.periods import Period
from accounting.statements.content import Name
from accounting.statements.months import month_bounds, month_of
from accounting.use import use_by
from allocations.models import Account, Application, DecisionLine, Grant, LedgerEntry, RequestLine
from allocations.models.decisions import Decision
from allocations.workflow import ApplicationStatus
from portal.people.models import Institution, InstitutionDomain

# The two universities that the center serves, known by their mail domains; the report names them.
NAMED = {"postech": "postech.ac.kr", "handong": "handong.edu"}
FIRMS, OTHERS = "firms", "others"
FIRM = Institution.Kind.FIRM

# Whom a figure is about, told apart: a firm, however many projects it has, else a project or an application.
Party = tuple[str, int]


def party(kind: str, institution: int, own: int) -> Party:
    return ("firm", institution) if kind == FIRM else ("own", own)


@dataclass(frozen=True, slots=True)
class Holding:
    """A Slurm account of the portal, where its use stands in each table, and the month of its first use."""

    project: int
    institution: int
    group: str
    sector: str
    domain: str
    pool: str
    pool_name: Name
    used_since: date | None = None

    @property
    def party(self) -> Party:
        return party(self.sector, self.institution, self.project)


@dataclass(frozen=True, slots=True)
class Use:
    """GPU-seconds, more than none, of a person on an account in a month."""

    month: date
    holding: Holding
    user_name: str
    gpu_seconds: int


@dataclass(frozen=True, slots=True)
class Case:
    """An application that was handed in: when, and what became of it, as months; `waited` in seconds."""

    party: Party
    received: date
    decided: date | None
    selected: bool
    requested: int
    awarded: int
    waited: int


@dataclass(frozen=True, slots=True)
class Refunded:
    month: date
    party: Party
    gpu_seconds: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """GPU-seconds of all GPUs in a month, as far as Slurm has reported them."""

    month: date
    installed: int
    allocated: int
    down: int


@dataclass(frozen=True, slots=True)
class Books:
    """Of a period and its year until then. `firm_since`: in which month a firm first used GPU time."""

    holdings: Sequence[Holding]
    use: Sequence[Use]
    firm_since: Mapping[int, date]
    cases: Sequence[Case]
    refunds: Sequence[Refunded]
    capacity: Sequence[Capacity]


def books_of(period: Period) -> Books:
    first, last = period.of_year_so_far
    holdings = _holdings(period)
    used = use_by("month", "account_name", "user_name", accounts=None, first=first, last=last)
    return Books(
        holdings=list(holdings.values()),
        use=[
            Use(month, holdings[account], user_name, amount.gpu_seconds)
            for (month, account, user_name), amount in used.items()
            if account in holdings and amount.gpu_seconds
        ],
        firm_since=_firm_since(holdings.values()),
        cases=list(_cases(period)),
        refunds=list(_refunds(period)),
        capacity=list(_capacity(first, last)),
    )


def _holdings(period: Period) -> dict[str, Holding]:
    """By account name."""
    grants = Grant.objects.filter(project=OuterRef("project"), application__isnull=False, starts_at__lt=period.end)
    newest = grants.order_by("-starts_at", "-pk").annotate(domain=KeyTextTransform("domain", "application__answers"))
    used = UsageMonth.objects.filter(account_name=OuterRef("name"), gpu_seconds__gt=0).order_by("month")
    named = InstitutionDomain.objects.filter(institution=OuterRef("project__institution"))
    rows = Account.objects.annotate(
        field=Subquery(newest.values("domain")[:1]),
        used_since=Subquery(used.values("month")[:1]),
        **{group: Exists(named.filter(domain=domain)) for group, domain in NAMED.items()},
    ).order_by("pool__position", "pool__code", "name")
    return {
        name: Holding(project, institution, _group(kind, own), kind, field or "", pool, Name(ko, en), since)
        for name, project, institution, kind, field, pool, ko, en, since, *own in rows.values_list(
            "name", "project", "project__institution", "project__institution__kind", "field",
            "pool__code", "pool__name_ko", "pool__name_en", "used_since", *NAMED,
        )
    }  # fmt: skip


def _group(kind: str, own: Iterable[bool]) -> str:
    named = next((group for group, is_it in zip(NAMED, own, strict=True) if is_it), OTHERS)
    return FIRMS if kind == FIRM else named


def _firm_since(holdings: Iterable[Holding]) -> dict[int, date]:
    since: dict[int, date] = {}
    for row in holdings:
        if row.sector == FIRM and row.used_since:
            since[row.institution] = min(row.used_since, since.get(row.institution, row.used_since))
    return since


def _cases(period: Period) -> Iterable[Case]:
    """Those handed in or decided in the year until the period's end."""
    start, end = month_bounds(period.of_year_so_far[0])[0], period.end
    announced = {"decision__announced_at__gte": start, "decision__announced_at__lt": end}
    ineligible = {"status": ApplicationStatus.INELIGIBLE, "status_since__gte": start, "status_since__lt": end}
    rows: QuerySet[Application] = Application.objects.filter(
        Q(submitted_at__gte=start, submitted_at__lt=end) | Q(**announced) | Q(**ineligible)
    ).order_by()
    requested = RequestLine.objects.filter(application=OuterRef("pk")).order_by().values("application")
    awarded = DecisionLine.objects.filter(decision__application=OuterRef("pk")).order_by().values("decision")
    for pk, institution, kind, submitted, status, since, outcome, announced_at, asked, given in rows.values_list(
        "pk", "institution", "institution__kind", "submitted_at", "status", "status_since",
        "decision__outcome", "decision__announced_at",
        Coalesce(Subquery(requested.values(sum=Sum("requested_gpu_seconds"))), 0),
        Coalesce(Subquery(awarded.values(sum=Sum("awarded_gpu_seconds"))), 0),
    ):  # fmt: skip
        decided = since if status == ApplicationStatus.INELIGIBLE else announced_at
        yield Case(
            party=party(kind, institution, pk),
            received=month_of(submitted),
            decided=month_of(decided) if decided else None,
            selected=bool(announced_at) and outcome in Decision.SELECTS,
            requested=asked,
            awarded=given,
            waited=int((decided - submitted).total_seconds()) if decided else 0,
        )


def _refunds(period: Period) -> Iterable[Refunded]:
    start = month_bounds(period.of_year_so_far[0])[0]
    entries = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.REFUND, at__gte=start, at__lt=period.end)
    project = "line__grant__project"
    rows = entries.order_by().annotate(month=TruncMonth("at"))
    for month, own, institution, kind, amount in rows.values_list(
        "month", project, f"{project}__institution", f"{project}__institution__kind"
    ).annotate(Sum("gpu_seconds")):
        yield Refunded(month_of(month), party(kind, institution, own), amount)


def _capacity(first: date, last: date) -> Iterable[Capacity]:
    days = ClusterDay.objects.filter(gpu_kind="", day__gte=first, day__lte=last).order_by()
    sums = days.annotate(month=TruncMonth("day")).values_list("month")
    for row in sums.annotate(Sum("installed"), Sum("allocated"), out=Sum(F("down") + F("planned_down"))):
        yield Capacity(*row)
