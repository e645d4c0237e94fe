"""A reviewer's evening: queue, declaration, scores, submission."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Review
from allocations.selectors import review_queue, reviews_due
from allocations.services import Refused
from allocations.services.reviews import Opinion, review_save, review_start, review_submit
from allocations.workflow import LostRace, advance
from tests.factories import HOUR, NOW, ApplicationFactory, ReviewFactory, UserFactory, kst


@pytest.fixture
def scores(call):
    return {criterion.pk: 4 for criterion in call.criteria.all()}


@pytest.fixture
def written(scores):
    return {f"score_{pk}": value for pk, value in scores.items()} | {
        "recommended_hours": "800.5",
        "comment_to_applicant": "Well planned.",
        "comment_to_panel": "Fund it.",
    }


def test_the_proposal_opens_only_after_the_declaration(submitted, rhee, browser):
    client = browser(rhee)
    address = reverse("review", args=[submitted.pk])
    before = client.get(address).content.decode()
    assert "I declare no conflict" in before
    assert submitted.purpose not in before
    after = client.post(address, {"action": "declare"}, follow=True).content.decode()
    assert submitted.purpose in after
    assert Review.objects.get(application=submitted).declared_at == NOW


def test_looking_declares_nothing(submitted, rhee, browser):
    browser(rhee).get(reverse("review", args=[submitted.pk]))
    browser(rhee).post(reverse("review", args=[submitted.pk]), {"action": "save"})
    assert not Review.objects.exists()


def test_declaring_twice_is_one_review(submitted, rhee):
    first = review_start(application=submitted, by=rhee, at=NOW)
    assert review_start(application=submitted, by=rhee, at=NOW) == first


def test_a_review_is_saved_half_done_and_gone_on_with(review, rhee, browser, call):
    criterion = call.criteria.first()
    client = browser(rhee)
    address = reverse("review", args=[review.application_id])
    client.post(address, {"action": "save", f"score_{criterion.pk}": "0", "comment_to_panel": "Later."})
    review.refresh_from_db()
    assert [(row.criterion, row.value) for row in review.scores.all()] == [(criterion, 0)]
    assert (review.comment_to_panel, review.recommended_gpu_seconds, review.submitted_at) == ("Later.", None, None)
    assert "Later." in client.get(address).content.decode()


def test_submitting_names_everything_that_is_missing(review, rhee, browser, call):
    page = browser(rhee).post(reverse("review", args=[review.application_id]), {"action": "submit"}).content.decode()
    review.refresh_from_db()
    assert review.submitted_at is None
    for criterion in call.criteria.all():
        assert f'href="#id_score_{criterion.pk}_0"' in page
    assert 'href="#id_recommended_hours"' in page
    assert 'href="#id_comment_to_applicant"' in page


def test_a_submitted_review_is_read_only(review, rhee, browser, written):
    client = browser(rhee)
    address = reverse("review", args=[review.application_id])
    response = client.post(address, written | {"action": "submit"})
    assert response.url == reverse("review_queue")
    review.refresh_from_db()
    assert (review.submitted_at, review.recommended_gpu_seconds) == (NOW, 800 * HOUR + HOUR // 2)
    page = client.get(address).content.decode()
    assert '<form method="post" class="form card"' not in page
    assert "Well planned." in page

    late = client.post(address, written | {"action": "save", "comment_to_panel": "Changed my mind."})
    review.refresh_from_db()
    assert late.status_code == 409
    assert "submitted already" in late.content.decode()
    assert review.comment_to_panel == "Fund it."


def test_a_review_is_not_taken_after_the_decision_and_its_text_is_not_lost(review, rhee, browser, written):
    advance(review.application, "declined")
    response = browser(rhee).post(reverse("review", args=[review.application_id]), written | {"action": "submit"})
    review.refresh_from_db()
    assert review.submitted_at is None
    assert "no longer under review. It stands at: Not selected." in response.content.decode()


def test_the_services_refuse_what_the_pages_do_not_offer(review, rhee, dana, scores):
    with pytest.raises(Refused):
        review_start(application=review.application, by=dana, at=NOW)
    with pytest.raises(Refused):
        review_save(review=review, opinion=Opinion(), by=dana, at=NOW)
    with pytest.raises(Refused):
        review_submit(review=review, opinion=Opinion(scores), by=rhee, at=NOW)
    complete = Opinion(scores, "Good.", "", 0)
    review_submit(review=review, opinion=complete, by=rhee, at=NOW)
    with pytest.raises(LostRace):
        review_submit(review=review, opinion=complete, by=rhee, at=NOW)


def test_the_queue_sorts_by_waiting_and_by_what_is_to_do(call, rhee):
    late = ApplicationFactory(call=call, submitted_at=kst(2026, 2, 20))
    early = ApplicationFactory(call=call, submitted_at=kst(2026, 2, 10))
    begun = ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee, submitted_at=None).application
    done = ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee).application
    others = ReviewFactory(application=ApplicationFactory(call=call)).application
    queue = review_queue(rhee)
    assert [row.application for row in queue.to_do] == [early, late]
    assert [row.application for row in queue.in_progress] == [begun]
    assert [row.application for row in queue.done] == [done]
    assert [row.application for row in reviews_due(rhee)] == [begun, early, late]
    assert others not in [row.application for row in queue.to_do]


def test_nothing_is_due_from_who_is_no_reviewer(submitted, charlie):
    assert reviews_due(charlie) == []


def test_a_reviewer_sees_no_colleagues_review(reviewed, browser):
    colleague = UserFactory(roles=["reviewer"])
    client = browser(colleague)
    page = client.post(reverse("review", args=[reviewed.pk]), {"action": "declare"}, follow=True).content.decode()
    assert "선정을 권합니다." not in page
