"""From a draft to a grant by services alone, by the longest route: what the demo's data and other parts build on."""

from __future__ import annotations

from datetime import date

from allocations.models import Account, ConsentText, Decision, Membership
from allocations.services.applications import (
    Draft,
    DraftLine,
    DraftMember,
    application_save,
    application_start,
    application_submit,
)
from allocations.services.consents import texts_for
from allocations.services.decisions import decision_make, decisions_announce
from allocations.services.eligibility import application_find_eligible
from allocations.services.members import member_join
from allocations.services.offers import offer_accept
from allocations.services.reviews import Opinion, review_declare, review_submit
from allocations.services.technical import TechnicalOpinion, technical_start, technical_submit
from allocations.workflow import ApplicationStatus
from portal.events.models import Event
from tests.allocations.applying import completed
from tests.factories import HOUR, NOW, UserFactory, kst


def test_a_gpu_hour_goes_from_the_form_to_the_ledger(call, alice, rhee, oh, dana):
    h100 = call.pools.get(code="h100")
    tess = UserFactory(roles=["technical"])
    application = application_start(call=call, by=alice, at=NOW)
    columns = {
        "title_ko": "배터리 열화 예측",
        "title_en": "Battery ageing",
        "summary": "요약",
        "purpose": "목적",
        "starts_on": date(2026, 4, 1),
        "ends_on": date(2026, 6, 30),
    }
    draft = Draft(
        columns=columns,
        lines=[DraftLine(h100, gpus_per_job=2, minutes_per_run=90, runs=10, minimum_gpu_seconds=10 * HOUR)],
        members=[DraftMember("Bob@postech.ac.kr", "밥", "bob")],
    )
    application_save(application=application, draft=draft, revision=0, by=alice, at=NOW)
    assert application.requested_gpu_seconds == 30 * HOUR
    application = application_submit(application=completed(application), by=alice, at=NOW)
    assert (application.number, application.status) == ("2026-0001", ApplicationStatus.SUBMITTED)

    application_find_eligible(application=application, by=oh, at=NOW)
    technical = technical_start(application=application, by=tess, at=NOW)
    fits = TechnicalOpinion(verdict="feasible", recommended={h100: 30 * HOUR})
    technical_submit(review=technical, opinion=fits, by=tess, at=NOW)
    review = application.reviews.get(reviewer=rhee)
    review_declare(review=review, by=rhee, at=NOW)
    scores = {criterion.pk: 4 for criterion in call.criteria.all()}
    review_submit(review=review, opinion=Opinion(scores, "좋습니다", "", 24 * HOUR), by=rhee, at=NOW)

    partly = Decision.Outcome.PARTLY
    decision_make(application=application, outcome=partly, awards={h100: 24 * HOUR}, reason="축소", by=dana, at=NOW)
    decisions_announce(applications=[application], by=dana, at=NOW)
    application.refresh_from_db()
    assert application.status == ApplicationStatus.OFFERED
    agreed = dict.fromkeys(texts_for(ConsentText.Stage.AGREEMENT, call.track), True)
    grant = offer_accept(application=application, given=agreed, by=alice, at=NOW)

    project = grant.project
    assert (project.code, project.pi, project.institution) == ("p26001", alice, alice.institution)
    assert (grant.starts_at, grant.ends_at) == (kst(2026, 4, 1), kst(2026, 7, 1))
    assert grant.lines.get().granted_gpu_seconds == 24 * HOUR
    assert [entry.kind for entry in grant.lines.get().entries.all()] == ["award"]
    account = project.accounts.get()
    assert (account.name, account.state, account.parked) == ("p26001-h100", Account.State.APPLYING, True)
    assert project.memberships.get(user=alice).status == Membership.Status.ACTIVE

    invitation = project.memberships.get(email="bob@postech.ac.kr")
    bob = UserFactory(email="bob@postech.ac.kr", cluster_username=None)
    member_join(membership=invitation, cluster_username="bob", by=bob, at=NOW)
    assert invitation.status == Membership.Status.ACTIVE
    assert bob.cluster_username == "bob"

    happened = list(Event.objects.order_by("pk").values_list("action", flat=True))
    assert happened == [
        "application.started",
        "application.submitted",
        "application.found_eligible",
        "technical.started",
        "technical.submitted",
        "review.assigned",
        "review.opened",
        "review.submitted",
        "application.reviews_finished",
        "application.decided",
        "application.offered",
        "project.created",
        "grant.awarded",
        "member.invited",
        "member.invited",
        "application.accepted",
        "person.username_asked",
        "member.joined",
    ]
