"""One review from being asked for to being handed in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.models import ConflictWaiver, Consent, ConsentText, Review, ReviewerProfile
from allocations.selectors.assignment import assignment_of
from allocations.selectors.reviews import review_queue, reviews_due
from allocations.services import Refused
from allocations.services.assignment import reviews_assign_missing
from allocations.services.pledges import pledge_sign, pledges_due
from allocations.services.reviews import (
    Opinion,
    review_assign,
    review_declare,
    review_prolong,
    review_release,
    review_save,
    review_submit,
    reviews_finish,
)
from allocations.workdays import business_days_after
from allocations.workflow import ApplicationStatus, LostRace
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    MembershipFactory,
    ProjectFactory,
    ReviewFactory,
    UserFactory,
    kst,
)


@pytest.fixture
def opinion(call):
    return Opinion({criterion.pk: 4 for criterion in call.criteria.all()}, "Well planned.", "Fund it.", 800 * HOUR)


@pytest.fixture
def assigned(submitted, rhee):
    return ReviewFactory(application=submitted, reviewer=rhee, declared_at=None, submitted_at=None, score=0)


def pledge(version=1, **fields):
    return ConsentText.objects.create(
        code="pledge",
        version=version,
        stage="reviewer",
        title_ko="비밀유지서약",
        title_en="Pledge",
        created_at=NOW,
        **fields,
    )


def test_the_portal_asks_as_many_as_the_tier_needs_and_says_until_when(
    rhee, mailoutbox, django_capture_on_commit_callbacks
):
    call = CallFactory(tiers__reviews_needed=2)
    application = ApplicationFactory(call=call)
    other = UserFactory(roles=["reviewer"])
    with django_capture_on_commit_callbacks(execute=True):
        placed = reviews_assign_missing(application=application, at=NOW)
    assert {review.reviewer for review in placed} == {rhee, other}
    assert {(review.assigned_by, review.due_at) for review in placed} == {
        (None, business_days_after(NOW, call.days_for_reviews))
    }
    assert {tuple(mail.to) for mail in mailoutbox} == {(rhee.email,), (other.email,)}
    assert reviews_assign_missing(application=application, at=NOW) == []


def test_who_has_paused_or_takes_no_more_or_has_a_conflict_is_not_asked(submitted, alice):
    paused, full, near = (UserFactory(roles=["reviewer"]) for _n in range(3))
    ReviewerProfile.objects.create(user=paused, paused_at=NOW)
    ReviewerProfile.objects.create(user=full, most_at_once=1)
    ReviewFactory(reviewer=full, submitted_at=None)
    MembershipFactory(project=ProjectFactory(pi=alice), user=near)
    assert reviews_assign_missing(application=submitted, at=NOW) == []
    assert submitted.status == ApplicationStatus.REVIEW


def test_a_submitted_review_takes_no_place_any_more(submitted):
    done = UserFactory(roles=["reviewer"])
    ReviewerProfile.objects.create(user=done, most_at_once=1)
    ReviewFactory(reviewer=done)
    assert [review.reviewer for review in reviews_assign_missing(application=submitted, at=NOW)] == [done]


def test_of_those_the_applicant_suggests_one_at_most_is_asked(db):
    """The one whose fields fit best; who has one of them already gets no other."""
    suggested = [UserFactory(roles=["reviewer"]) for _n in range(3)]
    ReviewerProfile.objects.create(user=suggested[1], keywords=["steel"])
    call = CallFactory(tiers__reviews_needed=2)
    names = {"suggested_reviewers": "\n".join(person.email for person in suggested), "keywords": ["steel"]}
    application = ApplicationFactory(call=call, answers=names)
    assert [review.reviewer for review in reviews_assign_missing(application=application, at=NOW)] == [suggested[1]]
    assert reviews_assign_missing(application=application, at=NOW) == []
    row = assignment_of(call).rows[0]
    assert (row.lacking, row.suggested, row.full) == (1, 2, 0)
    other = UserFactory(roles=["reviewer"])
    assert [review.reviewer for review in reviews_assign_missing(application=application, at=NOW)] == [other]


def test_the_office_asks_by_name(submitted, rhee, oh):
    review = review_assign(application=submitted, reviewer=rhee, by=oh, at=NOW, due_at=kst(2026, 3, 20, 18))
    assert (review.assigned_by, review.due_at, review.declared_at) == (oh, kst(2026, 3, 20, 18), None)
    with pytest.raises(LostRace):
        review_assign(application=submitted, reviewer=rhee, by=oh, at=NOW)


def test_the_office_asks_nobody_who_may_not(submitted, rhee, oh, dana, alice):
    near = UserFactory(roles=["reviewer"], institution=alice.institution)
    paused = UserFactory(roles=["reviewer"])
    ReviewerProfile.objects.create(user=paused, paused_at=NOW)
    for person, why in [(near, "Same institution"), (paused, "has paused"), (dana, "does not review")]:
        with pytest.raises(Refused, match=why):
            review_assign(application=submitted, reviewer=person, by=oh, at=NOW)
    with pytest.raises(Refused):
        review_assign(application=submitted, reviewer=rhee, by=dana, at=NOW)
    with pytest.raises(Refused, match="Nobody acts for the center"):
        near_office = UserFactory(roles=["operator"], institution=alice.institution)
        review_assign(application=submitted, reviewer=rhee, by=near_office, at=NOW)
    with pytest.raises(LostRace):
        before = ApplicationFactory(call=submitted.call, status=ApplicationStatus.TECHNICAL)
        review_assign(application=before, reviewer=rhee, by=oh, at=NOW)


def test_a_confirmed_waiver_lets_the_office_ask(submitted, alice, oh):
    near = UserFactory(roles=["reviewer"], institution=alice.institution)
    second = UserFactory(roles=["operator"])
    waiver = {"application": submitted, "reviewer": near, "reason": "x", "asked_by": oh, "asked_at": NOW}
    ConflictWaiver.objects.create(**waiver, confirmed_by=second, confirmed_at=NOW)
    review = review_assign(application=submitted, reviewer=near, by=oh, at=NOW)
    assert review_declare(review=review, by=near, at=NOW).declared_at == NOW


def test_a_review_is_taken_back_and_can_be_asked_for_again(assigned, submitted, rhee, oh):
    review_release(review=assigned, by=oh, at=NOW)
    assert review_queue(rhee).to_do == []
    with pytest.raises(LostRace):
        review_release(review=assigned, by=oh, at=NOW)
    assert review_assign(application=submitted, reviewer=rhee, by=oh, at=NOW) == assigned
    assert [row.review for row in review_queue(rhee).to_do] == [assigned]
    later = kst(2026, 4, 1, 18)
    assert review_prolong(review=assigned, due_at=later, by=oh, at=NOW).due_at == later


def test_a_submitted_review_is_neither_taken_back_nor_prolonged(reviewed, oh, dana):
    review = reviewed.reviews.get()
    with pytest.raises(LostRace):
        review_release(review=review, by=oh, at=NOW)
    with pytest.raises(LostRace):
        review_prolong(review=review, due_at=NOW, by=oh, at=NOW)
    with pytest.raises(Refused):
        review_release(review=review, by=dana, at=NOW)


def test_a_declared_conflict_passes_the_review_on(assigned, submitted, rhee):
    other = UserFactory(roles=["reviewer"])
    review_declare(review=assigned, conflict_reason="My former student.", by=rhee, at=NOW)
    assert (assigned.released_at, assigned.conflict_reason) == (NOW, "My former student.")
    assert [review.reviewer for review in submitted.reviews.current()] == [other]
    assert Event.objects.filter(action="review.conflict", by=rhee).exists()
    with pytest.raises(LostRace):
        review_declare(review=assigned, by=rhee, at=NOW)


def test_a_conflict_found_in_the_text_passes_a_begun_review_on(review, rhee):
    review_declare(review=review, conflict_reason="I recognise the data.", by=rhee, at=NOW)
    assert review.released_at == NOW


def test_a_conflict_the_portal_knows_of_cannot_be_declared_away(assigned, submitted, rhee, alice):
    MembershipFactory(project=ProjectFactory(pi=alice), user=rhee)
    with pytest.raises(Refused):
        review_declare(review=assigned, by=rhee, at=NOW)
    assigned.refresh_from_db()
    assert assigned.declared_at is None


def test_the_first_proposal_of_a_year_opens_after_the_pledge(assigned, rhee):
    text = pledge()
    with pytest.raises(Refused, match="pledge"):
        review_declare(review=assigned, by=rhee, at=NOW)
    with pytest.raises(Refused):
        pledge_sign(texts=[], by=rhee, at=NOW)
    pledge_sign(texts=[text], by=rhee, at=NOW)
    assert pledge_sign(texts=[text], by=rhee, at=NOW) == []
    assert review_declare(review=assigned, by=rhee, at=NOW).declared_at == NOW
    signed = Consent.objects.get()
    assert (signed.user, signed.given, signed.sha256, signed.at) == (rhee, True, text.sha256, NOW)


@pytest.mark.parametrize(
    ("at", "due"), [(kst(2026, 12, 31, 23, 59), False), (kst(2027, 1, 1), True), (kst(2026, 3, 3), False)]
)
def test_the_pledge_holds_for_the_year_in_seoul(rhee, at, due):
    text = pledge()
    pledge_sign(texts=[text], by=rhee, at=NOW)
    assert pledges_due(rhee, at) == ([text] if due else [])


def test_a_new_version_of_the_pledge_is_due_again_and_a_retired_one_is_not(rhee):
    pledge_sign(texts=[pledge()], by=rhee, at=NOW)
    newer = pledge(version=2)
    assert pledges_due(rhee, NOW) == [newer]
    pledge(version=3, retired=True)
    assert pledges_due(rhee, NOW) == []


def test_a_review_is_saved_by_its_revision(review, rhee, opinion):
    saved = review_save(review=review, opinion=opinion, revision=review.revision, by=rhee, at=NOW)
    assert (saved.revision, saved.comment_to_panel) == (1, "Fund it.")
    with pytest.raises(LostRace):
        review_save(review=review, opinion=Opinion(), revision=0, by=rhee, at=NOW)
    review.refresh_from_db()
    assert review.comment_to_panel == "Fund it."


def test_nothing_is_written_before_the_declaration(assigned, rhee, opinion):
    with pytest.raises(LostRace):
        review_save(review=assigned, opinion=opinion, revision=0, by=rhee, at=NOW)


def test_the_services_refuse_what_the_pages_do_not_offer(review, rhee, dana, opinion):
    with pytest.raises(Refused):
        review_declare(review=review, by=dana, at=NOW)
    with pytest.raises(Refused):
        review_save(review=review, opinion=Opinion(), revision=0, by=dana, at=NOW)
    with pytest.raises(Refused):
        review_submit(review=review, opinion=Opinion(opinion.scores), by=rhee, at=NOW)
    with pytest.raises(Refused, match="no more than what is requested"):
        review_submit(review=review, opinion=Opinion(opinion.scores, "x", "", 961 * HOUR), by=rhee, at=NOW)
    review_submit(review=review, opinion=opinion, by=rhee, at=NOW)
    with pytest.raises(LostRace):
        review_submit(review=review, opinion=opinion, by=rhee, at=NOW)


def test_the_last_review_needed_brings_the_application_before_the_panel(rhee, opinion):
    call = CallFactory(tiers__reviews_needed=2)
    application = ApplicationFactory(call=call)
    ReviewFactory(application=application)
    mine = ReviewFactory(application=application, reviewer=rhee, submitted_at=None)
    written = Opinion({row.pk: 3 for row in call.criteria.all()}, "Good.", "", 0)
    review_submit(review=mine, opinion=written, by=rhee, at=NOW)
    application.refresh_from_db()
    assert application.status == ApplicationStatus.PANEL
    assert application.due_at is not None
    assert Event.objects.get(action="application.reviews_finished").by is None


def test_a_released_review_does_not_count(rhee):
    call = CallFactory(tiers__reviews_needed=2)
    application = ApplicationFactory(call=call)
    ReviewFactory(application=application, released_at=NOW)
    mine = ReviewFactory(application=application, reviewer=rhee, submitted_at=None)
    written = Opinion({row.pk: 3 for row in call.criteria.all()}, "Good.", "", 0)
    review_submit(review=mine, opinion=written, by=rhee, at=NOW)
    application.refresh_from_db()
    assert application.status == ApplicationStatus.REVIEW


def test_the_office_goes_on_with_fewer_and_a_late_review_is_still_taken(review, rhee, oh, dana, opinion, submitted):
    with pytest.raises(Refused):
        reviews_finish(application=submitted, reason=" ", by=oh, at=NOW)
    with pytest.raises(Refused):
        reviews_finish(application=submitted, reason="Late.", by=dana, at=NOW)
    reviews_finish(application=submitted, reason="The reviewer is ill.", by=oh, at=NOW)
    assert submitted.status == ApplicationStatus.PANEL
    assert Event.objects.get(action="application.reviews_cut_short").data["reason"] == "The reviewer is ill."
    with pytest.raises(LostRace):
        reviews_finish(application=submitted, reason="Again.", by=oh, at=NOW)
    assert [row.review for row in reviews_due(rhee)] == [review]
    review_submit(review=review, opinion=opinion, by=rhee, at=NOW + timedelta(days=1))
    assert review_queue(rhee).done[0].review == review


def test_a_review_is_not_taken_after_the_decision(review, rhee, opinion):
    review.application.status = ApplicationStatus.DECIDED
    review.application.save()
    with pytest.raises(LostRace):
        review_submit(review=review, opinion=opinion, by=rhee, at=NOW)
    assert reviews_due(rhee) == []


def test_the_queue_is_in_the_order_of_what_is_due(call, rhee):
    def asked(day, **fields):
        application = ApplicationFactory(call=call)
        fields = {"declared_at": None, "submitted_at": None} | fields
        return ReviewFactory(application=application, reviewer=rhee, due_at=kst(2026, 3, day), **fields)

    late, early = asked(20), asked(5)
    begun = asked(10, declared_at=NOW)
    done = asked(3, declared_at=NOW, submitted_at=NOW)
    asked(1, released_at=NOW)
    withdrawn = asked(2)
    withdrawn.application.status = ApplicationStatus.WITHDRAWN
    withdrawn.application.save()
    ReviewFactory(application=ApplicationFactory(call=call), submitted_at=None)
    begun.scores.first().delete()
    queue = review_queue(rhee)
    begun_row, whole = queue.in_progress[0], call.criteria.count()
    assert (begun_row.scored, begun_row.criteria) == (whole - 1, whole)
    assert [row.review for row in queue.to_do] == [early, late]
    assert [row.review for row in queue.in_progress] == [begun]
    assert [row.review for row in queue.done] == [done]
    assert [row.review for row in reviews_due(rhee)] == [early, begun, late]


def test_nothing_is_due_from_who_is_no_reviewer(submitted, charlie):
    assert reviews_due(charlie) == []


def test_the_queue_takes_the_same_queries_however_long_it_is(call, rhee, django_assert_max_num_queries):
    for _n in range(6):
        ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee, submitted_at=None)
    assert Review.objects.count() == 6
    with django_assert_max_num_queries(4):
        for row in reviews_due(rhee):
            assert row.application.requested_gpu_seconds and row.application.call and row.application.institution
