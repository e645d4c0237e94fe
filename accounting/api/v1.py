"""The addresses of the first version. What they take and give is described by accounting/api/schemas.py."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NoReturn

from django.http import Http404
from django.urls import URLPattern, re_path
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Query
from ninja.renderers import JSONRenderer

from accounting.api import schemas
from accounting.api.access import Token, TokenRequest, guarded
from accounting.api.answers import figures_read, project_standings, usage_rows
from accounting.api.jobs import ended_jobs, queue_of
from accounting.api.problems import PROBLEMS, READABLE, bad_parameter, not_found
from accounting.api.schemas import hours
from accounting.usage import day_of
from allocations.models import Project

DEFAULT_DAYS = 28
MOST_DAYS = 366


class Readable(JSONRenderer):
    json_dumps_params = READABLE


api = NinjaAPI(
    title="Allocation portal of the Pohang AI Accelerator Center",
    version="1",
    description=(
        "Read-only figures of your projects, as the portal's pages show them. Amounts are exact in GPU-seconds; "
        "GPU-hours have two places, rounded down. Days are days in Korea. Errors are problem+json (RFC 9457)."
    ),
    auth=Token(),
    renderer=Readable(),
    docs_url=None,
)
for error, handler in PROBLEMS:
    api.add_exception_handler(error, handler)


@api.get("me", response=schemas.Me, summary="Whose token it is")
def me(request: TokenRequest) -> schemas.Me:
    user = request.auth.user
    return schemas.Me(
        name=user.display_name,
        email=user.email,
        institution=str(user.institution) if user.institution else None,
        cluster_username=user.cluster_username if user.cluster_username_approved_at else None,
        token=schemas.TokenShown(name=request.auth.name, expires_at=request.auth.expires_at),
    )


@api.get("projects", response=schemas.Projects, summary="Your projects and how they stand")
def projects(request: TokenRequest) -> schemas.Projects:
    """Those you lead or are a member of, by code."""
    own = Project.objects.of(request.auth.user).select_related("pi", "institution")
    standings = project_standings(own, timezone.now())
    return schemas.Projects(figures=figures_read(), projects=standings)


@api.get("projects/{slug:code}", response=schemas.Project, summary="How one project stands")
def project(request: TokenRequest, code: str) -> schemas.Project:
    [standing] = project_standings([_visible(request, code)], timezone.now())
    return schemas.Project(figures=figures_read(), project=standing)


@api.get("projects/{slug:code}/usage", response=schemas.Usage, summary="What was used in a period", exclude_unset=True)
def usage(request: TokenRequest, code: str, asked: Query[schemas.UsageAsked]) -> schemas.Usage:
    """By any of day, month, person, pool, partition, GPU kind and end state; of the last 28 days unless `from` says
    otherwise."""
    found = _visible(request, code)
    by = list(dict.fromkeys(asked.by.split(",")))
    first, last = _period(asked, by)
    rows = usage_rows(found, by, first, last)
    total = schemas.UsageRow(
        used=hours(sum(row.used.gpu_seconds for row in rows)),
        cpu_seconds=sum(row.cpu_seconds for row in rows),
        jobs=sum(row.jobs for row in rows),
    )
    return schemas.Usage(figures=figures_read(), first=first, last=last, total=total, rows=rows)


@api.get("projects/{slug:code}/jobs", response=schemas.Jobs, summary="Jobs that ended")
def jobs(request: TokenRequest, code: str, asked: Query[schemas.JobsAsked]) -> schemas.Jobs:
    """The last to end first, in parts: pass `next` on as `cursor`."""
    shown, following = ended_jobs(_visible(request, code), asked)
    return schemas.Jobs(figures=figures_read(), jobs=shown, next=following)


@api.get("queue", response=schemas.Queue, summary="Jobs of your projects that run or wait now")
def queue(request: TokenRequest, asked: Query[schemas.QueueAsked]) -> schemas.Queue:
    projects = [_visible(request, asked.project)] if asked.project else Project.objects.of(request.auth.user)
    shown, more = queue_of(projects, timezone.now())
    return schemas.Queue(figures=figures_read(), jobs=shown, more=more)


def _visible(request: TokenRequest, code: str) -> Project:
    """One that the person may see on the portal's pages: also others than their own, for operators."""
    rows = Project.objects.visible_to(request.auth.user).select_related("pi", "institution")
    if (found := rows.filter(code=code).first()) is None:
        raise not_found()
    return found


def _period(asked: schemas.UsageAsked, by: list[str]) -> tuple[date, date]:
    last = asked.last or day_of(timezone.now())
    first = asked.first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise bad_parameter("from", _("The first day lies after the last one."))
    if "day" in by and (last - first).days >= MOST_DAYS:
        raise bad_parameter("from", _("By day, ask for a year at most at a time; by month, for as long as you like."))
    return first, last


def nothing_here(request: TokenRequest) -> NoReturn:
    raise Http404


def urls() -> tuple[list[URLPattern], str, str]:
    """With an answer for every address below, so that a script never meets a page of HTML."""
    patterns, app, namespace = api.urls
    own = [pattern for pattern in patterns if isinstance(pattern, URLPattern)]
    return [guarded(pattern) for pattern in [*own, re_path(r"^", nothing_here)]], app, namespace
