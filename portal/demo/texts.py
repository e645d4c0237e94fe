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
    Login("tech@center.example", "문하린", "Moon Harin", "기술검토자", "technical reviewer", (Role.TECHNICAL,)),
    Login("decider@center.example", "오세진", "Oh Sejin", "선정위원", "decider", (Role.DECIDER,)),
    Login("operator@center.example", "강태오", "Kang Taeo", "운영자", "operator", (Role.OPERATOR,)),
    Login("observer@city.example", "윤가람", "Yoon Garam", "포항시 참관인", "observer for the city", (Role.OBSERVER,)),
]
# People with a part in the data but none in the walk-through.
OTHERS = [
    Login("haeun@demo.postech.ac.kr", "김하은", "Kim Haeun", "참여연구원", "project member"),
    Login("taeyang@demo.postech.ac.kr", "정태양", "Jung Taeyang", "신청자", "applicant"),
    Login("sua@demo.handong.edu", "김수아", "Kim Sua", "신청자", "applicant"),
    Login("woojin@battery.example", "배우진", "Bae Woojin", "신청자", "applicant"),
    Login("narae@bio.example", "송나래", "Song Narae", "신청자", "applicant"),
    Login("jiwon@eastsea.example", "임지원", "Lim Jiwon", "심사위원", "reviewer", (Role.REVIEWER,)),
    Login("hyunwoo@eastsea.example", "조현우", "Cho Hyunwoo", "심사위원", "reviewer", (Role.REVIEWER,)),
    Login("minseo@eastsea.example", "백민서", "Baek Minseo", "심사위원", "reviewer", (Role.REVIEWER,)),
    Login("manager@center.example", "남도윤", "Nam Doyun", "운영자", "operator", (Role.OPERATOR,)),
]

# Of the job that the PI asks a refund for, and of the account whose counter knows nothing of the written history.
REFUND_WORDS = "작업 중 노드가 응답하지 않아 학습이 중단되었습니다. 출력의 마지막 줄은 'NCCL watchdog timeout'이며 체크포인트가 남지 않았습니다."
REBASE_REASON = "시연용 이력은 Slurm 누적 사용량에 없음 (demo history is not in Slurm's counter)"

# What reviewers know, in the words that applications use.
KEYWORDS = {
    "yuna": ["컴퓨터비전", "철강", "시각언어모델"],
    "dohyun": ["재료", "그래프 신경망", "이차전지"],
    "jiwon": ["시계열", "제조", "공정"],
    "hyunwoo": ["언어모델", "로봇", "제조"],
    "minseo": ["바이오", "단백질", "이차전지"],
}

INSTITUTIONS = [
    ("포항공과대학교", "POSTECH", Institution.Kind.UNIVERSITY, ["postech.ac.kr"]),
    ("한동대학교", "Handong Global University", Institution.Kind.UNIVERSITY, ["handong.edu", "handong.ac.kr"]),
    ("영일만스틸(주)", "Yeongilman Steel", Institution.Kind.FIRM, ["steel.example"]),
    ("호미곶배터리(주)", "Homigot Battery", Institution.Kind.FIRM, ["battery.example"]),
    ("형산바이오(주)", "Hyeongsan Bio", Institution.Kind.FIRM, ["bio.example"]),
    ("동해과학기술원", "East Sea Institute of Science", Institution.Kind.INSTITUTE, ["eastsea.example"]),
    ("포항 AI가속기 센터", "Pohang AI Accelerator Center", Institution.Kind.CENTER, ["center.example"]),
    ("포항시", "City of Pohang", Institution.Kind.PUBLIC, ["city.example"]),
]

# The center's own words, by the place where they stand (allocations/texts.py).
CENTER_TEXTS = {
    "contact": (
        "포항 AI가속기 센터 운영팀\n전화: 054-000-0000\n이메일: help@center.example\n업무 시간: 평일 09:00–18:00",
        "Operations team of the Pohang AI Accelerator Center\nTelephone: +82-54-000-0000\nE-mail: help@center.example\nOffice hours: weekdays 09:00–18:00 (Korean time)",
    ),
    "login_host": (
        "로그인 노드 주소는 login.center.example입니다. 터미널에서 ssh 이름@login.center.example로 접속합니다.",
        "The login node is login.center.example. In a terminal: ssh USERNAME@login.center.example",
    ),
}

