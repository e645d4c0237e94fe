"""Projects beside the walk-through's: without them the center's pages, the statistics and the reports would be of one.

They came by their hours as any other, only quicker told. What they used is in portal/demo/history.py.
"""
# ruff: noqa: E501  (prose)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from allocations.models import Application, Decision, Grant, Membership
from allocations.services.decisions import decisions_announce
from allocations.services.members import member_join
from allocations.services.usernames import username_ask
from portal.demo.proposals import BATTERY, BIO, STEEL, Proposal
from portal.demo.seed import add_person, person
from portal.demo.texts import Login
from portal.demo.work import DAY, accept, apply, assess, call_titled, check, decide, give_name, judge
from portal.people.models import User


@dataclass(frozen=True)
class Neighbour:
    """A project that began so many days ago with all it asked for. What is more than a technical review decides went
    to `reviewer` as well. The first of `people` leads it; their names on the cluster are those of their addresses."""

    people: tuple[Login, ...]
    days_ago: int
    proposal: Proposal
    reviewer: str = ""


def _login(email: str, name_ko: str, name_en: str) -> Login:
    return Login(email, name_ko, name_en, "", "")


NEIGHBOURS = (
    Neighbour(
        (_login("sunwoo@demo.postech.ac.kr", "남선우", "Nam Sunwoo"), _login("gaeun@demo.postech.ac.kr", "황가은", "Hwang Gaeun")), 58,
        Proposal(
            "sunwoo", "고체전해질 계면의 기계학습 퍼텐셜 개발", "Machine-learned potentials for solid electrolyte interfaces",
            "고체전해질과 리튬 금속의 계면 반응을 원자 수준에서 모의하여 열화 원인을 찾는다.",
            "제일원리 계산 자료 3만 건으로 등변 신경망 퍼텐셜을 학습한다. GPU 2장으로 10시간씩 50회 실행한다.",
            "a100", 2, 10, 50, 500, ("이차전지", "재료"), "materials", "batteries", ("simulation",), ("황가은", "gaeun@demo.postech.ac.kr"),
            (("gaeun@demo.postech.ac.kr", "황가은", "gaeun"),),
        ), "minseo",
    ),
    Neighbour(
        (_login("yerin@demo.postech.ac.kr", "서예린", "Seo Yerin"), _login("junho@demo.postech.ac.kr", "문준호", "Moon Junho")), 45,
        Proposal(
            "yerin", "보행 로봇 강화학습 정책의 현장 이전", "Bringing learned walking policies from simulation to robots",
            "모의환경에서 학습한 보행 정책을 제철소 점검 로봇에 옮겨 실제 바닥에서 안정적으로 걷게 한다.",
            "환경 4,096개를 동시에 모의하여 정책을 학습한다. GPU 2장으로 8시간씩 60회 실행한다.",
            "h100", 2, 8, 60, 480, ("로봇", "강화학습"), "machinery", "factory", ("simulation",), ("문준호", "junho@demo.postech.ac.kr"),
            (("junho@demo.postech.ac.kr", "문준호", "junho"),),
        ), "hyunwoo",
    ),
    Neighbour(
        (_login("dain@demo.postech.ac.kr", "류다인", "Ryu Dain"),), 30,
        Proposal(
            "dain", "동해 연안 위성영상의 자기지도학습", "Self-supervised learning on satellite images of the East Sea coast",
            "레이블이 없는 위성영상으로 사전학습하여 적조와 해안 침식을 일찍 알아낸다.",
            "위성영상 20만 장으로 마스크 오토인코더를 학습한다. GPU 1장으로 6시간씩 30회 실행한다.",
            "a100", 1, 6, 30, 90, ("컴퓨터비전", "해양"), "earth", "other", ("vision", "pretraining"),
        ),
    ),
    Neighbour(
        (_login("hayoung@demo.handong.edu", "구하영", "Koo Hayoung"), _login("eunsol@demo.handong.edu", "차은솔", "Cha Eunsol")), 55,
        Proposal(
            "hayoung", "저자원 언어의 말뭉치 증강과 기계번역", "Machine translation for languages with few texts",
            "말뭉치가 적은 중앙아시아 언어를 한국어로 번역하는 모델을 개발한다.",
            "역번역으로 말뭉치를 늘려 다국어 모델을 미세조정한다. GPU 1장으로 6시간씩 80회 실행한다.",
            "h100", 1, 6, 80, 240, ("언어모델", "번역"), "information", "education", ("language", "finetuning"), ("차은솔", "eunsol@demo.handong.edu"),
            (("eunsol@demo.handong.edu", "차은솔", "eunsol"),),
        ), "hyunwoo",
    ),
    Neighbour(
        (_login("jaemin@demo.handong.edu", "노재민", "Noh Jaemin"),), 50,
        Proposal(
            "jaemin", "의료영상 분할 모델의 불확실성 추정", "Uncertainty of models that segment medical images",
            "분할 결과를 어디까지 믿을 수 있는지 함께 알려 판독을 돕는다.",
            "공개 CT 자료로 앙상블 모델을 학습하고 보정 정도를 비교한다. GPU 1장으로 8시간씩 60회 실행한다.",
            "a100", 1, 8, 60, 240, ("바이오", "컴퓨터비전"), "health", "bio", ("vision",), ("구하영", "hayoung@demo.handong.edu"),
        ), "minseo",
    ),
    Neighbour(
        (_login("sohee@demo.handong.edu", "안소희", "Ahn Sohee"),), 40,
        Proposal(
            "sohee", "딥러닝 실습 교과목의 공동 과제", "Shared assignments of a course on deep learning",
            "수강생 40명이 같은 자료로 모델을 학습하고 결과를 비교한다.",
            "조별로 모델을 학습한다. GPU 1장으로 2시간씩 90회 실행한다.",
            "a100", 1, 2, 90, 90, ("교육",), "information", "education", ("teaching",),
        ),
    ),
    Neighbour(
        (_login("sangmin@steel.example", "권상민", "Kwon Sangmin"), _login("bora@steel.example", "우보라", "Woo Bora")), 42,
        Proposal(
            "sangmin", "연속주조 슬래브 균열의 사전 예측", "Predicting cracks in continuously cast slabs",
            "주조 중의 온도와 진동 신호로 슬래브 균열을 미리 알아낸다.",
            "최근 3년 주조 자료로 시계열 모델을 학습한다. GPU 2장으로 5시간씩 60회 실행한다.",
            "h100", 2, 5, 60, 300, ("시계열", "철강", "공정"), "process", "steel", ("series",), ("우보라", "bora@steel.example"),
            (("bora@steel.example", "우보라", "bora"),), firm=STEEL,
        ), "jiwon",
    ),
    Neighbour(
        (_login("eunji@battery.example", "표은지", "Pyo Eunji"),), 36,
        Proposal(
            "eunji", "전극 코팅 두께의 실시간 예측", "Predicting the thickness of electrode coatings as they dry",
            "코팅 설비의 센서 신호로 건조 후 두께를 예측하여 불량을 줄인다.",
            "설비 자료 2년치로 모델을 학습한다. GPU 1장으로 6시간씩 50회 실행한다.",
            "a100", 1, 6, 50, 150, ("이차전지", "제조"), "process", "batteries", ("series",), ("문가람", "garam@battery.example"), firm=BATTERY,
        ), "jiwon",
    ),
    Neighbour(
        (_login("hyejin@bio.example", "도혜진", "Do Hyejin"),), 28,
        Proposal(
            "hyejin", "항체 서열 생성 모델의 미세조정", "Fine-tuning a model that writes antibody sequences",
            "결합력과 안정성이 높은 항체 후보를 생성하여 실험 횟수를 줄인다.",
            "공개 항체 언어모델을 자체 측정값 6천 건으로 미세조정한다. GPU 1장으로 10시간씩 40회 실행한다.",
            "h100", 1, 10, 40, 200, ("바이오", "단백질"), "life", "bio", ("finetuning",), ("오다은", "daeun@bio.example"), firm=BIO,
        ), "minseo",
    ),
)  # fmt: skip


