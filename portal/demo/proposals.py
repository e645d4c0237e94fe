"""The words of the demo's applications."""
# ruff: noqa: E501  (prose)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """`hours` are those of one run; `minimum` GPU-hours; members are (e-mail, name, user name)."""

    by: str
    title_ko: str
    title_en: str
    summary: str
    purpose: str
    pool: str
    gpus: int
    hours: int
    runs: int
    minimum: int = 0
    keywords: tuple[str, ...] = ()
    research: str = "information"
    domain: str = "other"
    tasks: tuple[str, ...] = ()
    delegate: tuple[str, str] = ("", "")
    members: tuple[tuple[str, str, str], ...] = ()
    grants: tuple[tuple[str, str, str], ...] = ()
    firm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, Any]:
        return {
            "confidential": "open",
            "keywords": list(self.keywords),
            "research_field": self.research,
            "domain": self.domain,
            "ai_task": list(self.tasks),
            "background": "기존 방법으로는 필요한 정확도와 처리 속도를 함께 얻기 어렵다.",
            "outcomes": "학습한 모델과 평가 결과를 논문과 보고서로 정리하고, 현장 데이터로 검증한다.",
            "milestones": "1개월: 데이터 정제와 기준 모델\n3개월: 본 학습\n6개월: 현장 검증과 결과 정리",
            "impact": "지역 산업의 품질과 에너지 효율을 높이고 전문 인력을 양성한다.",
            "commercialisation": "현장 검증을 마치면 자사 공정에 적용하고, 협력사에 공급한다.",
            "framework": "PyTorch 2.8, Apptainer 컨테이너",
            "model_size": "7B",
            "data_size": "영상 120만 장",
            "precision": "bf16",
            "checkpointing": "yes",
            "benchmark": "GPU 1장 10.2시간, 2장 5.4시간, 4장 2.9시간(효율 88%)",
            "storage_tb": 2,
            "personal_data": "no",
            "medical_irb": "none",
            "export_control": "no",
            "national_core_technology": "no",
            "foreign_members": "no",
            "results": "open",
            "open_release": "학습 코드와 가중치를 공개한다.",
        }


STEEL = {
    "business_number": "1248100998",
    "representative": "강영일",
    "size": "small",
    "address": "경상북도 포항시 남구 괴동로 1",
    "in_pohang": True,
    "employees": 84,
    "product": "열연 강판",
}
BATTERY = STEEL | {
    "business_number": "2208162517",
    "representative": "김호미",
    "address": "경상북도 포항시 북구 영일만산단로 20",
    "employees": 120,
    "product": "이차전지 셀",
}
BIO = STEEL | {
    "business_number": "1208147521",
    "representative": "이형산",
    "size": "startup",
    "address": "경상북도 포항시 남구 지곡로 127",
    "employees": 12,
    "product": "단백질 치료제 후보",
}