# Weights follow the criteria of the national GPU call; anchors are the review form's own.
CRITERIA = [
    ("과제 우수성과 방법", "Merit and method", 35, "문제 정의와 접근 방법이 타당한가", "Is the problem well posed and the approach sound?"),
    ("자원 필요성과 산출 근거", "Need for the resources", 25, "신청량의 산출 근거가 분명하고 효율적인가", "Is the amount justified and used well?"),
    ("수행 역량과 준비도", "Capability and readiness", 15, "바로 시작할 수 있는 역량과 준비를 갖추었는가", "Can the team start at once?"),
    ("파급효과와 지역 기여", "Impact and the region", 25, "기술·사회적 파급효과와 지역 기여가 기대되는가", "What do technology, society and the region gain?"),
]  # fmt: skip

# Name, route, up to how many GPU-hours (None: any), scientific reviews. Sizes are the demo's, not the center's.
TIERS = [
    ("체험(스타터)", "Starter", "rule", 50, 0),
    ("일반", "Standard", "technical", 200, 0),
    ("대형", "Large", "full", None, 1),
]
STARTER_TIERS = [("체험(스타터)", "Starter", "rule", 100, 0)]
FIRM_TIERS = [("체험(스타터)", "Starter", "rule", 50, 0), ("일반", "Standard", "technical", None, 0)]
LARGE_TIERS = [("대형", "Large", "full", None, 2)]

CALL_TEXT_KO = """포항 AI가속기 센터는 POSTECH, 한동대학교와 지역 기업이 인공지능 연구·개발에 사용할 GPU시간을 지원합니다.

신청 자격: 대학·연구기관의 연구자와 학생, 지역 기업의 임직원
지원 자원: H100 4장, A100 4장(작업당 최대 4장)
선정 절차: 접수 → 적격성 검토 → 기술검토 → 전문가 평가 → 선정위원회 심의 → 협약 → 자원 배정(협약 후 수 초 이내)

GPU시간을 처음 산출하는 경우 신청서의 계산기에 작업당 GPU 수, 1회 실행 시간, 실행 횟수를 입력하면 됩니다."""
CALL_TEXT_EN = """The Pohang AI Accelerator Center gives GPU time for AI research and development to POSTECH, Handong Global University and local firms.

Who may apply: researchers and students of universities and institutes, staff of local firms
What is offered: 4 H100 and 4 A100 GPUs (at most 4 per job)
How it goes: application → eligibility check → technical review → scientific review → decision → agreement → GPU time, in force seconds after the agreement

If you have never counted GPU-hours: the form's calculator takes GPUs per job, hours per run and the number of runs."""

LARGE_TEXT_KO = """초거대 모델 학습처럼 10,000 GPU시간 안팎이 필요한 과제를 연 2회 공모하여 선정합니다.

심사는 블라인드로 진행합니다. 심사위원에게 신청자와 소속기관을 공개하지 않으므로, 과제명과 본문에 성명과 기관명을 적지 마십시오."""
LARGE_TEXT_EN = """Twice a year, for work that needs on the order of 10,000 GPU-hours, such as the training of large models.

Reviews are blind: reviewers see neither applicant nor institution, so do not name either in the proposal."""
FIRM_TEXT_KO = """포항 지역 기업의 인공지능 전환(AX)을 위해 GPU시간을 지원합니다. GPU를 처음 사용하는 기업도 신청할 수 있습니다.

준비물: 사업자등록번호, 중소기업확인서(해당 기업), 활용계획서"""
FIRM_TEXT_EN = """GPU time for firms in and around Pohang that bring AI into their work. First-time users are welcome.

Have ready: business registration number, SME certificate where it applies, a plan of use"""
STARTER_TEXT_KO = """GPU를 처음 사용하는 신청자를 위한 체험 배정입니다. 자격 요건을 갖추면 제출 즉시 자동 선정됩니다."""
STARTER_TEXT_EN = """A first taste of GPU computing. An application that meets the conditions is selected at once."""
