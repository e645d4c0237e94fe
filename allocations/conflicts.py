"""Conflicts of interest between applications and people, found in a bounded number of queries.

The rules follow PRACE's (prace-project.eu/confidentiality-and-conflict-of) as far as the portal's data show them; what
no data show, a reviewer declares before the text opens. `Application.objects.without_stake_of` asks the same of one
person within a query, for lists.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models import (
    Application,
    ConflictWaiver,
    DeclaredConflict,
    Membership,
    ProposedMember,
    RelatedGrant,
    Review,
)
from allocations.models.applications import COMPETING, SHARED_WITHIN
from portal.people.models import User


class Conflict(models.TextChoices):
    OWN = "own", _("Own application")
    INSTITUTION = "institution", _("Same institution")
    TEAM = "team", _("On the proposed team")
    COMEMBER = "comember", _("Shared a project in the last 48 months")
    GRANT = "grant", _("Same related research grant")
    SAME_CALL = "same_call", _("Applies in the same call")
    EXCLUDED = "excluded", _("Named by the applicant as not to review")
    DECLARED = "declared", _("Declared by the reviewer")


Pair = tuple[int, int]
# Nobody can be let off these: they would judge themselves.
NEVER_WAIVED = frozenset({Conflict.OWN, Conflict.TEAM})


def conflicts(applications: Iterable[Application], people: Iterable[User]) -> dict[Pair, frozenset[Conflict]]:
    """(application pk, user pk) -> why the person must not review it; a pair without conflict is not there.

    A waiver that a second person confirmed lifts a pair's conflicts (never those of NEVER_WAIVED).
    At most ten queries, however many pairs.
    """
    found = _Finder(list(applications), list(people)).run()
    waived = _waived({application for application, _person in found})
    kept = {pair: kinds & NEVER_WAIVED if pair in waived else kinds for pair, kinds in found.items()}
    return {pair: frozenset(kinds) for pair, kinds in kept.items() if kinds}


def conflicts_between(application: Application, person: User) -> frozenset[Conflict]:
    """Those of one pair that no waiver lifts."""
    return conflicts([application], [person]).get((application.pk, person.pk), frozenset())


def _waived(applications: set[int]) -> set[Pair]:
    confirmed = ConflictWaiver.objects.filter(application__in=applications, confirmed_at__isnull=False)
    return set(confirmed.values_list("application_id", "reviewer_id"))


def plain_number(number: str) -> str:
    """A grant's number as it compares: without spaces and hyphens, in capitals."""
    return re.sub(r"[\s-]", "", number).upper()


def named_people(answer: object) -> str:
    """What the applicant wrote under reviewers to be asked, or not to be, as one text."""
    entries = answer if isinstance(answer, list) else [answer or ""]
    return "\n".join(str(entry) for entry in entries).casefold()


