"""What of a reader's own stands on the home page: projects with their figures, applications with who has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounting.agenda import Coming, agenda
from accounting.figures import Figures, figures_of_projects
from accounting.models import QueueJob
from allocations.models import Application, Grant, Membership, Project
from allocations.selectors.dates import ProjectDates, dates_of
from allocations.selectors.projects import SubmitLine, submit_line
from allocations.standing import Standing, standing
from allocations.workflow import CLOSED, ApplicationStatus
from portal.people.models import User

MOST_PROJECTS = 4
MOST_COMING = 3
# How long an application that is over stays on the page.
STAYS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """`project` has `people`, `running` and `waiting`: how many there are."""

    project: Any
    figures: Figures
    coming: list[Coming]
    submit_lines: list[SubmitLine]


@dataclass(frozen=True, slots=True)
class ApplicationCard:
    application: Application
    standing: Standing
    late: bool


@dataclass(frozen=True, slots=True)
class Own:
    """A person's own things, read once for all parts of the page that ask for them."""

    user: User
    projects: list[Any]
    dates: dict[int, ProjectDates]
    applications: list[Application]

    @property
    def managed(self) -> list[Any]:
        """Projects the person leads, or is the delegate of."""
        return [row for row in self.projects if row.pi_id == self.user.pk or row.is_delegate]


def own_things(user: User, at: datetime) -> Own:
    """At most five queries, two where there is neither project nor application."""
    projects = list(_projects(user, at))
    dates = dates_of([project.pk for project in projects], at) if projects else {}
    return Own(user, projects, dates, list(_applications(user, at)))


def project_cards(own: Own, at: datetime) -> list[ProjectCard]:
    """Of the first few projects: three queries."""
    shown = own.projects[:MOST_PROJECTS]
    figures = figures_of_projects([project.pk for project in shown], at)
    return [_card(project, figures[project.pk], own.dates[project.pk], at) for project in shown]


def application_cards(own: Own, at: datetime) -> list[ApplicationCard]:
    cards = []
    for application in own.applications:
        now = standing(application)
        cards.append(ApplicationCard(application, now, now.is_late(at)))
    return cards


def _card(project: Project, figures: Figures, dates: ProjectDates, at: datetime) -> ProjectCard:
    coming = agenda(project, dates, [pool.outlook for pool in figures.pools], at)
    lines = [submit_line(pool.account) for pool in figures.pools]
    return ProjectCard(project, figures, coming[:MOST_COMING], [line for line in lines if line.usable])


def _projects(user: User, at: datetime) -> QuerySet[Project]:
    """Those whose grant runs first, then the newest."""
    delegated = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE, is_delegate=True)
    queue = QueueJob.objects.filter(account__project=OuterRef("pk")).order_by().values("account__project")
    waiting = queue.filter(state="PENDING")
    running = queue.exclude(state="PENDING")
    return (
        Project.objects.of(user)
        .select_related("pi")
        .annotate(
            is_delegate=Exists(delegated.filter(project=OuterRef("pk"))),
            people=Count("memberships", filter=Q(memberships__status=Membership.Status.ACTIVE)),
            runs=Exists(Grant.objects.filter(project=OuterRef("pk"), starts_at__lte=at, ends_at__gt=at)),
            running=_count(running),
            waiting=_count(waiting),
        )
        .order_by("-runs", "-code")
    )


def _count(rows: QuerySet[Any]) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(number=Count("pk")).values("number")), 0)


def _applications(user: User, at: datetime) -> Sequence[Application]:
    """Open ones, and those that were closed lately without a grant; what is due first comes first."""
    over = [*(CLOSED - {ApplicationStatus.AWARDED})]
    lately = Q(status__in=over, status_since__gt=at - STAYS)
    rows = Application.objects.filter(~Q(status__in=CLOSED) | lately, applicant=user)
    found = rows.select_related("call", "tier").prefetch_related("reviews").order_by("due_at", "-pk")
    return list(found)
