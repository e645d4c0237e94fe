"""Jobs of a project as asked for: found by index, a page at a time, counted no further than anybody pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, When
from django.db.models.functions import Cast, Coalesce, Extract

from accounting.dashboard.ends import COMPLETED
from accounting.dashboard.job_form import Ended, JobForm, Sort
from accounting.dashboard.waits import of_size
from accounting.models import Job, UsageMonth
from accounting.names import names_of
from accounting.refunds.selectors import with_refund
from accounting.usage import day_bounds, day_start

# Who looks for more narrows the search; counting on would cost more than it tells.
MOST_JOBS = 1_000
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))

ENDED: Mapping[str, Q] = {
    Ended.COMPLETED: Q(state=COMPLETED),
    Ended.LOST: Q(final=True) & ~Q(state=COMPLETED),
    Ended.RUNNING: Q(final=False),
}


@dataclass(frozen=True, slots=True)
class Known:
    """Who and what there are jobs of: cluster user names, names of people behind them, partitions."""

    user_names: Sequence[str]
    names: Mapping[str, str]
    partitions: Sequence[str]

    @property
    def people(self) -> list[tuple[str, str]]:
        """(cluster user name, words), in the order of the words."""
        words = [(user, f"{self.names[user]} ({user})" if user in self.names else user) for user in self.user_names]
        return sorted(words, key=lambda row: row[1])


def known_in(accounts: Collection[str]) -> Known:
    """From the months' sums, which are few: two queries."""
    rows = UsageMonth.objects.filter(account_name__in=accounts).order_by()
    pairs = list(rows.values_list("user_name", "partition").distinct())
    user_names = sorted({user_name for user_name, _partition in pairs})
    return Known(user_names, names_of(user_names), sorted({partition for _user, partition in pairs}))


def jobs_asked_for(asked: Mapping[str, Any], accounts: Collection[str]) -> list[QuerySet[Job]]:
    """Jobs of each account that is asked for, by itself: in one account the index is in the order of their ends.

    `asked` is the cleaned data of a JobForm.
    """
    bounds, until = _bounds(asked), Coalesce("end", "last_seen_at")
    wanted = _of_accounts(asked, accounts)
    return [_narrowed(jobs.overlapping(*bounds) if bounds else jobs, asked, until) for jobs in wanted]


def _parts(asked: Mapping[str, Any], accounts: Collection[str]) -> list[QuerySet[Job]]:
    """The same jobs in parts, each to be found and put into order in an index alone, without the table."""
    bounds, parts = _bounds(asked), []
    for jobs in _of_accounts(asked, accounts):
        whole = [jobs.filter(end__isnull=True), jobs.filter(end__isnull=False)]
        running, *ended = jobs.parts_overlapping(*bounds) if bounds else whole
        parts.append(_narrowed(running, asked, F("last_seen_at")))
        parts += [_narrowed(part, asked, F("end")) for part in ended]
    return parts


def _of_accounts(asked: Mapping[str, Any], accounts: Collection[str]) -> list[Any]:
    return [Job.objects.filter(account=name) for name in ([asked["pool"]] if asked.get("pool") else accounts)]


def _narrowed(jobs: Any, asked: Mapping[str, Any], until: Any) -> QuerySet[Job]:
    """`until`: the column up to which the jobs are charged."""
    for name, column in (("person", "user"), ("partition", "partition")):
        if asked.get(name):
            jobs = jobs.filter(**{column: asked[name]})
    if asked.get("ended"):
        jobs = jobs.filter(ENDED[asked["ended"]])
    if asked.get("size"):
        jobs = jobs.filter(of_size(asked["size"]))
    if number := asked.get("number", "").strip():
        same = Q(display_id=number)
        jobs = jobs.filter(same | Q(job_id=int(number)) if number.isdecimal() and len(number) < 19 else same)
    jobs = jobs.annotate(gpu_seconds=_gpu_seconds(until), waited=_span("submit", F("start")))
    return jobs.order_by(*_order(asked))


def _bounds(asked: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    first, last = asked.get("first"), asked.get("last")
    if not first and not last:
        return None
    start, end = ALWAYS
    return day_start(first) if first else start, day_bounds(min(last, end.date()))[1] if last else end


def _span(begin: str, end: Any) -> Cast:
    return Cast(Extract(end - F(begin), "epoch"), BigIntegerField())


def _gpu_seconds(until: Any) -> Case:
    """As accounting.usage.charged_gpu_seconds; 0 for what never started."""
    ran = When(start__lt=until, then=F("gpus") * _span("start", until))
    return Case(ran, default=0, output_field=BigIntegerField())


def _order(asked: Mapping[str, Any]) -> list[Any]:
    """Running ones have no end yet and come first."""
    if asked.get("sort") == Sort.HOURS:
        return [F("gpu_seconds").desc(), "-pk"]
    if asked.get("sort") == Sort.WAIT:
        return [F("waited").desc(nulls_last=True), "-pk"]
    return ["-end", "-pk"]


def _together(parts: Sequence[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    """Rows of several parts in one query; each has had its own limit."""
    return parts[0].union(*parts[1:], all=True) if parts else Job.objects.none()


class FoundJobs:
    """What a Paginator asks of a list: how many there are, and a piece of it."""

    def __init__(self, parts: Sequence[Any], sort: str) -> None:
        self.parts, self.sort = parts, sort

    def count(self) -> int:
        return min(self._counted, MOST_JOBS)

    @property
    def more(self) -> bool:
        """Whether there are more than can be paged to."""
        return self._counted > MOST_JOBS

    @cached_property
    def _counted(self) -> int:
        return _together([part.order_by().values_list("pk")[: MOST_JOBS + 1] for part in self.parts]).count()

    def __getitem__(self, piece: slice) -> list[Job]:
        """Each part's first ones, merged; the rows themselves are read for the piece only."""
        firsts = [part.values_list("pk", "end", "gpu_seconds", "waited")[: piece.stop] for part in self.parts]
        keys = sorted(_together(firsts), key=self._rank, reverse=True)
        wanted = [key[0] for key in keys[piece]]
        found = with_refund(Job.objects.filter(pk__in=wanted))
        rows = {job.pk: job for job in found}
        return [rows[pk] for pk in wanted if pk in rows]

    def _rank(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        pk, end, gpu_seconds, waited = key
        if self.sort == Sort.HOURS:
            return gpu_seconds, pk
        if self.sort == Sort.WAIT:
            return waited is not None, waited or 0, pk
        return end is None, end or ALWAYS[0], pk


def find_jobs(form: JobForm, accounts: Collection[str]) -> FoundJobs:
    """Of a valid form."""
    asked = form.cleaned_data
    return FoundJobs(_parts(asked, accounts), asked.get("sort") or Sort.END)
