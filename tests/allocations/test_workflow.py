"""Every row of the table of steps, in every state, by everybody: what it allows is done, and nothing else is.

The expectations come from the table (allocations/workflow.py) and from who each person is here, not from
permissions.py or the services, which are what is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection, transaction

from allocations.fields import FIELDS
from allocations.models import (
    Application,
    CorrectionRequest,
    Decision,
    DecisionLine,
    Grant,
    Project,
    Review,
    TechnicalReview,
    Tier,
)
from allocations.permissions import may_act
from allocations.services import Refused
from allocations.services.applications import application_submit, application_withdraw
from allocations.services.decisions import (
    decision_by_rule,
    decision_make,
    decision_promote,
    decision_reconsider,
    decisions_announce,
)
from allocations.services.eligibility import (
    application_find_eligible,
    application_find_ineligible,
    application_return,
)
from allocations.services.offers import offer_accept, offer_turn_down, offers_lapse
from allocations.services.reviews import review_submit, reviews_finish
from allocations.services.technical import TechnicalOpinion, technical_start, technical_submit
from allocations.workflow import (
    CLOSED,
    TRANSITIONS,
    Action,
    Actor,
    ApplicationStatus,
    LostRace,
    advance,
    sources_of,
    target_of,
    transition,
)
from portal.events.models import Event
from portal.people.models import User
from portal.post.models import Mail
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    DecisionFactory,
    PoolFactory,
    ReviewFactory,
    TierFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
S, A = ApplicationStatus, Action
DUE = NOW + timedelta(days=1)
DECIDED_STATES = {S.DECIDED, S.OFFERED, S.AWARDED, S.RESERVE, S.TURNED_DOWN, S.LAPSED}


@dataclass
class World:
    """One application, and everybody who could want something of it."""

    application: Application
    people: dict[str, User]
    tiers: dict[str, Tier]
    review: Review


# Who each person is to the application. The ones near it have a stake: they work where the applicant does.
IS = {
    "applicant": {Actor.APPLICANT},
    "stranger": set(),
    "reviewer": set(),
    "assigned reviewer": set(),
    "technical": {Actor.TECHNICAL},
    "operator": {Actor.OFFICE},
    "decider": {Actor.DECIDER},
    "observer": set(),
    "everything": {Actor.TECHNICAL, Actor.OFFICE, Actor.DECIDER},
    "technical near": set(),
    "operator near": set(),
    "decider near": set(),
}
ROLES = ["technical", "operator", "decider"]


def world(status: ApplicationStatus) -> World:
    # A short form, so that what the factory makes is complete.
    levels = {field.name: "hidden" for field in FIELDS if not field.fixed}
    call = CallFactory(tiers=False, pools=[PoolFactory()], field_levels=levels)
    tiers = {
        route: TierFactory(call=call, route=route, upto_gpu_seconds=upto)
        for route, upto in [("rule", 10 * HOUR), ("technical", 100 * HOUR), ("full", None)]
    }
    applicant = UserFactory()
    EmailAddress.objects.create(user=applicant, email=applicant.email, verified=True, primary=True)
    application = ApplicationFactory(
        call=call, applicant=applicant, status=status, tier=tiers["full"], due_at=None if status in CLOSED else DUE
    )
    near = {"institution": applicant.institution}
    people = {
        "applicant": applicant,
        "stranger": UserFactory(),
        "reviewer": UserFactory(roles=["reviewer"]),
        "assigned reviewer": UserFactory(roles=["reviewer"]),
        **{role: UserFactory(roles=[role]) for role in [*ROLES, "observer"]},
        "everything": UserFactory(roles=[*ROLES, "reviewer", "observer"]),
        **{f"{role} near": UserFactory(roles=[role], **near) for role in ROLES},
    }
    review = ReviewFactory(application=application, reviewer=people["assigned reviewer"], submitted_at=None)
    if status in DECIDED_STATES:
        announced = None if status == S.DECIDED else NOW
        outcome = "reserve" if status == S.RESERVE else "awarded"
        DecisionFactory(application=application, outcome=outcome, announced_at=announced)
    return World(application, people, tiers, review)


class _Undone(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back at its end."""
    try:
        with transaction.atomic():
            yield
            raise _Undone
    except _Undone:
        pass