class _Finder:
    """Each `_rule` adds the pairs it finds; what several rules need is read once."""

    def __init__(self, applications: list[Application], people: list[User]) -> None:
        self.applications, self.people = applications, people
        self.found: dict[Pair, set[Conflict]] = defaultdict(set)

    def run(self) -> Mapping[Pair, set[Conflict]]:
        if not (self.applications and self.people):
            return {}
        self._read()
        self._own_and_institution()
        self._team()
        self._comembers()
        self._grants()
        self._same_call()
        self._excluded()
        self._declared()
        return self.found

    def _read(self) -> None:
        self.by_email = {person.email.lower(): person.pk for person in self.people}
        self.person_pks = [person.pk for person in self.people]
        self.applicants = dict(
            User.objects.filter(pk__in={row.applicant_id for row in self.applications}).values_list("pk", "email")
        )
        # The applicant aside, everybody who is to work in the project, by address.
        self.team: dict[int, set[str]] = defaultdict(set)
        proposed = ProposedMember.objects.filter(application__in=self.applications)
        for application, email in proposed.values_list("application_id", "email"):
            self.team[application].add(email.lower())
        for row in self.applications:
            if row.delegate_email:
                self.team[row.pk].add(row.delegate_email.lower())
        self.institutions = self._institutions()

    def _institutions(self) -> dict[int, set[int]]:
        """By application: the applicant's institution, and of the team those who have one of their own here."""
        known = User.objects.filter(email__in=set().union(*self.team.values()), institution__isnull=False)
        of_address = dict(known.values_list("email", "institution_id"))
        return {
            row.pk: {row.institution_id, *(of_address[email] for email in self.team[row.pk] if email in of_address)}
            for row in self.applications
        }

    def _add(self, application: Application, people: Iterable[int], kind: Conflict) -> None:
        for person in people:
            self.found[application.pk, person].add(kind)

    def _own_and_institution(self) -> None:
        for row in self.applications:
            self._add(row, {row.applicant_id} & set(self.person_pks), Conflict.OWN)
            near = [person.pk for person in self.people if person.institution_id in self.institutions[row.pk]]
            self._add(row, near, Conflict.INSTITUTION)

    def _team(self) -> None:
        for row in self.applications:
            self._add(row, {self.by_email[email] for email in self.team[row.pk] & set(self.by_email)}, Conflict.TEAM)

    def _comembers(self) -> None:
        emails = set(self.applicants.values()).union(*self.team.values(), self.by_email)
        shared = Membership.objects.filter(user__email__in=emails).exclude(status=Membership.Status.INVITED)
        projects: dict[str, list[tuple[int, datetime | None]]] = defaultdict(list)
        members: dict[int, list[tuple[int, datetime | None]]] = defaultdict(list)
        for project, email, person, left in shared.values_list("project", "user__email", "user", "removed_at"):
            projects[email.lower()].append((project, left))
            members[project].append((person, left))
        reviewers = set(self.person_pks)
        for row in self.applications:
            since = row.created_at - SHARED_WITHIN
            for email in {self.applicants[row.applicant_id].lower(), *self.team[row.pk]}:
                own = self.by_email.get(email)
                recent = [project for project, left in projects[email] if left is None or left >= since]
                with_them = {
                    person
                    for project in recent
                    for person, left in members[project]
                    if person in reviewers and person != own and (left is None or left >= since)
                }
                self._add(row, with_them, Conflict.COMEMBER)

    def _grants(self) -> None:
        theirs = RelatedGrant.objects.exclude(application__status="draft")
        people_by_number: dict[str, set[int]] = defaultdict(set)
        led = theirs.filter(application__applicant__in=self.person_pks)
        for number, person in led.values_list("number", "application__applicant"):
            people_by_number[plain_number(number)].add(person)
        numbers = RelatedGrant.objects.filter(application__in=self.applications).values_list("application", "number")
        of_application: dict[int, set[str]] = defaultdict(set)
        for application, number in numbers:
            of_application[application].add(plain_number(number))
        for row in self.applications:
            for number in of_application[row.pk]:
                self._add(row, people_by_number.get(number, ()), Conflict.GRANT)

    def _same_call(self) -> None:
        calls = {row.call_id for row in self.applications}
        competing = Application.objects.filter(call__in=calls, applicant__in=self.person_pks, status__in=COMPETING)
        applying: dict[int, set[int]] = defaultdict(set)
        for call, person in competing.values_list("call", "applicant"):
            applying[call].add(person)
        for row in self.applications:
            self._add(row, applying[row.call_id], Conflict.SAME_CALL)

    def _excluded(self) -> None:
        for row in self.applications:
            named = named_people(row.answers.get("excluded_reviewers"))
            if named.strip():
                self._add(row, [person.pk for person in self.people if is_named(person, named)], Conflict.EXCLUDED)

    def _declared(self) -> None:
        standing = DeclaredConflict.objects.filter(reviewer__in=self.person_pks)
        by_email: dict[str, set[int]] = defaultdict(set)
        by_institution: dict[int, set[int]] = defaultdict(set)
        for person, email, institution in standing.values_list("reviewer", "email", "institution"):
            if email:
                by_email[email.lower()].add(person)
            if institution:
                by_institution[institution].add(person)
        earlier: dict[int, set[int]] = defaultdict(set)
        said = Review.objects.filter(Q(reviewer__in=self.person_pks) & ~Q(conflict_reason=""))
        for applicant, person in said.values_list("application__applicant", "reviewer"):
            earlier[applicant].add(person)
        for row in self.applications:
            for email in {self.applicants[row.applicant_id].lower(), *self.team[row.pk]}:
                self._add(row, by_email.get(email, ()), Conflict.DECLARED)
            for institution in self.institutions[row.pk]:
                self._add(row, by_institution.get(institution, ()), Conflict.DECLARED)
            self._add(row, earlier.get(row.applicant_id, ()), Conflict.DECLARED)


def is_named(person: User, text: str) -> bool:
    """By address, or by a name that stands at the beginning of a word: titles and particles follow Korean names."""
    names = [name.casefold() for name in (person.name_ko, person.name_en) if len(name) > 1]
    return person.email.lower() in text or any(re.search(rf"(?<!\w){re.escape(name)}", text) for name in names)


def without_stake(applications: Iterable[Application], user: User) -> list[Application]:
    """Those of them that the person may judge for the center. The question is long: it is only asked where there are
    any."""
    rows = list(applications)
    if not rows:
        return []
    judgeable = Application.objects.filter(pk__in=[row.pk for row in rows]).without_stake_of(user)
    keys = set(judgeable.order_by().values_list("pk", flat=True))
    return [row for row in rows if row.pk in keys]
