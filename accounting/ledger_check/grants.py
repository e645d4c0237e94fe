"""Grants held against their ledger: balances, awards, overruns, settlements, refunds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.utils.translation import gettext_noop as _

from accounting.balance import account_balance, current_lines, lines_of
from accounting.ledger_check.findings import Checked
from accounting.models import Refund
from allocations.budget import FLOORING_GPU_SECONDS
from allocations.models import Account, Grant, GrantLine, LedgerEntry, Overrun

Kind = LedgerEntry.Kind


def balances(at: datetime) -> Checked:
    """What an account may use, less what it used, is the sum of its ledger less what was charged."""
    found = Checked()
    accounts = list(Account.objects.select_related("pool").order_by("name"))
    lines = lines_of({account.project_id for account in accounts})
    sums = _sums("line")
    for account in accounts:
        of_account = lines[account.project_id, account.pool_id]
        for line in of_account:
            found.look(
                line.granted_gpu_seconds == sums.get((line.key,), 0),
                _("%(account)s: a grant counts with %(counted)s GPU-seconds; its ledger comes to %(ledger)s."),
                account=account.name,
                counted=line.granted_gpu_seconds,
                ledger=sums.get((line.key,), 0),
            )
        if balance := account_balance(account.pool, of_account, None, at):
            current = current_lines(of_account, at)[1]
            rest = sum(sums.get((line.key,), 0) - line.charged_gpu_seconds for line in current)
            found.look(
                balance.left - balance.overrun == rest,
                _("%(account)s: %(shown)s GPU-seconds are shown as left; ledger less charges comes to %(rest)s."),
                account=account.name,
                shown=balance.left - balance.overrun,
                rest=rest,
            )
    return found


def awards(at: datetime) -> Checked:
    """The award that opens each line is what was decided on the application."""
    found = Checked()
    entered: defaultdict[int, dict[int, int]] = defaultdict(dict)
    rows = LedgerEntry.objects.filter(kind=Kind.AWARD).values_list("line__grant", "line__pool", "gpu_seconds")
    for of_grant, pool, gpu_seconds in rows:
        entered[of_grant][pool] = gpu_seconds
    decided = Grant.objects.filter(application__decision__isnull=False).select_related("project", "application")
    for grant in decided.prefetch_related("application__decision__lines").order_by("pk"):
        lines = grant.application.decision.lines.all()  # type: ignore[union-attr]
        awarded = {line.pool_id: line.awarded_gpu_seconds for line in lines}
        found.look(
            entered[grant.pk] == awarded,
            _("Grant %(grant)s: the ledger awards %(ledger)s GPU-seconds; %(decided)s were decided."),
            grant=str(grant),
            ledger=sum(entered[grant.pk].values()),
            decided=sum(awarded.values()),
        )
    return found


def overruns(at: datetime) -> Checked:
    """What the ledger says of overruns, on the lines that had them and on those that bear them, is what became of
    them."""
    found = Checked()
    made_up = _sums("line", kind__in=LedgerEntry.COVERING, gpu_seconds__gt=0)
    borne = _sums("line", kind=Kind.OVERRUN, gpu_seconds__lt=0)
    closed = _by_line(Overrun.objects.filter(closed_at__isnull=False).values_list("line", "gpu_seconds"))
    carried = _by_line(Overrun.objects.filter(carried_to__isnull=False).values_list("carried_to", "gpu_seconds"))
    lines = _lines(key for (key,) in {*made_up, *borne, *closed, *carried})
    for key, line in lines.items():
        found.look(
            made_up.get((key,), 0) == closed.get((key,), 0),
            _("%(line)s: the ledger makes up for %(ledger)s GPU-seconds of overruns; %(closed)s were dealt with."),
            line=line,
            ledger=made_up.get((key,), 0),
            closed=closed.get((key,), 0),
        )
        found.look(
            -borne.get((key,), 0) == carried.get((key,), 0),
            _("%(line)s: the ledger takes %(ledger)s GPU-seconds for overruns; %(carried)s were carried to it."),
            line=line,
            ledger=-borne.get((key,), 0),
            carried=carried.get((key,), 0),
        )
    return found


def settlements(at: datetime) -> Checked:
    """A line is settled after its end with what was charged then, and what went beyond its award has a name."""
    found = Checked()
    settled = GrantLine.objects.filter(Q(settled_at__isnull=False) | Q(settled_gpu_seconds__isnull=False))
    rows = settled.select_related("pool", "grant__project", "grant__application")
    for line in rows.prefetch_related("entries", "overruns").order_by("pk"):
        if line.settled_at is None or line.settled_gpu_seconds is None or line.settled_at < line.grant.ends_at:
            found.look(False, _("%(line)s is settled without having ended, or without an amount."), line=str(line))
            continue
        over = line.settled_gpu_seconds - _granted_when_settled(line, line.settled_at)
        due = over if over >= FLOORING_GPU_SECONDS else 0
        named = sum(row.gpu_seconds for row in line.overruns.all() if row.found_at == line.settled_at)
        found.look(
            named == due,
            _("%(line)s was settled with an overrun of %(due)s GPU-seconds; %(named)s are named as such."),
            line=str(line),
            due=due,
            named=named,
        )
    return found


def refunds(at: datetime) -> Checked:
    """Job by job, what the ledger gives back is what was refunded."""
    found = Checked()
    entered = _sums("line", "job_key", kind=Kind.REFUND)
    refunded: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    names: dict[tuple[Any, ...], str] = {}
    for refund in Refund.objects.select_related("job").iterator():
        key = (refund.line_id, refund.job.key)
        refunded[key] += refund.refunded_gpu_seconds
        names[key] = refund.job.display_id
    for key in sorted(entered.keys() | refunded.keys()):
        found.look(
            entered.get(key, 0) == refunded.get(key, 0),
            _("Job %(job)s: the ledger gives back %(ledger)s GPU-seconds; %(refunded)s were refunded."),
            job=names.get(key) or key[1] or "?",
            ledger=entered.get(key, 0),
            refunded=refunded.get(key, 0),
        )
    return found


def _granted_when_settled(line: GrantLine, moment: datetime) -> int:
    """By what its ledger said then. Overruns are dealt with after they were found, if only just."""
    return sum(
        entry.gpu_seconds
        for entry in line.entries.all()
        if entry.at < moment or (entry.at == moment and entry.kind not in LedgerEntry.COVERING)
    )


def _sums(*keys: str, **only: Any) -> Mapping[tuple[Any, ...], int]:
    """The ledger summed up by these fields."""
    rows = LedgerEntry.objects.filter(**only).order_by().values_list(*keys).annotate(sum=Sum("gpu_seconds"))
    return {tuple(key): amount for *key, amount in rows}


def _by_line(rows: Iterable[tuple[Any, int]]) -> Mapping[tuple[int], int]:
    sums: defaultdict[tuple[int], int] = defaultdict(int)
    for line, gpu_seconds in rows:
        sums[line,] += gpu_seconds
    return sums


def _lines(keys: Iterable[int]) -> dict[int, str]:
    rows = GrantLine.objects.filter(pk__in=list(keys)).select_related("pool", "grant__project", "grant__application")
    return {line.pk: str(line) for line in rows.order_by("pk")}
