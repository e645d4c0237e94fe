"""Which step may follow which, and whose it is. The table is the rule; `advance` is the only way along it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class ApplicationStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", _("Eligibility check")
    RETURNED = "returned", _("Returned for correction")
    TECHNICAL = "technical", _("Technical review")
    REVIEW = "review", _("Scientific review")
    PANEL = "panel", _("Before the panel")
    DECIDED = "decided", _("Decided, not announced")
    OFFERED = "offered", _("Selected, agreement to be made")
    AWARDED = "awarded", _("Selected")
    RESERVE = "reserve", _("Reserve list")
    DECLINED = "declined", _("Not selected")
    INELIGIBLE = "ineligible", _("Not eligible")
    TURNED_DOWN = "turned_down", _("Turned down by the PI")
    LAPSED = "lapsed", _("Offer lapsed")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Actor(models.TextChoices):
    """Whose a step is. Applicant is a relation; office, technical and decider follow from roles
    (allocations/permissions.py); the portal acts by rule, nobody else in its place."""

    APPLICANT = "applicant", _("Applicant")
    OFFICE = "office", _("Office")
    TECHNICAL = "technical", _("Technical reviewer")
    DECIDER = "decider", _("Decider")
    PORTAL = "portal", _("The portal, by rule")


class Action(models.TextChoices):
    SUBMIT = "submit", _("Submit")
    RESUBMIT = "resubmit", _("Submit the correction")
    WITHDRAW = "withdraw", _("Withdraw")
    RETURN = "return", _("Return for correction")
    FIND_ELIGIBLE = "find_eligible", _("Find eligible")
    FIND_INELIGIBLE = "find_ineligible", _("Find not eligible")
    AWARD_BY_RULE = "award_by_rule", _("Award by rule")
    ASSESS = "assess", _("Pass on to scientific review")
    ASSESS_TO_PANEL = "assess_to_panel", _("Pass on to the panel")
    ASSESS_AWARD = "assess_award", _("Award after the technical check")
    ASSESS_DECLINE = "assess_decline", _("Decline after the technical check")
    FINISH_REVIEWS = "finish_reviews", _("Bring before the panel")
    DECIDE = "decide", _("Decide")
    RECONSIDER = "reconsider", _("Take the decision back")
    PROMOTE = "promote", _("Take from the reserve list")
    ANNOUNCE_OFFER = "announce_offer", _("Announce the selection")
    ANNOUNCE_RESERVE = "announce_reserve", _("Announce the place on the reserve list")
    ANNOUNCE_DECLINE = "announce_decline", _("Announce that it is not selected")
    ACCEPT = "accept", _("Accept")
    TURN_DOWN = "turn_down", _("Turn down")
    LAPSE = "lapse", _("Let the offer lapse")


@dataclass(frozen=True, slots=True)
class Transition:
    action: Action
    source: ApplicationStatus
    target: ApplicationStatus
    actors: frozenset[Actor]


def _rows(
    action: Action, sources: list[ApplicationStatus], target: ApplicationStatus, *actors: Actor
) -> list[Transition]:
    return [Transition(action, source, target, frozenset(actors)) for source in sources]


S, A = ApplicationStatus, Action
TRANSITIONS: tuple[Transition, ...] = (
    *_rows(A.SUBMIT, [S.DRAFT], S.SUBMITTED, Actor.APPLICANT),
    *_rows(A.RESUBMIT, [S.RETURNED], S.SUBMITTED, Actor.APPLICANT),
    *_rows(
        A.WITHDRAW,
        [S.DRAFT, S.SUBMITTED, S.RETURNED, S.TECHNICAL, S.REVIEW, S.PANEL, S.DECIDED, S.RESERVE],
        S.WITHDRAWN,
        Actor.APPLICANT,
    ),
    *_rows(A.RETURN, [S.SUBMITTED], S.RETURNED, Actor.OFFICE),
    *_rows(A.RETURN, [S.TECHNICAL], S.RETURNED, Actor.TECHNICAL),
    *_rows(A.FIND_ELIGIBLE, [S.SUBMITTED], S.TECHNICAL, Actor.OFFICE),
    *_rows(A.FIND_INELIGIBLE, [S.SUBMITTED], S.INELIGIBLE, Actor.OFFICE),
    *_rows(A.AWARD_BY_RULE, [S.SUBMITTED], S.OFFERED, Actor.PORTAL),
    *_rows(A.ASSESS, [S.TECHNICAL], S.REVIEW, Actor.TECHNICAL),
    *_rows(A.ASSESS_TO_PANEL, [S.TECHNICAL], S.PANEL, Actor.TECHNICAL),
    *_rows(A.ASSESS_AWARD, [S.TECHNICAL], S.OFFERED, Actor.TECHNICAL),
    *_rows(A.ASSESS_DECLINE, [S.TECHNICAL], S.DECLINED, Actor.TECHNICAL),
    *_rows(A.FINISH_REVIEWS, [S.REVIEW], S.PANEL, Actor.PORTAL, Actor.OFFICE),
    *_rows(A.DECIDE, [S.PANEL], S.DECIDED, Actor.DECIDER),
    *_rows(A.RECONSIDER, [S.DECIDED], S.PANEL, Actor.DECIDER),
    *_rows(A.PROMOTE, [S.RESERVE], S.DECIDED, Actor.DECIDER),
    *_rows(A.ANNOUNCE_OFFER, [S.DECIDED], S.OFFERED, Actor.DECIDER),
    *_rows(A.ANNOUNCE_RESERVE, [S.DECIDED], S.RESERVE, Actor.DECIDER),
    *_rows(A.ANNOUNCE_DECLINE, [S.DECIDED], S.DECLINED, Actor.DECIDER),
    *_rows(A.ACCEPT, [S.OFFERED], S.AWARDED, Actor.APPLICANT),
    *_rows(A.TURN_DOWN, [S.OFFERED], S.TURNED_DOWN, Actor.APPLICANT),
    *_rows(A.LAPSE, [S.OFFERED], S.LAPSED, Actor.PORTAL),
)

# The applicant writes in these.
WRITABLE = frozenset({S.DRAFT, S.RETURNED})
# What somebody handed in and nobody took back: what the office works with.
HANDED_IN = frozenset(set(S) - {S.DRAFT, S.WITHDRAWN})
# Nothing more happens.
CLOSED = frozenset({S.AWARDED, S.DECLINED, S.INELIGIBLE, S.TURNED_DOWN, S.LAPSED, S.WITHDRAWN})
# An award in these takes its hours from the call's pool.
HOLDS_HOURS = frozenset({S.DECIDED, S.OFFERED, S.AWARDED})


class LostRace(Exception):
    """Somebody else acted first, or the step is not open from here; the reader is shown what stands now."""


def transition(action: Action, source: str) -> Transition | None:
    """The table's row for an action in a state; None where it is not open."""
    return next((row for row in TRANSITIONS if row.action == action and row.source == source), None)


def target_of(action: Action) -> ApplicationStatus:
    return next(row.target for row in TRANSITIONS if row.action == action)


def sources_of(action: Action) -> list[ApplicationStatus]:
    return [row.source for row in TRANSITIONS if row.action == action]


def advance(
    application: models.Model, action: Action, *, at: datetime, due_at: datetime | None = None, **changes: Any
) -> None:
    """Take the step by one conditional UPDATE, with the other `changes`; `due_at` is by when the next should follow.

    Raises LostRace where the row is no longer in a state from which the step is open.
    """
    rows = type(application)._default_manager.filter(pk=application.pk, status__in=sources_of(action))
    taken = rows.update(status=target_of(action), status_since=at, due_at=due_at, updated_at=at, **changes)
    if not taken:
        raise LostRace(action)
    application.refresh_from_db()
