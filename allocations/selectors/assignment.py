"""What assigning would do in a call: who would get what, and what cannot be filled and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Prefetch, Q
from django.utils.translation import override

from allocations.assignment import Candidate, Plan, Task, assign
from allocations.conflicts import Conflict, Pair, conflicts, is_named, named_people
from allocations.fields import BY_NAME, keywords_of
from allocations.models import Application, Call, Review, ReviewerProfile
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class ReviewerLoad:
    """A reviewer who may be asked: reviews of this call (open and done) and open ones of other calls count as load."""

    reviewer: User
    profile: ReviewerProfile
    load: int
    open_reviews: int

    @property
    def room(self) -> int:
        return max(0, self.profile.most_at_once - self.open_reviews)


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """An application under review: who reviews it, whom the portal would ask, how many are lacking even then, and how
    many reviewers cannot be asked for each reason; `suggested` ones because the applicant's list gives one at most."""

    application: Application
    reviews: list[Review]
    proposed: list[User] = field(default_factory=list)
    lacking: int = 0
    barred: list[tuple[Conflict, int]] = field(default_factory=list)
    asked_before: int = 0
    suggested: int = 0
    full: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    rows: list[AssignmentRow]
    loads: list[tuple[ReviewerLoad, int]]

    @property
    def proposed(self) -> int:
        return sum(len(row.proposed) for row in self.rows)

    @property
    def lacking(self) -> int:
        return sum(row.lacking for row in self.rows)


def under_review(call: Call) -> list[Application]:
    """The call's applications in scientific review, with everything an assignment needs to know of them."""
    found = call.applications.filter(status=ApplicationStatus.REVIEW).select_related("call", "tier", "institution")
    reviews = Review.objects.select_related("reviewer", "reviewer__institution")
    return list(found.prefetch_related(Prefetch("reviews", queryset=reviews)).order_by("submitted_at", "pk"))


def judgeable(call: Call, person: User) -> set[int]:
    """The call's applications in which the person has no stake, by key."""
    return set(call.applications.without_stake_of(person).values_list("pk", flat=True))


def reviewer_loads(call: Call) -> list[ReviewerLoad]:
    """Everybody who reviews and has not paused. Three queries."""
    current = Q(reviews__released_at=None, reviews__isnull=False)
    in_call = current & Q(reviews__application__call=call)
    open_ones = current & Q(reviews__submitted_at=None) & Q(reviews__application__status=ApplicationStatus.REVIEW)
    people = User.objects.filter(pk__in=User.objects.who_can(Permission.APPLICATION_REVIEW).values("pk"))
    counted = (
        people.select_related("reviewer_profile", "institution")
        .annotate(
            of_call=Count("reviews", filter=in_call),
            open_elsewhere=Count("reviews", filter=open_ones & ~Q(reviews__application__call=call)),
            open_reviews=Count("reviews", filter=open_ones),
        )
        .order_by("pk")
    )
    rows = [
        ReviewerLoad(
            reviewer=person,
            profile=_profile(person),
            load=person.of_call + person.open_elsewhere,
            open_reviews=person.open_reviews,
        )
        for person in counted
    ]
    return [row for row in rows if row.profile.paused_at is None]


def _profile(person: User) -> ReviewerProfile:
    return getattr(person, "reviewer_profile", None) or ReviewerProfile(user=person)


def assignment_of(call: Call, among: Container[int] | None = None) -> Assignment:
    """What the portal would assign now: to all the call's applications under review, or those `among` the keys."""
    applications = [row for row in under_review(call) if among is None or row.pk in among]
    loads = reviewer_loads(call)
    found = conflicts(applications, [row.reviewer for row in loads])
    surplus = {row.pk: surplus_suggestions(row, loads, found) for row in applications}
    plan = assign(
        [_task(row, surplus[row.pk] | {person for key, person in found if key == row.pk}) for row in applications],
        [Candidate(row.reviewer.pk, row.load, row.room, plain_keywords(row.profile.keywords)) for row in loads],
    )
    people = {row.reviewer.pk: row for row in loads}
    return Assignment(
        rows=[_row(row, plan, people, found, surplus[row.pk]) for row in applications],
        loads=[(row, plan.loads[row.reviewer.pk]) for row in loads],
    )


def plain_keywords(keywords: Iterable[object]) -> frozenset[str]:
    """Keywords as they compare: whatever their case and spaces."""
    return frozenset("".join(str(word).split()).casefold() for word in keywords)


def surplus_suggestions(
    application: Application, loads: Iterable[ReviewerLoad], found: Mapping[Pair, object]
) -> set[int]:
    """Of those whom the applicant suggests, everybody but the one who fits best: at most one review is theirs. Reads
    `application.reviews` with their reviewers, which lists prefetch."""
    names = suggested_people(application)
    named = [row for row in loads if (application.pk, row.reviewer.pk) not in found and is_named(row.reviewer, names)]
    if any(review.released_at is None and is_named(review.reviewer, names) for review in application.reviews.all()):
        return {row.reviewer.pk for row in named}
    words = application_keywords(application) if named else frozenset()
    named.sort(key=lambda row: (-len(words & plain_keywords(row.profile.keywords)), row.load, row.reviewer.pk))
    return {row.reviewer.pk for row in named[1:]}


def suggested_people(application: Application) -> str:
    return named_people(application.answers.get("suggested_reviewers"))


def _task(application: Application, barred: set[int]) -> Task:
    return Task(
        pk=application.pk,
        needed=lacking_reviews(application),
        barred=frozenset(barred | {review.reviewer_id for review in application.reviews.all()}),
        keywords=application_keywords(application),
    )


def application_keywords(application: Application) -> frozenset[str]:
    """The applicant's keywords, with the field and domain in both languages: reviewers write either."""
    words: list[object] = [*keywords_of(application)]
    for name in ("research_field", "domain"):
        label = dict(BY_NAME[name].choices).get(application.answers.get(name))
        if label is not None:
            for language in ("ko", "en"):
                with override(language):
                    words.append(str(label))
    return plain_keywords(words)


def lacking_reviews(application: Application) -> int:
    """How many more reviewers it needs; reads `application.reviews`, which lists prefetch."""
    current = sum(review.released_at is None for review in application.reviews.all())
    return max(0, application.reviews_needed - current)


def _row(
    application: Application,
    plan: Plan,
    people: dict[int, ReviewerLoad],
    found: Mapping[Pair, frozenset[Conflict]],
    surplus: set[int],
) -> AssignmentRow:
    reviews = list(application.reviews.all())
    proposed = plan.assigned[application.pk]
    asked = {review.reviewer_id for review in reviews}
    why = Counter(kind for pk in people if pk not in asked for kind in found.get((application.pk, pk), ()))
    aside = asked | surplus | set(proposed)
    free = [pk for pk in people if pk not in aside and (application.pk, pk) not in found]
    return AssignmentRow(
        application=application,
        reviews=[review for review in reviews if review.released_at is None],
        proposed=[people[pk].reviewer for pk in proposed],
        lacking=plan.lacking.get(application.pk, 0),
        barred=sorted(why.items(), key=lambda item: (-item[1], item[0])),
        asked_before=sum(review.released_at is not None for review in reviews),
        suggested=len(surplus - asked),
        full=len(free) if plan.lacking.get(application.pk) else 0,
    )
