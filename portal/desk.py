"""What waits for the reader, by kind, each with its page and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Window
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from allocations.models import Application, Call
from allocations.selectors.changes import changes_to_decide
from allocations.selectors.office import late_ones, technical_queue, waiting_for_office
from allocations.selectors.panel import to_decide
from allocations.selectors.reviewers import waiting_waivers
from allocations.selectors.reviews import reviews_due
from allocations.selectors.usernames import names_to_see_to
from allocations.workdays import end_of_day
from allocations.workflow import ApplicationStatus
from portal.home import Own
from portal.people.models import User
from portal.people.permissions import Permission

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to do. `late` says that its deadline has passed."""

    title: str
    link: str
    due_at: datetime | None = None
    late: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pile:
    """Things of one kind: the first few, how many there are, and the page with all of them."""

    title: str
    shown: list[Waiting]
    count: int
    link: str = ""
    # Rows stand for several things each, so that none is left out.
    grouped: bool = False

    @property
    def more(self) -> int:
        return 0 if self.grouped else self.count - len(self.shown)


def piles(own: Own, at: datetime) -> list[Pile]:
    """What the reader has to do, what concerns themselves first. Kinds of which nothing waits are left out."""
    mine = [pile for part in OWN_PARTS for pile in part(own, at)]
    work = [pile for part in PARTS for pile in part(own.user, at)]
    return [pile for pile in [*mine, *work] if pile.count]


def _pile(title: str, waiting: Iterable[Waiting], link: str = "") -> Pile:
    rows = list(waiting)
    return Pile(title, rows[:MOST_SHOWN], len(rows), link)


def _of_application(application: Application, url_name: str, at: datetime) -> Waiting:
    due_at = application.due_at
    return Waiting(
        title=f"{application.number or ''} {application.title}".strip(),
        link=reverse(url_name, args=[application.pk]),
        due_at=due_at,
        late=due_at is not None and due_at < at,
    )


def _answers(own: Own, at: datetime) -> Iterator[Pile]:
    returned = [row for row in own.applications if row.status == ApplicationStatus.RETURNED]
    offered = [row for row in own.applications if row.status == ApplicationStatus.OFFERED]
    yield _pile(_("Agreements to make"), (_of_application(row, "offer", at) for row in offered))
    yield _pile(_("Corrections asked of you"), (_of_application(row, "application_edit", at) for row in returned))


def _own_name(own: Own, at: datetime) -> Iterator[Pile]:
    """A member who has no name on the cluster cannot submit anything."""
    user = own.user
    if user.cluster_username or not own.projects:
        return
    note = _("was refused: choose another") if user.cluster_username_refusal else _("without it you cannot submit jobs")
    yield _pile(_("Your cluster user name"), [Waiting(_("Choose a user name"), reverse("profile"), note=note)])


def _reports(own: Own, at: datetime) -> Iterator[Pile]:
    def waiting() -> Iterator[Waiting]:
        for project in own.managed:
            for grant in own.dates[project.pk].grants:
                if grant.report_due_on:
                    due_at = end_of_day(grant.report_due_on)
                    link = reverse("final_report", args=[project.code, grant.pk])
                    yield Waiting(f"{project.code} {project.title}", link, due_at, due_at < at)

    yield _pile(_("Final reports to write"), waiting())


def _reviews(user: User, at: datetime) -> Iterator[Pile]:
    """Number and title only: in a blind call nothing else may be shown."""

    def waiting() -> Iterator[Waiting]:
        for row in reviews_due(user):
            yield Waiting(
                title=f"{row.application.number} {row.application.title}",
                link=reverse("review", args=[row.application.pk]),
                due_at=row.review.due_at,
                late=row.review.is_late(at),
                note=_("begun") if row.review.declared_at else "",
            )

    yield _pile(_("Reviews to write"), waiting(), reverse("review_queue"))


def _technical(user: User, at: datetime) -> Iterator[Pile]:
    if user.can(Permission.APPLICATION_ASSESS):
        rows = [row for row in technical_queue(user, at) if row.begun is None or row.begun.reviewer_id == user.pk]
        waiting = (_of_application(row.application, "technical_review", at) for row in rows)
        yield _pile(_("Technical reviews to write"), waiting, reverse("technical_queue"))