@transaction.atomic
def seed_neighbours(at: datetime) -> None:
    """In the order above. Running it again changes nothing."""
    if User.objects.filter(email=NEIGHBOURS[0].people[0].email).exists():
        return
    for neighbour in NEIGHBOURS:
        for login in neighbour.people:
            add_person(login)
        _begin(neighbour, at)


def _begin(neighbour: Neighbour, at: datetime) -> None:
    then, proposal = at - (neighbour.days_ago + 6) * DAY, neighbour.proposal
    starts_on = timezone.localdate(at) - neighbour.days_ago * DAY
    application = apply(call_titled("2026년 하반기"), proposal, then, starts_on=starts_on)
    check(application, then + 1 * DAY)
    reviewers = (neighbour.reviewer,) if neighbour.reviewer else ()
    assess(application, then + 2 * DAY, reviewers=reviewers)
    if reviewers:
        _select(application, neighbour, then + 3 * DAY)
    accept(application, then + 5 * DAY)
    _join(neighbour, application.pk, then + 5 * DAY + timedelta(hours=3))


def _select(application: Application, neighbour: Neighbour, at: datetime) -> None:
    """What a technical review alone does not decide."""
    proposal = neighbour.proposal
    asked = proposal.gpus * proposal.hours * proposal.runs
    judge(application, neighbour.reviewer, [4, 4, 4, 4], asked, "계획과 산출 근거가 분명합니다.", at)
    decide(application, {proposal.pool: asked}, at + DAY, outcome=Decision.Outcome.AWARDED)
    decisions_announce(applications=[application], by=person("decider"), at=at + DAY)
    application.refresh_from_db()


def _join(neighbour: Neighbour, application: int, at: datetime) -> None:
    project = Grant.objects.get(application=application).project
    username_ask(user=project.pi, name=cluster_name(neighbour.people[0]), by=project.pi, at=at)
    give_name(project.pi, at)
    for login in neighbour.people[1:]:
        member, name = User.objects.get(email=login.email), cluster_name(login)
        membership = project.memberships.get(email=login.email, status=Membership.Status.INVITED)
        member_join(membership=membership, cluster_username=name, by=member, at=at)
        give_name(member, at)


def cluster_name(login: Login) -> str:
    return login.email.partition("@")[0]
