"""Conflicts of interest: each kind is found, in bulk and in the query for lists; a confirmed waiver lifts them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.conflicts import Conflict, conflicts, conflicts_between
from allocations.models import (
    Application,
    ConflictWaiver,
    DeclaredConflict,
    Membership,
    RelatedGrant,
    ReviewerProfile,
)
from allocations.permissions import has_stake
from allocations.services import Refused
from allocations.services.assignment import call_assign
from allocations.services.waivers import waiver_ask, waiver_confirm, waiver_refuse
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.people.models import User
from tests.factories import (
    NOW,
    ApplicationFactory,
    CallFactory,
    InstitutionFactory,
    MembershipFactory,
    ProjectFactory,
    ProposedMemberFactory,
    ReviewFactory,
    UserFactory,
)


def own(application, person):
    application.applicant = person
    application.institution = InstitutionFactory()
    application.save()


def same_institution(application, person):
    application.institution = person.institution
    application.save()


def proposed_member(application, person):
    ProposedMemberFactory(application=application, email=person.email.upper())


def delegate(application, person):
    application.delegate_email = person.email
    application.save()


def project_with_the_applicant(application, person):
    MembershipFactory(project=ProjectFactory(pi=application.applicant), user=person)


def project_with_a_proposed_member(application, person):
    project = ProjectFactory(pi=person)
    member = MembershipFactory(project=project)
    ProposedMemberFactory(application=application, email=member.user.email)


def project_left_a_year_ago(application, person):
    project_with_the_applicant(application, person)
    left = application.created_at - timedelta(days=365)
    Membership.objects.filter(user=person).update(status=Membership.Status.REMOVED, removed_at=left)


def shared_grant(application, person):
    earlier = ApplicationFactory(applicant=person)
    RelatedGrant.objects.create(application=earlier, number="rs-2023-00212345")
    RelatedGrant.objects.create(application=application, number="RS 2023 00212345")


def same_call(application, person):
    ApplicationFactory(call=application.call, applicant=person)


def declared_person(application, person):
    DeclaredConflict.objects.create(reviewer=person, email=application.applicant.email.upper(), at=NOW)


def declared_team_member(application, person):
    member = ProposedMemberFactory(application=application)
    DeclaredConflict.objects.create(reviewer=person, email=member.email, at=NOW)


def declared_institution(application, person):
    DeclaredConflict.objects.create(reviewer=person, institution=application.institution, at=NOW)


def institution_of_a_proposed_member(application, person):
    member = UserFactory(institution=person.institution)
    ProposedMemberFactory(application=application, email=member.email.upper())


def institution_of_the_delegate(application, person):
    application.delegate_email = UserFactory(institution=person.institution).email
    application.save()


def declared_institution_of_a_proposed_member(application, person):
    member = UserFactory(institution=InstitutionFactory())
    ProposedMemberFactory(application=application, email=member.email)
    DeclaredConflict.objects.create(reviewer=person, institution=member.institution, at=NOW)


def declared_before(application, person):
    before = ApplicationFactory(applicant=application.applicant)
    ReviewFactory(
        application=before, reviewer=person, submitted_at=None, released_at=NOW, conflict_reason="My former student."
    )


KINDS = [
    (own, Conflict.OWN),
    (same_institution, Conflict.INSTITUTION),
    (proposed_member, Conflict.TEAM),
    (delegate, Conflict.TEAM),
    (project_with_the_applicant, Conflict.COMEMBER),
    (project_with_a_proposed_member, Conflict.COMEMBER),
    (project_left_a_year_ago, Conflict.COMEMBER),
    (shared_grant, Conflict.GRANT),
    (same_call, Conflict.SAME_CALL),
    (declared_person, Conflict.DECLARED),
    (declared_team_member, Conflict.DECLARED),
    (declared_institution, Conflict.DECLARED),
    (institution_of_a_proposed_member, Conflict.INSTITUTION),
    (institution_of_the_delegate, Conflict.INSTITUTION),
    (declared_institution_of_a_proposed_member, Conflict.DECLARED),
    (declared_before, Conflict.DECLARED),
]


@pytest.fixture
def application(call, alice):
    return ApplicationFactory(call=call, applicant=alice)


@pytest.fixture
def person(db):
    return UserFactory(roles=["reviewer", "operator"])


@pytest.mark.parametrize(("related", "kind"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_kind_is_found_in_bulk_and_in_the_query_for_lists(related, kind, application, person):
    related(application, person)
    application = Application.objects.get(pk=application.pk)
    bystander = UserFactory()
    found = conflicts([application, ApplicationFactory()], [bystander, person])
    assert kind in found[application.pk, person.pk]
    assert (application.pk, bystander.pk) not in found
    assert has_stake(person, application)
    assert not has_stake(bystander, application)


def left_five_years_ago(application, person):
    project_with_the_applicant(application, person)
    left = application.created_at - timedelta(days=5 * 366)
    Membership.objects.filter(user=person).update(status=Membership.Status.REMOVED, removed_at=left)


def invited_only(application, person):
    project = ProjectFactory(pi=application.applicant)
    project.memberships.create(email=person.email, invited_at=NOW)


def members_without_an_institution(application, person):
    User.objects.filter(pk=person.pk).update(institution=None)
    person.refresh_from_db()
    ProposedMemberFactory(application=application, email=UserFactory(institution=None).email)


def draft_in_the_same_call(application, person):
    ApplicationFactory(call=application.call, applicant=person, status="draft")


def another_grant(application, person):
    RelatedGrant.objects.create(application=ApplicationFactory(applicant=person), number="RS-1")
    RelatedGrant.objects.create(application=application, number="RS-2")


@pytest.mark.parametrize(
    "related",
    [left_five_years_ago, invited_only, members_without_an_institution, draft_in_the_same_call, another_grant],
)
def test_what_is_no_conflict_is_none_in_either(related, application, person):
    related(application, person)
    assert conflicts_between(application, person) == frozenset()
    assert not has_stake(person, application)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("rhee@kisti.example: same field", True),
        ("이리 교수 (경쟁 과제)", True),
        ("Rhee, KISTI", True),
        (["RHEE@kisti.example"], True),
        ("요이리", False),
        ("", False),
    ],
)
def test_whom_the_applicant_names_is_not_asked_but_may_still_act_for_the_center(written, named, application, rhee):
    application.answers["excluded_reviewers"] = written
    application.save()
    assert conflicts_between(application, rhee) == (frozenset({Conflict.EXCLUDED}) if named else frozenset())
    assert not has_stake(rhee, application)


def test_a_whole_call_takes_at_most_ten_queries(call):
    reviewers = [UserFactory(roles=["reviewer"]) for _n in range(8)]
    applications = [ApplicationFactory(call=call) for _n in range(12)]
    ProposedMemberFactory(application=applications[0], email=reviewers[0].email)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = conflicts(applications, reviewers)
    assert found == {(applications[0].pk, reviewers[0].pk): {Conflict.TEAM, Conflict.INSTITUTION}}
    assert len(queries) <= 10


def test_a_waiver_needs_a_reason_a_conflict_and_a_second_person(application, person, oh):
    second = UserFactory(roles=["operator"])
    with pytest.raises(Refused, match="no conflict"):
        waiver_ask(application=application, reviewer=person, reason="Nobody else.", by=oh, at=NOW)
    same_institution(application, person)
    with pytest.raises(Refused):
        waiver_ask(application=application, reviewer=person, reason=" ", by=oh, at=NOW)
    waiver = waiver_ask(application=application, reviewer=person, reason="The only one in the field.", by=oh, at=NOW)
    assert conflicts_between(application, person) == {Conflict.INSTITUTION}
    for nobody in (oh, person):
        with pytest.raises(Refused):
            waiver_confirm(waiver=waiver, by=nobody, at=NOW)
    waiver_confirm(waiver=waiver, by=second, at=NOW)
    assert conflicts_between(application, person) == frozenset()
    assert has_stake(person, application)
    with pytest.raises(LostRace):
        waiver_confirm(waiver=waiver, by=second, at=NOW)
    with pytest.raises(LostRace):
        waiver_refuse(waiver=waiver, by=second, at=NOW)
    recorded = Event.objects.filter(target_kind="conflictwaiver").order_by("pk")
    assert [(event.action, event.by) for event in recorded] == [("waiver.asked", oh), ("waiver.confirmed", second)]


def test_a_refused_waiver_is_gone_but_recorded(application, person, oh):
    same_institution(application, person)
    waiver = waiver_ask(application=application, reviewer=person, reason="Nobody else.", by=oh, at=NOW)
    with pytest.raises(LostRace):
        waiver_ask(application=application, reviewer=person, reason="Again.", by=oh, at=NOW)
    waiver_refuse(waiver=waiver, by=UserFactory(roles=["operator"]), at=NOW)
    assert not ConflictWaiver.objects.exists()
    assert Event.objects.filter(action="waiver.refused").exists()


@pytest.mark.parametrize("related", [own, proposed_member])
def test_nobody_can_be_let_off_judging_themselves(related, application, person, oh):
    related(application, person)
    with pytest.raises(Refused):
        waiver_ask(application=application, reviewer=person, reason="Nobody else.", by=oh, at=NOW)
    ConflictWaiver.objects.create(
        application=application, reviewer=person, reason="x", asked_by=oh, asked_at=NOW, confirmed_at=NOW
    )
    assert conflicts_between(Application.objects.get(pk=application.pk), person)


def test_who_has_a_stake_waives_nothing_in_it(application, person, oh):
    same_institution(application, person)
    project_with_the_applicant(application, oh)
    with pytest.raises(Refused):
        waiver_ask(application=application, reviewer=person, reason="Nobody else.", by=oh, at=NOW)


def test_two_hundred_applications_and_forty_reviewers(db, mailoutbox, django_capture_on_commit_callbacks):
    """The seeded call: three reviews each, no conflict, loads as even as can be. Its people come from four
    institutions, sit on one another's projects, apply themselves and declare conflicts."""
    call = CallFactory(tiers__reviews_needed=3)
    institutions = [InstitutionFactory() for _n in range(4)]
    reviewers = [UserFactory(roles=["reviewer"], institution=institutions[n % 4]) for n in range(40)]
    applicants = [UserFactory(institution=institutions[n % 3]) for n in range(195)] + reviewers[:5]
    applications = [ApplicationFactory(call=call, applicant=person, hours=0) for person in applicants]
    for n in range(20):
        MembershipFactory(project=ProjectFactory(pi=applicants[n * 7]), user=reviewers[n])
        ProposedMemberFactory(application=applications[n * 9], email=reviewers[39 - n].email)
        DeclaredConflict.objects.create(reviewer=reviewers[n + 10], email=applicants[n * 5].email, at=NOW)
    for person in reviewers:
        ReviewerProfile.objects.create(user=person, most_at_once=20)
    found = conflicts(applications, reviewers)
    with django_capture_on_commit_callbacks(execute=True):
        placed = call_assign(call=call, by=UserFactory(roles=["operator"]), at=NOW)
    assert len(placed) == 600
    assert not {(review.application_id, review.reviewer_id) for review in placed} & found.keys()
    assert {len(row.reviews.all()) for row in call.applications.prefetch_related("reviews")} == {3}
    # The five who apply in this call may review nothing in it; the other 35 share the 600 reviews.
    loads = Counter(review.reviewer_id for review in placed)
    assert loads.keys() == {person.pk for person in reviewers[5:]}
    assert max(loads.values()) - min(loads.values()) <= 1
    assert len(mailoutbox) == 35
