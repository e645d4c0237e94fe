"""Technical review: what can run here and how much it takes; by its tier an application goes on or is decided."""

from __future__ import annotations

import pytest

from allocations.models import Application, TechnicalReview, Tier
from allocations.services import Refused
from allocations.services.eligibility import application_return
from allocations.services.technical import TechnicalOpinion, technical_save, technical_start, technical_submit
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.models import User
from tests.factories import HOUR, NOW, ApplicationFactory, CallFactory, PoolFactory, TierFactory, UserFactory

pytestmark = pytest.mark.django_db
S, Route, Verdict = ApplicationStatus, Tier.Route, TechnicalReview.Verdict


@pytest.fixture
def tess(db: None) -> User:
    return UserFactory(email="tess@center.example", name_en="Tess", roles=["technical"])


def in_technical_review(route: Route, applicant: User, **tier: int) -> Application:
    row = TierFactory(call=CallFactory(tiers=False, pools=[PoolFactory()]), route=route, **tier)
    return ApplicationFactory(call=row.call, tier=row, applicant=applicant, status=S.TECHNICAL, hours=100)


@pytest.fixture
def large(alice: User) -> Application:
    return in_technical_review(Route.FULL, alice, reviews_needed=2)


def opinion(verdict: str, hours: int | None = None, comment: str = "Use fewer GPUs.") -> TechnicalOpinion:
    recommended = {} if hours is None else {PoolFactory(): hours * HOUR}
    return TechnicalOpinion(verdict, comment, "For the panel.", recommended)


def submit(application: Application, by: User, told: TechnicalOpinion) -> TechnicalReview:
    review = technical_start(application=application, by=by, at=NOW)
    technical_submit(review=review, opinion=told, by=by, at=NOW)
    application.refresh_from_db()
    review.refresh_from_db()
    return review


@pytest.mark.parametrize(("verdict", "hours", "kept"), [("feasible", None, 100), ("changes", 60, 60)])
def test_what_is_feasible_goes_on_to_scientific_review(large, tess, verdict, hours, kept):
    review = submit(large, tess, opinion(verdict, hours))
    assert (large.status, large.status_since) == (S.REVIEW, NOW)
    assert large.due_at is not None
    assert [line.recommended_gpu_seconds for line in review.lines.all()] == [kept * HOUR]


def test_on_entering_review_reviewers_are_assigned_by_the_portal(large, tess, rhee):
    submit(large, tess, opinion("feasible"))
    (assigned,) = large.reviews.all()
    assert (assigned.reviewer, assigned.assigned_by) == (rhee, None)


def test_what_is_not_feasible_goes_before_the_panel_without_reviews(large, tess):
    review = submit(large, tess, opinion("infeasible", 50))
    assert large.status == S.PANEL
    assert [line.recommended_gpu_seconds for line in review.lines.all()] == [0]


def test_where_no_review_is_needed_the_panel_has_it_next(alice, tess):
    application = in_technical_review(Route.FULL, alice, reviews_needed=0)
    submit(application, tess, opinion("feasible"))
    assert application.status == S.PANEL


@pytest.mark.parametrize("route", [Route.TECHNICAL, Route.RULE])
def test_a_small_one_is_decided_by_the_check(alice, tess, route):
    chosen = in_technical_review(route, alice)
    submit(chosen, tess, opinion("changes", 60))
    assert chosen.status == S.OFFERED
    assert chosen.decision.awarded_gpu_seconds == 60 * HOUR
    declined = in_technical_review(route, alice)
    submit(declined, tess, opinion("infeasible"))
    assert declined.status == S.DECLINED


@pytest.mark.parametrize(
    "told",
    [
        ("", 100, "x"),
        ("maybe", 100, "x"),
        ("changes", None, "x"),
        ("changes", 0, "x"),
        ("changes", 101, "x"),
        ("changes", 60, " "),
        ("infeasible", 0, ""),
        ("feasible", 60, "x"),
    ],
)
def test_what_is_incomplete_or_contradicts_itself_is_refused_and_changes_nothing(large, tess, told):
    with pytest.raises(Refused):
        submit(large, tess, opinion(*told))
    large.refresh_from_db()
    review = large.technical_reviews.get()
    assert (large.status, review.submitted_at, review.revision) == (S.TECHNICAL, None, 0)


def test_an_amount_in_a_pool_that_was_not_asked_for_is_refused(large, tess):
    told = TechnicalOpinion("changes", "x", "", {PoolFactory(code="a100"): HOUR})
    with pytest.raises(Refused):
        submit(large, tess, told)


def test_a_draft_is_kept_as_it_is(large, tess):
    review = technical_start(application=large, by=tess, at=NOW)
    technical_save(review=review, opinion=TechnicalOpinion(comment_to_panel="first"), revision=0, by=tess, at=NOW)
    assert (review.comment_to_panel, review.revision, review.lines.count()) == ("first", 1, 0)
    with pytest.raises(LostRace):
        technical_save(review=review, opinion=TechnicalOpinion(comment_to_panel="old"), revision=0, by=tess, at=NOW)
    review.refresh_from_db()
    assert review.comment_to_panel == "first"


def test_another_takes_the_draft_over_and_the_first_can_no_longer_write(large, tess):
    first = technical_start(application=large, by=tess, at=NOW)
    technical_save(review=first, opinion=TechnicalOpinion(comment_to_panel="half"), revision=0, by=tess, at=NOW)
    uma = UserFactory(roles=["technical"])
    taken = technical_start(application=large, by=uma, at=NOW)
    assert (taken.pk, taken.reviewer, taken.comment_to_panel) == (first.pk, uma, "half")
    with pytest.raises(LostRace):
        technical_save(review=first, opinion=TechnicalOpinion(), revision=1, by=tess, at=NOW)
    with pytest.raises(LostRace):
        technical_submit(review=first, opinion=opinion("feasible"), by=tess, at=NOW)


