"""Demo data: institutions, people of every role, a call, and work at every step of the way.

Everything people do is done through the services that pages use, at back-dated moments, so the demo's Event log
reads as it would in life. Running it again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from allocations.models import Application, Call, Cluster, Criterion, Membership, Pool, Project
from allocations.services.accounts import cluster_writing_enable
from allocations.services.applications import (
    Draft,
    DraftMember,
    application_save,
    application_start,
    application_submit,
)
from allocations.services.decisions import decision_award
from allocations.services.members import cluster_username_choose, member_join
from allocations.services.reviews import Opinion, review_save, review_start, review_submit
from portal.demo.texts import CALL_TEXT_EN, CALL_TEXT_KO, CRITERIA, INSTITUTIONS, LOGINS, OTHERS, PASSWORD, Login
from portal.people.models import Institution, InstitutionDomain, RoleAssignment, User
from portal.people.permissions import Role

HOUR = 3600


@transaction.atomic
def seed_base(at: datetime) -> Call:
    """Institutions, pools, people, the open call, and writing switched on."""
    for row in INSTITUTIONS:
        _institution(*row)
    for login in [*LOGINS, *OTHERS]:
        _person(login)
    pools = [
        _pool("h100", "H100", 0),
        _pool("a100", "A100", 1),
    ]
    cluster = Cluster.current()
    if not cluster.writing_enabled:
        cluster_writing_enable(cluster=cluster, by=User.objects.get(email="operator@center.example"), at=at)
    return _call(pools, at)


def seed_work(call: Call, at: datetime) -> None:
    """A project two months old, an application to review, one to decide on, and a draft."""
    if Application.objects.exists():
        return
    with transaction.atomic():
        _running_project(call, at)
        _application_to_review(call, at)
        _application_to_decide(call, at)
        _draft(call, at)


def person(name: str) -> User:
    """The demo's person by the part before the @."""
    return User.objects.get(email__startswith=f"{name}@")


def _institution(name_ko: str, name_en: str, kind: str, domains: list[str]) -> Institution:
    institution, _ = Institution.objects.get_or_create(name_ko=name_ko, defaults={"name_en": name_en, "kind": kind})
    for domain in domains:
        InstitutionDomain.objects.get_or_create(domain=domain, defaults={"institution": institution})
    return institution


def _person(login: Login) -> None:
    if User.objects.filter(email=login.email).exists():
        return
    user = User.objects.create_user(
        login.email,
        PASSWORD,
        name_ko=login.name_ko,
        name_en=login.name_en,
        institution=Institution.objects.for_email(login.email),
        is_staff=Role.OPERATOR in login.roles,
        is_superuser=Role.OPERATOR in login.roles,
    )
    EmailAddress.objects.create(user=user, email=login.email, verified=True, primary=True)
    for role in login.roles:
        RoleAssignment.objects.create(user=user, role=role)


def _pool(code: str, name: str, position: int) -> Pool:
    defaults = {
        "name_ko": f"{name} 풀",
        "name_en": f"{name} pool",
        "gpu_kind": code,
        "gpus": 4,
        "qos": code,
        "partitions": [code],
        "most_gpus_per_job": 4,
        "position": position,
    }
    return Pool.objects.get_or_create(code=code, defaults=defaults)[0]


def _call(pools: list[Pool], at: datetime) -> Call:
    if call := Call.objects.first():
        return call
    closing = timezone.make_aware(datetime.combine(timezone.localdate(at) + timedelta(days=30), time(18)))
    call = Call.objects.create(
        title_ko="2026년 하반기 GPU 자원 지원 공고",
        title_en="Call for GPU time, second half of 2026",
        text_ko=CALL_TEXT_KO,
        text_en=CALL_TEXT_EN,
        published_at=at - timedelta(days=75),
        opens_at=at - timedelta(days=70),
        closes_at=closing,
        reviews_needed=1,
    )
    call.pools.set(pools)
    for position, (name_ko, name_en, weight, help_ko, help_en) in enumerate(CRITERIA, start=1):
        Criterion.objects.create(
            call=call,
            position=position,
            name_ko=name_ko,
            name_en=name_en,
            weight=weight,
            help_ko=help_ko,
            help_en=help_en,
        )
    return call


def _apply(call: Call, by: User, draft: Draft, at: datetime, *, submit: bool = True) -> Application:
    application = application_start(call=call, by=by, at=at)
    application = application_save(application=application, draft=draft, revision=0, by=by, at=at)
    return application_submit(application=application, by=by, at=at) if submit else application


def _review(application: Application, by: User, scores: list[int], hours: int, comment: str, at: datetime) -> None:
    review = review_start(application=application, by=by, at=at)
    criteria = application.call.criteria.all()
    opinion = Opinion(
        scores={criterion.pk: value for criterion, value in zip(criteria, scores, strict=True)},
        comment_to_applicant=comment,
        recommended_gpu_seconds=hours * HOUR,
    )
    review_submit(review=review, opinion=opinion, by=by, at=at + timedelta(hours=2))