PROPOSALS = {
    "defects": Proposal(
        "seoyeon",
        "초거대 시각언어모델 기반 철강 표면 결함 검출",
        "Steel surface defect detection with large vision-language models",
        "연속주조와 열연 공정의 표면 영상을 시각언어모델로 학습하여 미세 결함을 실시간으로 검출하고 원인을 설명한다.",
        "공개 사전학습 모델을 제철소 영상 120만 장으로 미세조정하고, 공정 조건별로 모델을 비교한다. 학습은 GPU 4장 단위로 12시간씩 50회 수행하며, 1시간마다 체크포인트를 저장한다.",
        "h100", 4, 12, 50, 1200,
        ("컴퓨터비전", "철강", "시각언어모델"), "information", "steel", ("vision", "finetuning"),
        ("이민준", "minjun@demo.postech.ac.kr"),
        (("minjun@demo.postech.ac.kr", "이민준", "minjun"), ("haeun@demo.postech.ac.kr", "김하은", "haeun")),
        (("RS-2026-00123456", "한국연구재단", "제조 AI 원천기술"),),
    ),
    "furnace": Proposal(
        "jiho",
        "고로 조업 조건 최적화를 위한 시계열 예측 모델",
        "Time-series forecasting for blast furnace operation",
        "고로 센서 3,000개의 시계열 데이터로 노열 변화를 두 시간 앞서 예측하여 연료비를 줄인다.",
        "트랜스포머 계열 모델을 최근 5년 조업 자료로 학습한다. GPU 2장으로 6시간씩 40회 실행한다.",
        "a100", 2, 6, 40, 240,
        ("시계열", "철강", "공정"), "process", "steel", ("series",),
        ("정윤호", "yunho@steel.example"), firm=STEEL,
    ),
    "cathode": Proposal(
        "haeun",
        "이차전지 양극재 물성 예측용 그래프 신경망",
        "Graph neural networks for cathode material properties",
        "양극재 결정 구조에서 용량과 수명을 예측하여 실험 후보를 줄인다.",
        "공개 결정 자료 15만 건으로 그래프 신경망을 학습하고, 실험 자료 2천 건으로 미세조정한다. GPU 1장으로 8시간씩 60회 실행한다.",
        "a100", 1, 8, 60, 240,
        ("이차전지", "재료", "그래프 신경망"), "materials", "batteries", ("simulation",),
        ("박서연", "seoyeon@demo.postech.ac.kr"),
    ),
    "protein": Proposal(
        "narae",
        "단백질 언어모델을 이용한 효소 안정성 예측",
        "Predicting enzyme stability with protein language models",
        "효소의 서열에서 열안정성을 예측하여 실험할 변이를 선별한다.",
        "공개 단백질 언어모델을 자체 측정값 4천 건으로 미세조정한다. GPU 1장으로 4시간씩 80회 실행한다.",
        "a100", 1, 4, 80, 160,
        ("바이오", "단백질"), "life", "bio", ("finetuning",),
        ("오다은", "daeun@bio.example"), firm=BIO,
    ),
    "cell": Proposal(
        "woojin",
        "셀 외관 검사용 영상 모델 고도화",
        "Better image models for battery cell inspection",
        "파우치 셀의 외관 영상에서 미세 주름과 이물을 검출한다.",
        "자사 영상 40만 장으로 검출 모델을 다시 학습한다. GPU 2장으로 5시간씩 30회 실행한다.",
        "h100", 2, 5, 30, 100,
        ("이차전지", "컴퓨터비전"), "information", "batteries", ("vision",),
        ("문가람", "garam@battery.example"), firm=BATTERY,
    ),
    "translation": Proposal(
        "taeyang",
        "산업 안전 문서의 다국어 번역 모델",
        "Machine translation for industrial safety documents",
        "현장 외국인 근로자를 위해 안전 문서를 5개 언어로 번역하는 소형 모델을 개발한다.",
        "공개 번역 모델을 안전 문서 말뭉치로 미세조정한다. GPU 2장으로 3시간씩 30회 실행한다.",
        "a100", 2, 3, 30, 90,
        ("언어모델", "번역"), "information", "factory", ("language",),
    ),
    "first": Proposal(
        "minjun",
        "확산 모델 학습 입문",
        "First steps with diffusion models",
        "작은 확산 모델을 학습하며 GPU 사용법을 익힌다.",
        "공개 예제를 자료 1만 장으로 학습해 본다. GPU 1장으로 2시간씩 20회 실행한다.",
        "a100", 1, 2, 20, 0,
        ("생성모델",), "information", "education", ("teaching",),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An application of the large call: what the technical review leaves of it, in percent, and its reviews: the
    scores by criterion and the recommended share."""

    proposal: Proposal
    share: int
    reviews: Mapping[str, tuple[list[int], int]]
    comment: str


LARGE = (
    Entry(
        Proposal(
            "seoyeon", "철강 공정 기반모델의 사전학습", "Pre-training a foundation model for steel making",
            "압연·제강 공정의 센서 데이터와 문서를 함께 학습하는 기반모델을 구축한다.",
            "70억 매개변수 모델을 토큰 600억 개로 사전학습한다.", "h100", 4, 72, 20, 3600,
            ("언어모델", "철강", "제조"), "information", "steel", ("pretraining",), ("이민준", "minjun@demo.postech.ac.kr"),
        ), 100, {"jiwon": ([5, 4, 5, 5], 100), "hyunwoo": ([5, 4, 4, 5], 100)},
        "목표가 분명하고 선행 실험이 충실합니다.",
    ),
    Entry(
        Proposal(
            "sua", "한국어 의료 상담 언어모델의 안전성 학습", "Safety training of a Korean medical language model",
            "의료 상담 모델이 위험한 답변을 하지 않도록 학습한다.",
            "선호 자료 20만 건으로 강화학습을 수행한다.", "h100", 4, 48, 20, 2000,
            ("언어모델", "바이오"), "health", "bio", ("language", "finetuning"), ("최은결", "eungyeol@demo.handong.edu"),
        ), 100, {"hyunwoo": ([4, 4, 4, 4], 100), "minseo": ([5, 4, 4, 4], 90)},
        "안전성 평가 방법이 구체적입니다.",
    ),
    Entry(
        Proposal(
            "taeyang", "로봇 조작을 위한 시각언어행동 모델", "A vision-language-action model for robot manipulation",
            "제조 현장의 조립 작업을 자연어 지시에 따라 수행하는 모델을 개발한다.",
            "시연 자료 8만 건으로 모델을 학습하고 시뮬레이션에서 성능을 비교한다.", "h100", 4, 60, 20, 2400,
            ("로봇", "시각언어모델", "제조"), "machinery", "factory", ("vision",), ("정해솔", "haesol@demo.postech.ac.kr"),
        ), 80, {"yuna": ([4, 3, 4, 4], 80), "jiwon": ([2, 3, 3, 2], 50)},
        "자료 수집 계획을 보완할 필요가 있습니다.",
    ),
    Entry(
        Proposal(
            "woojin", "전고체전지 계면의 기계학습 분자동역학", "Machine-learned dynamics of solid-state battery interfaces",
            "전고체전지 계면의 열화를 원자 수준에서 모의한다.",
            "기계학습 퍼텐셜로 원자 100만 개를 10나노초 모의한다.", "a100", 4, 48, 25, 2400,
            ("이차전지", "재료"), "materials", "batteries", ("simulation",), ("문가람", "garam@battery.example"), firm=BATTERY,
        ), 100, {"dohyun": ([4, 4, 3, 4], 100), "minseo": ([4, 3, 4, 3], 80)},
        "산업적 의의가 크고 방법이 타당합니다.",
    ),
    Entry(
        Proposal(
            "narae", "단백질 설계 생성모델", "A generative model for protein design",
            "원하는 결합 부위를 갖는 단백질을 생성한다.",
            "공개 구조 20만 건으로 확산 모델을 학습한다.", "h100", 4, 36, 25, 1800,
            ("단백질", "바이오"), "life", "bio", ("pretraining",), ("오다은", "daeun@bio.example"), firm=BIO,
        ), 100, {"minseo": ([3, 3, 3, 4], 70), "dohyun": ([3, 4, 3, 3], 70)},
        "실험 검증 계획이 있으면 더 설득력이 높아질 것으로 판단됩니다.",
    ),
    Entry(
        Proposal(
            "haeun", "도시 교통 흐름 예측", "Forecasting city traffic",
            "포항시 교통량을 30분 앞서 예측한다.",
            "그래프 신경망을 3년 자료로 학습한다.", "a100", 2, 24, 30, 700,
            ("시계열", "그래프 신경망"), "construction", "other", ("series",), ("박서연", "seoyeon@demo.postech.ac.kr"),
        ), 50, {"yuna": ([2, 2, 3, 3], 40), "jiwon": ([3, 2, 3, 2], 50)},
        "이 규모의 자원이 필요한 이유가 분명하지 않습니다.",
    ),
)  # fmt: skip