# The service behind each action, called as its page would.


def assess(route: str, verdict: str) -> Callable[[World, User], Any]:
    def act(here: World, by: User) -> None:
        asks(here, route)
        review = technical_start(application=fresh(here), by=by, at=NOW)
        told = TechnicalOpinion(verdict=verdict, comment_to_applicant="It takes too long.")
        technical_submit(review=review, opinion=told, by=by, at=NOW)

    return act


def asks(here: World, route: str) -> None:
    """For an amount of the size that goes this route."""
    hours = {"rule": 5, "technical": 50, "full": 960}[route]
    here.application.lines.update(requested_gpu_seconds=hours * HOUR)
    Application.objects.filter(pk=here.application.pk).update(tier=here.tiers[route])


def announce(outcome: str) -> Callable[[World, User], Any]:
    def act(here: World, by: User) -> None:
        decision = Decision.objects.filter(application=here.application)
        decision.update(outcome=outcome)
        if outcome != "awarded":
            DecisionLine.objects.filter(decision__in=decision).delete()
        decisions_announce(applications=[fresh(here)], by=by, at=NOW)

    return act


def fresh(here: World) -> Application:
    return Application.objects.get(pk=here.application.pk)


def submit(here: World, by: User) -> None:
    application_submit(application=fresh(here), by=by, at=NOW)


SERVICES: dict[Action, Callable[[World, User], Any]] = {
    A.SUBMIT: submit,
    A.RESUBMIT: submit,
    A.WITHDRAW: lambda here, by: application_withdraw(application=fresh(here), by=by, at=NOW),
    A.RETURN: lambda here, by: application_return(application=fresh(here), text="Attach it.", by=by, at=NOW),
    A.FIND_ELIGIBLE: lambda here, by: application_find_eligible(application=fresh(here), by=by, at=NOW),
    A.FIND_INELIGIBLE: lambda here, by: application_find_ineligible(
        application=fresh(here), reason="Outside.", by=by, at=NOW
    ),
    A.ASSESS: assess("full", "feasible"),
    A.ASSESS_TO_PANEL: assess("full", "infeasible"),
    A.ASSESS_AWARD: assess("technical", "feasible"),
    A.ASSESS_DECLINE: assess("technical", "infeasible"),
    A.FINISH_REVIEWS: lambda here, by: reviews_finish(application=fresh(here), reason="Ill.", by=by, at=NOW),
    A.DECIDE: lambda here, by: decision_make(
        application=fresh(here), outcome="declined", reason="No hours left.", by=by, at=NOW
    ),
    A.RECONSIDER: lambda here, by: decision_reconsider(application=fresh(here), by=by, at=NOW),
    A.PROMOTE: lambda here, by: decision_promote(
        application=fresh(here), awards={PoolFactory(): 960 * HOUR}, reason="Moved up.", by=by, at=NOW
    ),
    A.ANNOUNCE_OFFER: announce("awarded"),
    A.ANNOUNCE_RESERVE: announce("reserve"),
    A.ANNOUNCE_DECLINE: announce("declined"),
    A.ACCEPT: lambda here, by: offer_accept(application=fresh(here), given={}, by=by, at=NOW),
    A.TURN_DOWN: lambda here, by: offer_turn_down(application=fresh(here), reason="No need.", by=by, at=NOW),
}
# One service takes both: which it is follows from the state.
SAME = {A.SUBMIT: {A.SUBMIT, A.RESUBMIT}, A.RESUBMIT: {A.SUBMIT, A.RESUBMIT}}


def by_rule(here: World, at: datetime) -> None:
    asks(here, "rule")
    decision_by_rule(application=fresh(here), at=at)


def last_review(here: World, at: datetime) -> None:
    """The portal goes on by itself when the last review is in."""
    opinion = _opinion(here.review)
    review_submit(review=here.review, opinion=opinion, by=here.review.reviewer, at=at)


def _opinion(review: Review) -> Any:
    from allocations.services.reviews import opinion_of

    return opinion_of(review)


BY_THE_PORTAL: dict[Action, Callable[[World, datetime], Any]] = {
    A.AWARD_BY_RULE: by_rule,
    A.FINISH_REVIEWS: last_review,
    A.LAPSE: lambda here, at: offers_lapse(at + timedelta(days=2)),
}