def test_a_submitted_review_cannot_be_written_again(large, tess):
    review = submit(large, tess, opinion("feasible"))
    for act in (technical_save, technical_submit):
        with pytest.raises(LostRace):
            act(review=review, opinion=opinion("infeasible"), revision=review.revision, by=tess, at=NOW)


def test_nobody_reviews_their_own_institutions(large, postech):
    near = UserFactory(roles=["technical"], institution=postech)
    with pytest.raises(Refused):
        technical_start(application=large, by=near, at=NOW)


def test_the_technical_reviewer_returns_it_too_and_their_draft_waits(large, tess):
    review = technical_start(application=large, by=tess, at=NOW)
    technical_save(review=review, opinion=TechnicalOpinion(comment_to_panel="half"), revision=0, by=tess, at=NOW)
    application_return(application=large, text="Which framework?", by=tess, at=NOW)
    assert large.status == S.RETURNED
    assert large.corrections.get().by == tess
    Application.objects.filter(pk=large.pk).update(status=S.TECHNICAL)
    assert technical_start(application=large, by=tess, at=NOW).comment_to_panel == "half"


# The pages


def written(**changes: str) -> dict[str, str]:
    return {
        "verdict": "changes",
        "recommended_h100": "60",
        "comment_to_applicant": "Use fewer GPUs.",
        "comment_to_panel": "",
        "revision": "0",
        "action": "submit",
        **changes,
    }


def test_from_the_queue_to_the_submitted_review(browser, tess, large):
    client = browser(tess)
    assert large.number in client.get("/technical/").content.decode()
    address = f"/technical/{large.pk}/"
    assert 'value="start"' in client.get(address).content.decode()
    client.post(address, {"action": "start"})
    assert "data-autosave" in client.get(address).content.decode()
    assert client.post(address, written()).status_code == 302
    large.refresh_from_db()
    assert large.status == S.REVIEW
    assert "Use fewer GPUs." in client.get(address).content.decode()


def test_every_problem_is_listed_and_what_is_valid_kept(browser, tess, large):
    client = browser(tess)
    technical_start(application=large, by=tess, at=NOW)
    sent = written(comment_to_applicant="", recommended_h100="", comment_to_panel="keep this")
    page = client.post(f"/technical/{large.pk}/", sent).content.decode()
    assert page.count('aria-invalid="true"') >= 2
    review = large.technical_reviews.get()
    assert (review.submitted_at, review.comment_to_panel) == (None, "keep this")
    assert 'name="revision" value="1"' in page


def test_it_saves_itself_and_says_where_it_cannot(browser, tess, large):
    client = browser(tess)
    technical_start(application=large, by=tess, at=NOW)
    headers = {"X-Requested-With": "autosave"}
    sent = written(action="autosave", verdict="", comment_to_panel="draft")
    answer = client.post(f"/technical/{large.pk}/", sent, headers=headers)
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    assert client.post(f"/technical/{large.pk}/", sent, headers=headers).status_code == 409
    Application.objects.filter(pk=large.pk).update(status=S.WITHDRAWN)
    answer = client.post(f"/technical/{large.pk}/", sent | {"revision": "1"}, headers=headers)
    assert answer.status_code == 409
    assert "Withdrawn" in answer.json()["message"]


def test_who_was_overtaken_keeps_what_they_sent_on_the_page(browser, tess, large):
    technical_start(application=large, by=tess, at=NOW)
    technical_start(application=large, by=UserFactory(name_en="Uma", roles=["technical"]), at=NOW)
    answer = browser(tess).post(f"/technical/{large.pk}/", written())
    assert answer.status_code == 409
    assert "Uma has taken this review over." in answer.content.decode()


def test_a_stake_is_said_and_nothing_offered(browser, large, postech):
    near = UserFactory(roles=["technical"], institution=postech)
    page = browser(near).get(f"/technical/{large.pk}/").content.decode()
    assert "You have a stake" in page
    assert 'name="action"' not in page
    assert large.number not in browser(near).get("/technical/").content.decode()


def test_a_refusal_of_the_decision_is_shown_on_the_form(browser, tess, alice):
    """The call has no hours left: the technical reviewer reads it and may recommend less."""
    small = in_technical_review(Route.TECHNICAL, alice)
    small.call.offers.update(gpu_seconds=50 * HOUR)
    technical_start(application=small, by=tess, at=NOW)
    page = browser(tess).post(f"/technical/{small.pk}/", written()).content.decode()
    assert "50 GPU-hours" in page
    small.refresh_from_db()
    assert small.status == S.TECHNICAL


@pytest.mark.parametrize("who", ["alice", "rhee", "dana", "oh", "observer"])
def test_the_technical_pages_are_for_technical_reviewers(browser, request, who, large):
    client = browser(request.getfixturevalue(who))
    for address in ("/technical/", f"/technical/{large.pk}/"):
        assert client.get(address).status_code == 403


def test_the_queue_takes_as_many_queries_for_many_as_for_few(browser, tess, django_assert_max_num_queries):
    for _ in range(20):
        row = ApplicationFactory(status=S.TECHNICAL)
        TechnicalReview.objects.create(application=row, reviewer=UserFactory(roles=["technical"]), started_at=NOW)
    client = browser(tess)
    with django_assert_max_num_queries(16):
        client.get("/technical/")
