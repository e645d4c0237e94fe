"""The chore: what holds now is held against what was said. What is new is stored and mailed in one transaction, once.

Nothing depends on when it runs: after a pause it says all that was passed meanwhile, in one mail a project. Two that
run at once cannot say the same twice, since the database holds one row to a cause.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounting.alerts import mails
from accounting.alerts.findings import AS_TOLD, FAILED, WASTE_DAYS, Facts, Finding, Told, findings, is_due_again
from accounting.alerts.thresholds import Kind, ProjectThresholds, thresholds_of
from accounting.models import Alert, IngestMark
from accounting.outlook import outlook
from accounting.outlooks import recent_use, standings_of
from accounting.usage import day_of
from accounting.use import use_by
from allocations.models import Grant, Pool, Project
from portal.live.notices import announce

log = logging.getLogger(__name__)

PROJECTS_AT_ONCE = 100
# Figures older than this are worth saying, and nothing is concluded from what they do not show.
STALE = timedelta(hours=2)
STALE_HOURS = STALE // timedelta(hours=1)
FROM_USE = (Kind.EARLY, Kind.UNDER, Kind.WASTE)


@dataclass(frozen=True, slots=True)
class Judged:
    """What holds now of one account, and what was said of it."""

    project: int
    pool: Pool
    findings: Sequence[Finding]
    said: Sequence[Alert]


@dataclass
class Round:
    """Through all projects, a piece at a time, so that what else the worker does has its turn in between; one that is
    broken off begins anew, a piece that fails is passed over. `raised`: how many alerts were new."""

    judged_until: int = 0
    raised: int = 0

    def go_on(self, at: datetime) -> bool:
        """True where projects are left. One that cannot be judged keeps no other from being judged."""
        last = IngestMark.current().last_run_at
        stale = is_stale(last, at)
        if not self.judged_until:
            self.raised = _raise_stale(last, at) if last and stale else _end_stale(at)
        keys = _concerned(at, self.judged_until)
        self.judged_until = keys[-1] if len(keys) == PROJECTS_AT_ONCE else 0
        self.raised += _judge(keys, at, stale=stale)
        return self.judged_until > 0


def evaluate(at: datetime) -> int:
    """All projects at once; how many alerts are new."""
    through = Round()
    while through.go_on(at):
        pass
    return through.raised


def _judge(keys: Collection[int], at: datetime, *, stale: bool) -> int:
    thresholds = thresholds_of(keys)
    judged = list(_judged(keys, thresholds, at, stale=stale))
    _follow(judged, at, stale=stale)
    of_project = defaultdict(list)
    for row in judged:
        of_project[row.project].append(row)
    return sum(_raise(key, rows, thresholds[key], at) for key, rows in of_project.items())


def is_stale(last: datetime | None, at: datetime) -> bool:
    """Of the moment when figures were last read; not before they were read for the first time."""
    return last is not None and at - last > STALE


def _concerned(at: datetime, after: int) -> list[int]:
    """The next projects with a grant of today, or of which something stands that may be over."""
    today = Grant.objects.filter(project=OuterRef("pk"), starts_at__lte=at, ends_at__gt=at)
    standing = Alert.objects.filter(project=OuterRef("pk"), over_at=None)
    projects = Project.objects.filter(Exists(today) | Exists(standing), pk__gt=after).order_by("pk")
    return list(projects.values_list("pk", flat=True)[:PROJECTS_AT_ONCE])


def _judged(
    keys: Collection[int], thresholds: Mapping[int, ProjectThresholds], at: datetime, *, stale: bool
) -> Iterator[Judged]:
    standings = standings_of(keys, at)
    accounts = [row.account.name for row in standings]
    use, last_week = recent_use(accounts, at), _last_week(accounts, at)
    said = _said(keys)
    for row in standings:
        account = row.account
        try:
            facts = Facts(outlook(row.balance, use[account.name], at), row.lines, *last_week[account.name], at)
            found = list(findings(facts, thresholds[account.project_id]))
        except Exception:
            log.exception("The alerts of %s could not be judged.", account.name)
            continue
        kept = [finding for finding in found if not (stale and finding.kind in FROM_USE)]
        yield Judged(account.project_id, account.pool, kept, said[account.project_id, account.pool_id])


def _last_week(accounts: Collection[str], at: datetime) -> defaultdict[str, tuple[int, int]]:
    """By account, GPU-seconds of the last seven whole days in jobs that failed, and in all: one query."""
    sums: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    if accounts:
        first, last = day_of(at) - timedelta(days=WASTE_DAYS), day_of(at) - timedelta(days=1)
        used = use_by("account_name", "state", accounts=accounts, first=first, last=last)
        for (name, state), amount in used.items():
            failed, spent = sums[name]
            sums[name] = failed + amount.gpu_seconds * (state in FAILED), spent + amount.gpu_seconds
    return sums


def _said(keys: Collection[int]) -> defaultdict[tuple[int, int | None], list[Alert]]:
    """What was said of these projects, by project and pool."""
    said: defaultdict[tuple[int, int | None], list[Alert]] = defaultdict(list)
    for alert in Alert.objects.filter(project__in=keys).order_by("occasion", "pk"):
        said[alert.project_id or 0, alert.pool_id].append(alert)
    return said


def _follow(judged: Iterable[Judged], at: datetime, *, stale: bool) -> None:
    """What was said and holds no more is over; what holds again stands again, with what the figures say now."""
    changed: list[Alert] = []
    for row in judged:
        now = {finding.key: finding for finding in row.findings}
        latest = {(alert.kind, alert.threshold, alert.cause): alert for alert in row.said}
        for alert in row.said:
            key = (alert.kind, alert.threshold, alert.cause)
            if stale and alert.kind in FROM_USE:
                continue
            holds = now.get(key) if alert is latest[key] else None
            if holds and is_due_again(holds, Told(alert.raised_at, alert.data), at):
                holds = None  # an alert of its own follows
            over_at = None if holds else alert.over_at or at
            data = _kept(alert, holds) if holds else alert.data
            if (over_at, data) != (alert.over_at, alert.data):
                alert.over_at, alert.data = over_at, data
                changed.append(alert)
    Alert.objects.bulk_update(changed, ["over_at", "data"], batch_size=500)


def _kept(alert: Alert, finding: Finding) -> dict[str, object]:
    return {**finding.data, **{name: alert.data[name] for name in AS_TOLD if name in alert.data}}


def _raise(key: int, rows: Sequence[Judged], thresholds: ProjectThresholds, at: datetime) -> int:
    """Store and mail what is new of one project; how many there were."""
    new = [(row.pool, finding, occasion) for row in rows for finding, occasion in _new(row, at)]
    if not new:
        return 0
    try:
        with transaction.atomic():
            project = Project.objects.select_related("pi").get(pk=key)
            alerts = [alert for part in new if (alert := _stored(project, *part, at))]
            if alerts:
                mails.raised(project, alerts, thresholds)
                announce(project.event_topics(), "alerts.raised")
    except Exception:
        log.exception("The alerts of project %s could not be raised.", key)
        return 0
    return len(alerts)


def _new(row: Judged, at: datetime) -> Iterator[tuple[Finding, int]]:
    """What was never said, or came about anew; with how often it came before."""
    latest = {(alert.kind, alert.threshold, alert.cause): alert for alert in row.said}
    for finding in row.findings:
        last = latest.get(finding.key)
        if last is None:
            yield finding, 0
        elif is_due_again(finding, Told(last.raised_at, last.data), at):
            yield finding, last.occasion + 1


def _stored(project: Project | None, pool: Pool | None, finding: Finding, occasion: int, at: datetime) -> Alert | None:
    """None where another process said it meanwhile."""
    alert, created = Alert.objects.get_or_create(
        project=project,
        pool=pool,
        kind=finding.kind,
        threshold=finding.threshold,
        cause=finding.cause,
        occasion=occasion,
        defaults={"data": finding.data, "raised_at": at},
    )
    return alert if created else None


@transaction.atomic
def _raise_stale(last: datetime, at: datetime) -> int:
    """Figures of the whole center that are old: said once for each time they stopped."""
    since = last.isoformat(timespec="seconds")
    if not (alert := _stored(None, None, Finding(Kind.STALE, STALE_HOURS, since, {"since": since}), 0, at)):
        return 0
    Alert.objects.filter(project=None, kind=Kind.STALE, over_at=None).exclude(pk=alert.pk).update(over_at=at)
    mails.figures_stale(last)
    return 1


def _end_stale(at: datetime) -> int:
    Alert.objects.filter(project=None, kind=Kind.STALE, over_at=None).update(over_at=at)
    return 0