def _office(user: User, at: datetime) -> Iterator[Pile]:
    """Who checks applications assigns reviewers, too."""
    if not (user.can(Permission.APPLICATION_CHECK) and user.can(Permission.REVIEWER_MANAGE)):
        return
    to_check, lacking = waiting_for_office(user)
    everything = reverse("office_applications")
    in_check = f"{everything}?status={ApplicationStatus.SUBMITTED}"
    yield _pile(
        _("Eligibility to check"), (_of_application(row, "office_application", at) for row in to_check), in_check
    )
    others = late_ones(at).exclude(pk__in=[row.pk for row in to_check]).annotate(in_all=Window(Count("pk")))
    late: list[Any] = list(others.select_related("call").order_by("due_at", "pk")[:MOST_SHOWN])
    count = late[0].in_all if late else 0
    yield Pile(_("Late with others"), [_late(row) for row in late], count, f"{everything}?late=1")
    rows = (_of_application(row, "application_reviewers", at) for row in lacking)
    yield _pile(_("Applications that lack reviewers"), rows, reverse("reviewer_list"))
    waivers = (
        Waiting(
            title=f"{waiver.application.number} {waiver.application.title}",
            link=reverse("application_reviewers", args=[waiver.application_id]),
            note=str(waiver.reviewer),
        )
        for waiver in waiting_waivers(user)
    )
    yield _pile(_("Waivers of a conflict of interest to confirm"), waivers, reverse("reviewer_list"))


def _late(application: Application) -> Waiting:
    return Waiting(
        title=f"{application.number} {application.title}",
        link=reverse("office_application", args=[application.pk]),
        due_at=application.due_at,
        late=True,
        note=str(application.get_status_display()),
    )


def _to_decide(applications: list[Application], at: datetime) -> Pile:
    """A call's applications are decided side by side: several of one call are one row, which leads to the ranking."""
    by_call: dict[Call, list[Application]] = {}
    for row in applications:
        by_call.setdefault(row.call, []).append(row)
    rows = [
        _of_call(call, waiting, at) if len(waiting) > 1 else _of_application(waiting[0], "decide", at)
        for call, waiting in by_call.items()
    ]
    return Pile(_("Applications to decide on"), rows, len(applications), reverse("panel"), grouped=True)


def _of_call(call: Call, waiting: list[Application], at: datetime) -> Waiting:
    due_at = min((row.due_at for row in waiting if row.due_at is not None), default=None)
    note = ngettext("%(number)s application", "%(number)s applications", len(waiting)) % {"number": len(waiting)}
    link = reverse("panel_call", args=[call.pk])
    return Waiting(call.title, link, due_at, late=due_at is not None and due_at < at, note=note)


def _decisions(user: User, at: datetime) -> Iterator[Pile]:
    yield _to_decide(to_decide(user), at)
    if user.can(Permission.APPLICATION_DECIDE):
        unannounced = Call.objects.filter(applications__status=ApplicationStatus.DECIDED).distinct()
        calls = (Waiting(call.title, reverse("panel_call", args=[call.pk])) for call in unannounced)
        yield _pile(_("Decisions to announce"), calls, reverse("panel"))
    changes = (
        Waiting(
            title=f"{row.project.code} {row.get_kind_display()}",
            link=reverse("change", args=[row.pk]),
            due_at=row.due_at,
            late=row.due_at is not None and row.due_at < at,
            note=row.in_words,
        )
        for row in changes_to_decide(user)
    )
    yield _pile(_("Changes of grants to decide on"), changes, reverse("change_queue"))


def _user_names(user: User, at: datetime) -> Iterator[Pile]:
    if not user.can(Permission.OPERATIONS_CHANGE):
        return
    page = reverse("operations_people")
    people = list(names_to_see_to(user))
    asked = (
        Waiting(f"{person.cluster_username} · {person.display_name}", page, note=str(person.institution or ""))
        for person in people
        if person.cluster_username_approved_at is None
    )
    yield _pile(_("User names to approve"), asked, page)
    logins = (
        Waiting(
            f"{person.cluster_username} · {person.display_name}",
            page,
            note=_("missing on the cluster") if person.cluster_username_lost_at else _("to be made"),
        )
        for person in people
        if person.cluster_username_approved_at is not None
    )
    yield _pile(_("Logins on the cluster to make or look for"), logins, page)


OWN_PARTS: tuple[Callable[[Own, datetime], Iterator[Pile]], ...] = (_answers, _own_name, _reports)
PARTS: tuple[Callable[[User, datetime], Iterator[Pile]], ...] = (
    _reviews,
    _technical,
    _office,
    _decisions,
    _user_names,
)
