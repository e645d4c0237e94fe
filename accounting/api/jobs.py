"""Jobs that ended, in parts that go on where the last one stopped, and those that run or wait now."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounting.api import schemas
from accounting.api.answers import pools_of
from accounting.api.problems import bad_parameter
from accounting.api.schemas import hours
from accounting.balance import Balance
from accounting.models import Job, QueueJob
from accounting.names import names_of
from accounting.now import why_it_waits
from accounting.outlooks import standings_of
from accounting.usage import day_bounds, day_start, seconds
from accounting.words import is_about_a_limit, state_words
from allocations.models import Account, MemberCap, Project

MOST_QUEUED = 1000


def ended_jobs(project: Project, asked: schemas.JobsAsked) -> tuple[list[schemas.JobShown], str | None]:
    """One part and the cursor of the next: a query for each pool and two more. Raises Problem for a cursor that is not
    one of ours."""
    pools = pools_of(project)
    found = [job for account in pools for job in _ended(account, asked)[: asked.limit + 1]]
    found.sort(key=lambda job: (job.until, job.pk), reverse=True)
    jobs = found[: asked.limit]
    names = names_of({job.user for job in jobs})
    following = _cursor(jobs[-1]) if len(found) > len(jobs) else None
    return [_shown(job, pools, names) for job in jobs], following


def _ended(account: str, asked: schemas.JobsAsked) -> QuerySet[Job]:
    """Of one account, since the index goes by account and end."""
    jobs = Job.objects.filter(account=account, final=True, end__isnull=False).order_by("-end", "-pk")
    if asked.first:
        jobs = jobs.filter(end__gte=day_start(asked.first))
    if asked.last:
        jobs = jobs.filter(end__lt=day_bounds(asked.last)[1])
    if asked.state:
        jobs = jobs.filter(state=asked.state.upper())
    if asked.user:
        jobs = jobs.filter(user=asked.user)
    if asked.cursor:
        end, pk = _place(asked.cursor)
        jobs = jobs.filter(end__lte=end).exclude(end=end, pk__gte=pk)
    return jobs


def _cursor(job: Job) -> str:
    return urlsafe_b64encode(f"{job.until.isoformat()} {job.pk}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, int]:
    try:
        end, pk = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        return datetime.fromisoformat(end), int(pk)
    except ValueError:
        raise bad_parameter("cursor", _("Write `next` of the answer before, as it was.")) from None


def _shown(job: Job, pools: dict[str, str], names: dict[str, str]) -> schemas.JobShown:
    return schemas.JobShown(
        job=job.display_id,
        person=job.user,
        person_name=names.get(job.user, ""),
        account=job.account,
        pool=pools[job.account],
        partition=job.partition,
        state=job.state,
        state_words=str(state_words(job.state).words),
        gpus=job.gpus,
        submitted_at=job.submit,
        eligible_at=job.eligible,
        started_at=job.start,
        ended_at=job.until,
        time_limit_minutes=job.time_limit_minutes,
        exit_code=job.exit_code,
        used=hours(job.gpus * seconds(job.start, job.until) if job.start else 0),
    )


def queue_of(projects: Iterable[Project], at: datetime) -> tuple[list[schemas.QueueShown], bool]:
    """Jobs of these projects that run or wait, and whether there are more than are listed: one query besides theirs,
    and three where a job waits for hours of a project or a person."""
    accounts = Account.objects.filter(project__in=[project.pk for project in projects])
    rows = QueueJob.objects.filter(account__in=accounts).select_related("account__project")
    found = list(rows[: MOST_QUEUED + 1])
    limited = {job.account.project_id for job in found if is_about_a_limit(job.reason)}
    standings = standings_of(limited, at) if limited else []
    balances = {row.account.pk: row.balance for row in standings}
    capped = _capped(row.account for row in standings) if limited else set()
    shown = [
        _queued(job, balances.get(job.account_id), (job.account_id, job.user_name) in capped)
        for job in found[:MOST_QUEUED]
    ]
    return shown, len(found) > MOST_QUEUED


def _capped(accounts: Iterable[Account]) -> set[tuple[int, str]]:
    """(account's key, cluster user name) of people with a cap of their own."""
    keys = {(account.project_id, account.pool_id): account.pk for account in accounts}
    caps = MemberCap.objects.filter(membership__project__in={project for project, _ in keys}).order_by()
    found = caps.values_list("membership__project", "pool", "membership__user__cluster_username")
    return {(keys[project, pool], name or "") for project, pool, name in found if (project, pool) in keys}


def _queued(job: QueueJob, balance: Balance | None, capped: bool) -> schemas.QueueShown:
    words = None if job.running else why_it_waits(job, balance, capped=capped)
    return schemas.QueueShown(
        job=job.display_id,
        project=job.account.project.code,
        account=job.account.name,
        person=job.user_name,
        partition=job.partition,
        running=job.running,
        state=job.state,
        reason="" if job.running else job.reason,
        reason_words=str(words.words) if words else "",
        cure=str(words.cure) if words else "",
        gpus=job.gpus,
        submitted_at=job.submit,
        started_at=job.start,
        time_limit_minutes=job.time_limit_minutes,
    )