def _running_project(call: Call, at: datetime) -> None:
    """Granted 2,400 H100 hours two months ago; portal/demo/history.py writes the use."""
    then, today = at - timedelta(days=62), timezone.localdate(at)
    pi = person("seoyeon")
    draft = Draft(
        title_ko="초거대 시각언어모델 기반 철강 표면 결함 검출",
        title_en="Steel surface defect detection with large vision-language models",
        summary="연속주조와 열연 공정의 표면 영상을 시각언어모델로 학습하여 "
        "미세 결함을 실시간으로 검출하고 원인을 설명한다.",
        purpose="공개 사전학습 모델을 제철소 영상 120만 장으로 미세조정하고, 공정 조건별로 모델을 비교한다. "
        "학습은 GPU 4장 단위로 12시간씩 50회 수행하며, 1시간마다 체크포인트를 저장한다.",
        starts_on=today - timedelta(days=60),
        ends_on=today + timedelta(days=119),
        pool=Pool.objects.get(code="h100"),
        gpus_per_job=4,
        minutes_per_run=12 * 60,
        runs=50,
        requested_gpu_seconds=2400 * HOUR,
        members=(
            DraftMember("minjun@demo.postech.ac.kr", "이민준", "minjun"),
            DraftMember("haeun@demo.postech.ac.kr", "김하은", "haeun"),
        ),
    )
    application = _apply(call, pi, draft, then)
    comment = "자료 규모와 실험 계획이 구체적이고, 산출 근거가 분명합니다."
    _review(application, person("yuna"), [5, 4, 4, 5], 2400, comment, then + timedelta(hours=5))
    pool = Pool.objects.get(code="h100")
    decision_award(
        application=application, awards={pool: 2400 * HOUR}, by=person("decider"), at=then + timedelta(days=1)
    )
    project = Project.objects.get()
    joined = then + timedelta(days=1, hours=3)
    cluster_username_choose(user=pi, name="seoyeon", by=pi, at=joined)
    for name in ("minjun", "haeun"):
        member = person(name)
        membership = project.memberships.get(email=member.email, status=Membership.Status.INVITED)
        member_join(membership=membership, cluster_username=name, by=member, at=joined)


def _application_to_review(call: Call, at: datetime) -> None:
    today = timezone.localdate(at)
    draft = Draft(
        title_ko="고로 조업 조건 최적화를 위한 시계열 예측 모델",
        title_en="Time-series forecasting for blast furnace operation",
        summary="고로 센서 3,000개의 시계열로 노열 변화를 두 시간 앞서 예측하여 연료비를 줄인다.",
        purpose="변환기(Transformer) 계열 모델을 최근 5년 조업 자료로 학습한다. GPU 2장으로 6시간씩 40회 실행한다.",
        starts_on=today + timedelta(days=7),
        ends_on=today + timedelta(days=187),
        pool=Pool.objects.get(code="a100"),
        gpus_per_job=2,
        minutes_per_run=6 * 60,
        runs=40,
        requested_gpu_seconds=480 * HOUR,
    )
    _apply(call, person("jiho"), draft, at - timedelta(days=2))


def _application_to_decide(call: Call, at: datetime) -> None:
    today = timezone.localdate(at)
    draft = Draft(
        title_ko="이차전지 양극재 물성 예측용 그래프 신경망",
        title_en="Graph neural networks for cathode material properties",
        summary="양극재 결정 구조에서 용량과 수명을 예측하여 실험 후보를 줄인다.",
        purpose="공개 결정 자료 15만 건으로 그래프 신경망을 학습하고, 실험 자료 2천 건으로 미세조정한다. "
        "GPU 1장으로 8시간씩 60회 실행한다.",
        starts_on=today,
        ends_on=today + timedelta(days=180),
        pool=Pool.objects.get(code="a100"),
        gpus_per_job=1,
        minutes_per_run=8 * 60,
        runs=60,
        requested_gpu_seconds=480 * HOUR,
    )
    application = _apply(call, person("haeun"), draft, at - timedelta(days=4))
    comment = "연구 방법은 우수합니다. 사전 실험으로 1회 실행 시간을 확인하면 신청량을 줄일 수 있습니다."
    _review(application, person("yuna"), [4, 3, 4, 4], 360, comment, at - timedelta(days=1))
    other = review_start(application=application, by=person("dohyun"), at=at - timedelta(hours=20))
    opinion = Opinion(scores={}, comment_to_applicant="작성 중인 의견입니다.")
    review_save(review=other, opinion=opinion, by=person("dohyun"), at=at - timedelta(hours=19))


def _draft(call: Call, at: datetime) -> None:
    draft = Draft(title_ko="강판 두께 편차의 원인 분석", summary="압연 공정 자료로 두께 편차의 원인을 찾는다.")
    _apply(call, person("jiho"), draft, at - timedelta(hours=3), submit=False)