def expected(action: Action, status: str, who: str) -> Action | None:
    """The action of the table that the service takes from this state for this person; None where it must not."""
    for possible in SAME.get(action, {action}):
        row = transition(possible, status)
        if row is not None and row.actors & IS[who]:
            return possible
    return None


COUNTED = (Event, Mail, Decision, Project, Grant, Review, TechnicalReview, CorrectionRequest)


def everything_about(here: World) -> tuple[Any, ...]:
    """What a refused act must leave as it was, in two queries: it is asked thousands of times."""
    row = fresh(here)
    state = (row.status, row.status_since, row.due_at, row.updated_at, row.tier_id, row.revision)
    counts = ", ".join(f"(SELECT count(*) FROM {model._meta.db_table})" for model in COUNTED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}")
        return state, cursor.fetchone()


PEOPLE = list(IS)


@pytest.mark.parametrize("status", S)
def test_may_act_says_what_the_table_says(status):
    here = world(status)
    for action in Action:
        for who in PEOPLE:
            row = transition(action, status)
            allowed = row is not None and bool(row.actors & IS[who])
            assert may_act(here.people[who], action, here.application) is allowed, (action, who)


@pytest.mark.parametrize("status", S)
def test_every_service_acts_for_whom_the_table_says_and_changes_nothing_for_others(status):
    here = world(status)
    before = everything_about(here)
    for action, act in SERVICES.items():
        for who in PEOPLE:
            step = expected(action, status, who)
            with undone():
                if step is not None:
                    act(here, here.people[who])
                    assert fresh(here).status == target_of(step), (action, who)
                    continue
                # What an act prepares for itself (`asks`, `announce`) is taken back with it, as in a request.
                with pytest.raises((LostRace, Refused)), transaction.atomic():
                    act(here, here.people[who])
                assert everything_about(here) == before, (action, who)


@pytest.mark.parametrize("status", S)
def test_what_the_portal_does_by_itself_it_does_in_the_tables_states_only(status):
    here = world(status)
    for action, act in BY_THE_PORTAL.items():
        before = everything_about(here)
        with undone():
            if transition(action, status) is not None:
                act(here, NOW)
                assert fresh(here).status == target_of(action), action
                continue
            with undone():
                try:
                    with transaction.atomic():
                        act(here, NOW)
                except (LostRace, Refused):
                    pass
                assert fresh(here).status == status, action
        assert everything_about(here) == before


def test_the_applicant_has_no_say_for_the_center_whatever_their_roles():
    applicant = UserFactory(roles=[*ROLES, "reviewer"])
    for status in S:
        application = ApplicationFactory(applicant=applicant, status=status)
        for action in Action:
            row = transition(action, status)
            own = row is not None and Actor.APPLICANT in row.actors
            assert may_act(applicant, action, application) is own, (status, action)


def test_every_action_has_a_service():
    assert set(SERVICES) | set(BY_THE_PORTAL) == set(Action)


def test_every_state_but_the_closed_ones_has_a_way_on_and_a_way_out():
    for status in S:
        ways = {row.target for row in TRANSITIONS if row.source == status}
        assert bool(ways) is (status not in CLOSED)


def test_every_state_is_reached_from_the_draft():
    reached, before = {S.DRAFT}, set()
    while reached != before:
        before = set(reached)
        reached |= {row.target for row in TRANSITIONS if row.source in reached}
    assert reached == set(S)


@pytest.mark.parametrize("action", Action)
def test_advance_takes_a_step_from_its_states_only(action):
    for status in S:
        application = ApplicationFactory(status=status)
        if status in sources_of(action):
            advance(application, action, at=NOW, due_at=DUE)
            assert (application.status, application.status_since, application.due_at) == (target_of(action), NOW, DUE)
        else:
            with pytest.raises(LostRace):
                advance(application, action, at=NOW)
            application.refresh_from_db()
            assert application.status == status


def test_a_step_clears_the_deadline_of_the_one_before():
    application = ApplicationFactory(status=S.PANEL, due_at=DUE)
    advance(application, A.WITHDRAW, at=NOW)
    assert application.due_at is None
