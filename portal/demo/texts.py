"""The words of the demo data: people, institutions, the call and its criteria."""
# ruff: noqa: E501  (prose)

from __future__ import annotations

from dataclasses import dataclass

from portal.people.models import Institution
from portal.people.permissions import Role

PASSWORD = "pohang-demo"  # noqa: S105  (shown on the demo's first lines)


@dataclass(frozen=True)
class Login:
    email: str
    name_ko: str
    name_en: str
    role_ko: str
    role_en: str
    roles: tuple[Role, ...] = ()


LOGINS = [
    Login("seoyeon@demo.postech.ac.kr", "박서연", "Park Seoyeon", "연구책임자(과제 보유)", "PI with a running project"),
    Login("minjun@demo.postech.ac.kr", "이민준", "Lee Minjun", "참여연구원", "project member"),
    Login("jiho@steel.example", "최지호", "Choi Jiho", "신청자(지역 기업)", "applicant from a local firm"),
    Login("yuna@demo.handong.edu", "정유나", "Jung Yuna", "심사위원", "reviewer", (Role.REVIEWER,)),
    Login("dohyun@demo.handong.edu", "한도현", "Han Dohyun", "심사위원", "reviewer", (Role.REVIEWER,)),
    Login("decider@center.example", "오세진", "Oh Sejin", "선정 담당", "decider", (Role.DECIDER,)),
    Login("operator@center.example", "강태오", "Kang Taeo", "운영자", "operator", (Role.OPERATOR,)),
    Login("observer@city.example", "윤가람", "Yoon Garam", "포항시 참관인", "observer for the city", (Role.OBSERVER,)),
]
# Somebody who is in the project but has no part in the walk-through.
OTHERS = [Login("haeun@demo.postech.ac.kr", "김하은", "Kim Haeun", "참여연구원", "project member")]

INSTITUTIONS = [
    ("포항공과대학교", "POSTECH", Institution.Kind.UNIVERSITY, ["postech.ac.kr"]),
    ("한동대학교", "Handong Global University", Institution.Kind.UNIVERSITY, ["handong.edu", "handong.ac.kr"]),
    ("영일만스틸(주)", "Yeongilman Steel", Institution.Kind.FIRM, ["steel.example"]),
    ("포항 AI가속기 센터", "Pohang AI Accelerator Center", Institution.Kind.CENTER, ["center.example"]),
    ("포항시", "City of Pohang", Institution.Kind.PUBLIC, ["city.example"]),
]

# Weights follow the criteria of the national GPU call; anchors are the review form's own.
CRITERIA = [
    ("과제 우수성과 방법", "Merit and method", 35, "문제 정의와 접근 방법이 타당한가", "Is the problem well posed and the approach sound?"),
    ("자원 필요성과 산출 근거", "Need for the resources", 25, "신청량의 산출 근거가 분명하고 효율적인가", "Is the amount justified and used well?"),
    ("수행 역량과 준비도", "Capability and readiness", 15, "바로 시작할 수 있는 역량과 준비를 갖추었는가", "Can the team start at once?"),
    ("파급효과와 지역 기여", "Impact and the region", 25, "기술·사회적 파급효과와 지역 기여가 기대되는가", "What do technology, society and the region gain?"),
]  # fmt: skip

CALL_TEXT_KO = """포항 AI가속기 센터는 POSTECH, 한동대학교와 지역 기업이 인공지능 연구·개발에 사용할 GPU 시간을 지원합니다.

신청 자격: 등록 기관의 이메일로 가입한 연구자·학생·임직원
지원 자원: H100 4장, A100 4장(작업당 최대 4장)
선정 절차: 접수 → 심사위원 심사 → 선정 → 자원 배정(승인 후 수 초 이내)

GPU 시간을 처음 계산하는 분은 신청서의 계산기에 작업당 GPU 수, 1회 실행 시간, 실행 횟수를 넣으면 됩니다."""
CALL_TEXT_EN = """The Pohang AI Accelerator Center gives GPU time for AI research and development to POSTECH, Handong Global University and local firms.

Who may apply: researchers, students and staff who signed up with an address of a registered institution
What is offered: 4 H100 and 4 A100 GPUs (at most 4 per job)
How it goes: application → review → decision → GPU time, in force seconds after the approval

If you have never counted GPU-hours: the form's calculator takes GPUs per job, hours per run and the number of runs."""
