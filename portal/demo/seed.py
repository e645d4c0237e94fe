"""Demo data, the base: institutions, people of every role, pools, calls. Running it again changes nothing.

What people do with them is in portal/demo/work.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from allocations.defaults import make_defaults
from allocations.models import Call, CallPool, CenterText, Cluster, Criterion, Pool, Programme, ReviewerProfile, Tier
from allocations.services.accounts import cluster_writing_enable
from portal.demo import texts
from portal.demo.texts import CRITERIA, INSTITUTIONS, KEYWORDS, LOGINS, OTHERS, PASSWORD, Login
from portal.people.models import Institution, InstitutionDomain, RoleAssignment, User
from portal.people.permissions import Role

HOUR = 3600
Tiers = Sequence[tuple[str, str, str, int | None, int]]


def person(name: str) -> User:
    """The demo's person by the part before the @."""
    return User.objects.get(email__startswith=f"{name}@")


@transaction.atomic
def seed_base(at: datetime) -> None:
    """Institutions, pools, people, texts, one open call, and writing switched on."""
    make_defaults(at)
    for code, (text_ko, text_en) in texts.CENTER_TEXTS.items():
        CenterText.objects.get_or_create(code=code, defaults={"text_ko": text_ko, "text_en": text_en, "changed_at": at})
    for row in INSTITUTIONS:
        _institution(*row)
    for login in [*LOGINS, *OTHERS]:
        add_person(login)
    for name, keywords in KEYWORDS.items():
        ReviewerProfile.objects.get_or_create(user=person(name), defaults={"keywords": keywords})
    _pool("h100", "H100", 0, rate=100)
    _pool("a100", "A100", 1, rate=50)
    cluster = Cluster.current()
    if not cluster.writing_enabled:
        cluster_writing_enable(cluster=cluster, by=person("operator"), at=at)
    if not Call.objects.exists():
        _open_call(at)


@transaction.atomic
def seed_calls(at: datetime) -> None:
    """Calls beside the open one: for firms, for starters, a blind one that has closed, one being written."""
    _call(
        "지역 기업 AI 전환(AX) GPU 지원 공고", "GPU time for AI in local firms", texts.FIRM_TEXT_KO, texts.FIRM_TEXT_EN,
        opens=at - timedelta(days=20), closes=_evening(at, 40), tiers=texts.FIRM_TIERS, hours=5_000,
        track=Call.Track.FIRM, programme=Programme.objects.filter(name_ko="스마트팩토리").first(),
        most_gpu_seconds_per_institution=2_000 * HOUR,
    )  # fmt: skip
    _call(
        "체험(스타터) 상시 접수", "Starter grants, all year", texts.STARTER_TEXT_KO, texts.STARTER_TEXT_EN,
        opens=at - timedelta(days=90), closes=_evening(at, 200), tiers=texts.STARTER_TIERS, hours=1_000,
        track=Call.Track.STARTER, most_gpu_seconds_per_person=100 * HOUR,
    )  # fmt: skip
    _call(
        "2026년 제2차 대형 과제 공모", "Large projects, second round of 2026",
        texts.LARGE_TEXT_KO, texts.LARGE_TEXT_EN,
        opens=at - timedelta(days=60), closes=_evening(at, -14), tiers=texts.LARGE_TIERS, hours=12_000,
        blind=True,
    )  # fmt: skip
    draft = _call(
        "2027년 상반기 교육·실습 GPU 지원 공고", "GPU time for teaching, first half of 2027", "", "",
        opens=at + timedelta(days=30), closes=_evening(at, 75), tiers=texts.TIERS, hours=4_000,
        track=Call.Track.EDUCATION,
    )  # fmt: skip
    Call.objects.filter(pk=draft.pk).update(published_at=None)


def _open_call(at: datetime) -> Call:
    return _call(
        "2026년 하반기 GPU 자원 지원 공고", "Call for GPU time, second half of 2026",
        texts.CALL_TEXT_KO, texts.CALL_TEXT_EN,
        opens=at - timedelta(days=70), closes=_evening(at, 30), tiers=texts.TIERS, hours=20_000,
    )  # fmt: skip


def _call(
    title_ko: str, title_en: str, text_ko: str, text_en: str,
    *, opens: datetime, closes: datetime, tiers: Tiers, hours: int, **more: Any,
) -> Call:  # fmt: skip
    call = Call.objects.create(
        title_ko=title_ko, title_en=title_en, text_ko=text_ko, text_en=text_en,
        published_at=opens - timedelta(days=5), opens_at=opens, closes_at=closes, **more,
    )  # fmt: skip
    for pool in Pool.objects.all():
        CallPool.objects.create(call=call, pool=pool, gpu_seconds=hours * HOUR)
    for name_ko, name_en, route, upto, reviews in tiers:
        Tier.objects.create(
            call=call,
            name_ko=name_ko,
            name_en=name_en,
            route=route,
            upto_gpu_seconds=upto and upto * HOUR,
            reviews_needed=reviews,
        )
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


def _evening(at: datetime, days: int) -> datetime:
    """18:00 in Seoul, so many days from the day of `at`."""
    return timezone.make_aware(datetime.combine(timezone.localdate(at) + timedelta(days=days), time(18)))


def _institution(name_ko: str, name_en: str, kind: str, domains: list[str]) -> Institution:
    institution, _ = Institution.objects.get_or_create(name_ko=name_ko, defaults={"name_en": name_en, "kind": kind})
    for domain in domains:
        InstitutionDomain.objects.get_or_create(domain=domain, defaults={"institution": institution})
    return institution


@cache
def _hashed_password() -> str:
    """Everybody's in the demo, hashed once: that takes a third of a second of computing each time, on purpose."""
    return make_password(PASSWORD)


def add_person(login: Login) -> None:
    if User.objects.filter(email=login.email).exists():
        return
    user = User.objects.create(
        email=login.email,
        password=_hashed_password(),
        name_ko=login.name_ko,
        name_en=login.name_en,
        institution=Institution.objects.for_email(login.email),
        is_staff=Role.OPERATOR in login.roles,
        is_superuser=Role.OPERATOR in login.roles,
    )
    EmailAddress.objects.create(user=user, email=login.email, verified=True, primary=True)
    for role in login.roles:
        RoleAssignment.objects.create(user=user, role=role)


def _pool(code: str, name: str, position: int, *, rate: int) -> Pool:
    defaults = {
        "name_ko": f"{name} 풀",
        "name_en": f"{name} pool",
        "gpu_kind": code,
        "gpus": 4,
        "qos": code,
        "partitions": [code],
        "most_gpus_per_job": 4,
        "position": position,
        "rate_hundredths": rate,
    }
    return Pool.objects.get_or_create(code=code, defaults=defaults)[0]
