"""From a draft to a grant by services alone: what the seed data and other parts build on."""

from __future__ import annotations

from datetime import date

from allocations.models import Account, Membership
from allocations.services.applications import (
    Draft,
    DraftMember,
    application_save,
    application_start,
    application_submit,
)
from allocations.services.decisions import decision_award
from allocations.services.members import member_join
from allocations.services.reviews import Opinion, review_start, review_submit
from portal.events.models import Event
from tests.factories import HOUR, NOW, UserFactory, kst


def test_a_gpu_hour_goes_from_the_form_to_the_ledger(call, alice, rhee, dana, mailoutbox):
    h100 = call.pools.get(code="h100")
    application = application_start(call=call, by=alice, at=NOW)
    draft = Draft(
        title_ko="배터리 열화 예측",
        title_en="Battery ageing",
        summary="요약",
        purpose="목적",
        starts_on=date(2026, 4, 1),
        ends_on=date(2026, 6, 30),
        pool=h100,
        gpus_per_job=2,
        minutes_per_run=90,
        runs=10,
        members=(DraftMember("Bob@postech.ac.kr", "밥", "bob"),),
    )
    application_save(application=application, draft=draft, revision=0, by=alice, at=NOW)
    assert application.requested_gpu_seconds == 30 * HOUR
    application_submit(application=application, by=alice, at=NOW)
    assert application.number == "2026-0001"

    review = review_start(application=application, by=rhee, at=NOW)
    scores = {criterion.pk: 4 for criterion in call.criteria.all()}
    review_submit(review=review, opinion=Opinion(scores, "좋습니다", "", 24 * HOUR), by=rhee, at=NOW)

    decision_award(application=application, awards={h100: 24 * HOUR}, by=dana, at=NOW)
    grant = application.grant
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
        "review.started",
        "review.submitted",
        "application.awarded",
        "project.created",
        "grant.awarded",
        "member.invited",
        "person.username_chosen",
        "member.joined",
    ]
