"""Demo data, the work: applications at every step of the way, each brought there by the services that pages use, at
back-dated moments, so that the demo's Event log reads as it would in life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from allocations.models import Application, Call, ConsentText, Decision, Membership, Pool, Project, ReviewerProfile
from allocations.services.applications import (
    Draft,
    DraftGrant,
    DraftLine,
    DraftMember,
    application_save,
    application_start,
    application_submit,
)
from allocations.services.consents import consent_give, texts_for
from allocations.services.decisions import decision_make, decisions_announce
from allocations.services.eligibility import application_find_eligible, application_return
from allocations.services.members import member_join
from allocations.services.offers import offer_accept
from allocations.services.reviews import Opinion, review_declare, review_submit
from allocations.services.technical import TechnicalOpinion, technical_start, technical_submit
from allocations.services.usernames import username_approve, username_ask, usernames_found
from portal.demo.proposals import LARGE, PROPOSALS, Proposal
from portal.demo.seed import HOUR, person, seed_calls
from portal.people.models import User

DAY = timedelta(days=1)


def seed_work(at: datetime) -> None:
    """A project two months old, and applications at every step. Running it again changes nothing."""
    if Application.objects.exists():
        return
    with transaction.atomic():
        seed_calls(at)
        _running_project(at)
        _in_review(at)
        _before_the_panel(at)
        _draft(at)
        _to_check(at)
        _returned(at)
        _to_assess(at)
        _starter(at)
        _large_call(at)


def call_titled(start: str) -> Call:
    return Call.objects.get(title_ko__startswith=start)


# Steps of the way, as their people take them.


def apply(call: Call, proposal: Proposal, at: datetime, *, starts_on: date, months: int = 6) -> Application:
    """Written and handed in by its applicant."""
    by = person(proposal.by)
    application = application_start(call=call, by=by, at=at)
    draft = _draft_of(proposal, starts_on, starts_on + timedelta(days=30 * months - 1))
    application = application_save(application=application, draft=draft, revision=0, by=by, at=at)
    consented = texts_for(ConsentText.Stage.APPLICATION, call.track)
    consent_give(user=by, texts_given=dict.fromkeys(consented, True), application=application, at=at)
    return application_submit(application=application, by=by, at=at)


def _draft_of(proposal: Proposal, starts_on: date, ends_on: date) -> Draft:
    line = DraftLine(
        pool=Pool.objects.get(code=proposal.pool),
        gpus_per_job=proposal.gpus,
        minutes_per_run=proposal.hours * 60,
        runs=proposal.runs,
        requested_gpu_seconds=proposal.gpus * proposal.hours * proposal.runs * HOUR,
        minimum_gpu_seconds=proposal.minimum * HOUR or None,
    )
    columns: dict[str, Any] = {
        "title_ko": proposal.title_ko,
        "title_en": proposal.title_en,
        "summary": proposal.summary,
        "purpose": proposal.purpose,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "delegate_name": proposal.delegate[0],
        "delegate_email": proposal.delegate[1],
    }
    return Draft(
        columns=columns,
        answers=proposal.answers,
        lines=[line],
        members=[DraftMember(*member) for member in proposal.members],
        related_grants=[DraftGrant(*grant) for grant in proposal.grants],
        firm=proposal.firm or None,
    )


def check(application: Application, at: datetime) -> None:
    application_find_eligible(application=application, by=person("operator"), at=at)
    application.refresh_from_db()


def assess(application: Application, at: datetime, *, share: int = 100, reviewers: tuple[str, ...] = ()) -> None:
    """Found feasible with so many percent of what is asked; `reviewers` then get the reviews."""
    by = person("tech")
    review = technical_start(application=application, by=by, at=at)
    recommended = {
        line.pool: line.requested_gpu_seconds * share // 100 // 60 * 60
        for line in application.lines.select_related("pool")
        if line.requested_gpu_seconds
    }
    opinion = TechnicalOpinion(
        verdict="feasible" if share == 100 else "changes",
        comment_to_applicant="" if share == 100 else "1회 실행 시간을 줄일 수 있어 권고량을 낮추었습니다.",
        comment_to_panel="작업당 GPU 수와 실행 시간이 센터 환경에 맞습니다.",
        recommended=recommended,
    )
    with _only_free(reviewers):
        technical_submit(review=review, opinion=opinion, by=by, at=at + timedelta(hours=1))
    application.refresh_from_db()


@contextmanager
def _only_free(names: tuple[str, ...]) -> Iterator[None]:
    """Reviews are given to these: the others take none for the moment."""
    others = ReviewerProfile.objects.exclude(user__in=[person(name) for name in names])
    others.update(paused_at=timezone.now())
    yield
    ReviewerProfile.objects.update(paused_at=None)


def judge(application: Application, reviewer: str, scores: list[int], hours: int, comment: str, at: datetime) -> None:
    by = person(reviewer)
    review = application.reviews.get(reviewer=by)
    _pledge(by, at)
    review_declare(review=review, by=by, at=at)
    review.refresh_from_db()
    criteria = application.call.criteria.all()
    opinion = Opinion(
        scores={criterion.pk: value for criterion, value in zip(criteria, scores, strict=True)},
        comment_to_applicant=comment,
        recommended_gpu_seconds=hours * HOUR,
    )
    review_submit(review=review, opinion=opinion, by=by, at=at + timedelta(hours=2))
    application.refresh_from_db()


def _pledge(by: User, at: datetime) -> None:
    """비밀유지서약, once a year before the first proposal opens."""
    texts = texts_for(ConsentText.Stage.REVIEWER)
    missing = [text for text in texts if not by.consents.filter(text=text, given=True).exists()]
    if missing:
        consent_give(user=by, texts_given=dict.fromkeys(missing, True), at=at)


def decide(application: Application, awards: Mapping[str, int], at: datetime, **more: Any) -> None:
    """Decided, not announced; `awards` in GPU-hours by pool code."""
    decision_make(
        application=application,
        awards={Pool.objects.get(code=code): hours * HOUR for code, hours in awards.items()},
        by=person("decider"),
        at=at,
        **more,
    )
    application.refresh_from_db()


def accept(application: Application, at: datetime) -> None:
    texts = texts_for(ConsentText.Stage.AGREEMENT, application.call.track)
    offer_accept(application=application, given=dict.fromkeys(texts, True), by=application.applicant, at=at)


def give_name(user: User, at: datetime) -> None:
    """The center approves the name that was asked for, and makes it on the cluster."""
    username_approve(user=user, by=person("operator"), at=at + timedelta(hours=1))
    usernames_found(found=[str(user.cluster_username)], at=at + timedelta(hours=2))
    user.refresh_from_db()


# What stands where.


def _running_project(at: datetime) -> None:
    """Granted 2,400 H100 hours two months ago; portal/demo/history.py writes the use."""
    then, today = at - 66 * DAY, timezone.localdate(at)
    application = apply(call_titled("2026년 하반기"), PROPOSALS["defects"], then, starts_on=today - 60 * DAY, months=6)
    check(application, then + 1 * DAY)
    assess(application, then + 2 * DAY, reviewers=("yuna",))
    comment = "자료 규모와 실험 계획이 구체적이고, 산출 근거가 분명합니다."
    judge(application, "yuna", [5, 4, 4, 5], 2400, comment, then + 3 * DAY)
    decide(application, {"h100": 2400}, then + 4 * DAY, outcome=Decision.Outcome.AWARDED)
    decisions_announce(applications=[application], by=person("decider"), at=then + 4 * DAY)
    application.refresh_from_db()
    accept(application, then + 5 * DAY)
    project, joined = Project.objects.get(), then + 5 * DAY + timedelta(hours=3)
    username_ask(user=project.pi, name="seoyeon", by=project.pi, at=joined)
    give_name(project.pi, joined)
    for name in ("minjun", "haeun"):
        member = person(name)
        membership = project.memberships.get(email=member.email, status=Membership.Status.INVITED)
        member_join(membership=membership, cluster_username=name, by=member, at=joined)
        give_name(member, joined)


def _in_review(at: datetime) -> None:
    then, today = at - 8 * DAY, timezone.localdate(at)
    application = apply(call_titled("2026년 하반기"), PROPOSALS["furnace"], then, starts_on=today + 10 * DAY)
    check(application, then + 1 * DAY)
    assess(application, then + 4 * DAY, share=75, reviewers=("yuna",))


def _before_the_panel(at: datetime) -> None:
    then, today = at - 12 * DAY, timezone.localdate(at)
    application = apply(call_titled("2026년 하반기"), PROPOSALS["cathode"], then, starts_on=today + 5 * DAY)
    check(application, then + 1 * DAY)
    assess(application, then + 2 * DAY, reviewers=("dohyun",))
    comment = "연구 방법은 우수합니다. 사전 실험으로 1회 실행 시간을 확인하면 신청량을 줄일 수 있습니다."
    judge(application, "dohyun", [4, 3, 4, 4], 360, comment, then + 6 * DAY)


def _draft(at: datetime) -> None:
    by = person("jiho")
    application = application_start(call=call_titled("지역 기업"), by=by, at=at)
    columns = {"title_ko": "강판 두께 편차의 원인 분석", "summary": "압연 공정 자료로 두께 편차의 원인을 찾는다."}
    application_save(application=application, draft=Draft(columns=columns), revision=0, by=by, at=at)
    # Waits for the operator.
    username_ask(user=by, name="jiho", by=by, at=at)


def _to_check(at: datetime) -> None:
    today = timezone.localdate(at)
    apply(call_titled("지역 기업"), PROPOSALS["protein"], at - 1 * DAY, starts_on=today + 14 * DAY)


def _returned(at: datetime) -> None:
    today = timezone.localdate(at)
    application = apply(call_titled("지역 기업"), PROPOSALS["cell"], at - 3 * DAY, starts_on=today + 14 * DAY)
    text = "중소기업확인서의 유효기간이 사용기간 종료 전에 만료됩니다. 갱신한 확인서의 유효기간을 적어 주십시오."
    application_return(application=application, text=text, by=person("operator"), at=at - 2 * DAY)


def _to_assess(at: datetime) -> None:
    today = timezone.localdate(at)
    application = apply(call_titled("2026년 하반기"), PROPOSALS["translation"], at - 4 * DAY, starts_on=today + 7 * DAY)
    check(application, at - 3 * DAY)


def _starter(at: datetime) -> None:
    """Selected by rule at once; the agreement waits for its PI."""
    today = timezone.localdate(at)
    apply(call_titled("체험"), PROPOSALS["first"], at - 1 * DAY, starts_on=today + 1 * DAY, months=3)


def _large_call(at: datetime) -> None:
    """The closed blind call before its panel: six applications with two reviews each."""
    call, today = call_titled("2026년 제2차"), timezone.localdate(at)
    for number, entry in enumerate(LARGE):
        then = at - (40 - number) * DAY
        application = apply(call, entry.proposal, then, starts_on=today + 30 * DAY, months=12)
        check(application, then + 2 * DAY)
        assess(application, then + 5 * DAY, share=entry.share, reviewers=tuple(entry.reviews))
        for days, (reviewer, (scores, share)) in enumerate(entry.reviews.items(), start=8):
            asked = application.requested_gpu_seconds // HOUR
            judge(application, reviewer, scores, asked * share // 100, entry.comment, then + days * DAY)
