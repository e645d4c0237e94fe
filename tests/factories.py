"""Rows for tests, made directly and complete. `kst(2026, 3, 2, 10)` is the moment most of them lie around.

alice = UserFactory(email="alice@postech.ac.kr")
rhee = UserFactory(roles=["reviewer"])
grant = GrantFactory(project=ProjectFactory(pi=alice), hours=500)     # one line, its award, its Slurm account
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import factory
from allauth.account.models import EmailAddress
from factory.django import DjangoModelFactory

from allocations import models
from allocations.workflow import ApplicationStatus
from portal.people.models import Institution, InstitutionDomain, RoleAssignment, User

HOUR = 3600


def kst(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment in Asia/Seoul."""
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo("Asia/Seoul"))


NOW = kst(2026, 3, 2, 10)


class InstitutionFactory(DjangoModelFactory):
    class Meta:
        model = Institution

    name_ko = factory.Sequence(lambda n: f"기관 {n}")
    name_en = factory.Sequence(lambda n: f"Institution {n}")
    kind = Institution.Kind.UNIVERSITY


class InstitutionDomainFactory(DjangoModelFactory):
    class Meta:
        model = InstitutionDomain

    institution = factory.SubFactory(InstitutionFactory)
    domain = factory.Sequence(lambda n: f"institution{n}.example")


class UserFactory(DjangoModelFactory):
    """A person of an institution of their own, with a cluster user name. `roles=["reviewer"]` gives roles;
    `password="…"` lets them sign in by the form with a verified address."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@institution.example")
    name_ko = factory.Sequence(lambda n: f"사람{n}")
    name_en = factory.Sequence(lambda n: f"Person {n}")
    institution = factory.SubFactory(InstitutionFactory)
    cluster_username = factory.Sequence(lambda n: f"person{n}")
    cluster_username_approved_at = factory.Maybe("cluster_username", kst(2026, 1, 2), None)
    cluster_username_found_at = factory.SelfAttribute("cluster_username_approved_at")
    date_joined = kst(2026, 1, 2)

    @factory.post_generation
    def roles(self: Any, create: bool, extracted: Iterable[str] | None, **kwargs: Any) -> None:
        for role in extracted or ():
            RoleAssignment.objects.create(user=self, role=role)

    @factory.post_generation
    def password(self: Any, create: bool, extracted: str | None, **kwargs: Any) -> None:
        if not extracted:
            self.set_unusable_password()
        else:
            self.set_password(extracted)
            EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)
        self.save(update_fields=["password"])


class PoolFactory(DjangoModelFactory):
    class Meta:
        model = models.Pool
        django_get_or_create = ["code"]

    code = "h100"
    name_ko = factory.LazyAttribute(lambda pool: f"{pool.code.upper()} 80GB")
    name_en = factory.LazyAttribute(lambda pool: f"{pool.code.upper()} 80GB")
    gpu_kind = factory.SelfAttribute("code")
    gpus = 4
    qos = factory.SelfAttribute("code")
    partitions = factory.LazyAttribute(lambda pool: [pool.code])


class CriterionFactory(DjangoModelFactory):
    class Meta:
        model = models.Criterion

    position = factory.Sequence(lambda n: n % 1000)
    name_ko = "과제 우수성"
    name_en = "Merit"
    weight = 50


class CallFactory(DjangoModelFactory):
    """Open around `NOW`, for one pool without a bound, with two criteria weighing 60 and 40 and one tier that goes the
    whole way. `pools=[…]` names others, `tiers__reviews_needed=2` asks for more reviews, `tiers=False` leaves them to
    the test."""

    class Meta:
        model = models.Call
        skip_postgeneration_save = True

    title_ko = factory.Sequence(lambda n: f"2026년 {n}차 GPU 자원 공고")
    title_en = factory.Sequence(lambda n: f"GPU call {n} of 2026")
    text_ko = "공고 안내"
    text_en = "About this call"
    published_at = kst(2026, 2, 1)
    opens_at = kst(2026, 2, 2)
    closes_at = kst(2026, 12, 20, 18)

    @factory.post_generation
    def pools(self: Any, create: bool, extracted: Iterable[models.Pool] | None, **kwargs: Any) -> None:
        for pool in extracted or [PoolFactory()]:
            CallPoolFactory(call=self, pool=pool)

    @factory.post_generation
    def tiers(self: Any, create: bool, extracted: bool | None, reviews_needed: int = 1, **kwargs: Any) -> None:
        if extracted is not False:
            TierFactory(call=self, reviews_needed=reviews_needed)

    @factory.post_generation
    def criteria(self: Any, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        if extracted is False:
            return
        CriterionFactory(call=self, position=1, name_ko="과제 우수성", name_en="Merit", weight=60)
        CriterionFactory(call=self, position=2, name_ko="자원 필요성", name_en="Need", weight=40)


class CallPoolFactory(DjangoModelFactory):
    """`gpu_seconds=` bounds what the call gives in the pool."""

    class Meta:
        model = models.CallPool

    call = factory.SubFactory(CallFactory, pools=())
    pool = factory.SubFactory(PoolFactory)


class TierFactory(DjangoModelFactory):
    class Meta:
        model = models.Tier

    call = factory.SubFactory(CallFactory, tiers=False)
    name_ko = "일반"
    name_en = "Standard"
    route = models.Tier.Route.FULL
    reviews_needed = 1


class ApplicationFactory(DjangoModelFactory):
    """Complete, handed in and in scientific review; `status=ApplicationStatus.DRAFT` has no number yet. `hours=` is
    what is asked."""

    class Meta:
        model = models.Application
        skip_postgeneration_save = True

    class Params:
        submitted = factory.LazyAttribute(lambda row: row.status != ApplicationStatus.DRAFT)

    call = factory.SubFactory(CallFactory)
    applicant = factory.SubFactory(UserFactory)
    institution = factory.SelfAttribute("applicant.institution")
    status = ApplicationStatus.REVIEW
    status_since = kst(2026, 2, 22)
    tier = factory.LazyAttribute(lambda row: row.call.tiers.first() if row.submitted else None)
    number = factory.Maybe("submitted", factory.Sequence(lambda n: f"2020-{n + 1:04d}"), None)
    title_ko = "철강 표면 결함 검출"
    title_en = "Finding defects on steel"
    summary = "철강 표면의 결함을 영상으로 찾습니다."
    purpose = "비전 트랜스포머를 미세 조정합니다."
    starts_on = date(2026, 4, 1)
    ends_on = date(2026, 9, 30)
    created_at = kst(2026, 2, 20)
    updated_at = kst(2026, 2, 20)
    submitted_at = factory.Maybe("submitted", kst(2026, 2, 21), None)

    @factory.post_generation
    def hours(self: Any, create: bool, extracted: int | None, **kwargs: Any) -> None:
        if extracted == 0:
            return
        RequestLineFactory(
            application=self, pool=self.call.pools.all()[0], requested_gpu_seconds=(extracted or 960) * HOUR
        )


class RequestLineFactory(DjangoModelFactory):
    class Meta:
        model = models.RequestLine

    application = factory.SubFactory(ApplicationFactory, hours=0)
    pool = factory.SubFactory(PoolFactory)
    gpus_per_job = 4
    minutes_per_run = 720
    runs = 20
    requested_gpu_seconds = 960 * HOUR


class ProposedMemberFactory(DjangoModelFactory):
    class Meta:
        model = models.ProposedMember

    application = factory.SubFactory(ApplicationFactory)
    email = factory.Sequence(lambda n: f"proposed{n}@institution.example")
    name = "밥"
    cluster_username = factory.Sequence(lambda n: f"proposed{n}")


class ReviewFactory(DjangoModelFactory):
    """Submitted, every criterion scored `score`; `submitted_at=None` is one in progress, and with `declared_at=None`
    besides one that is only assigned."""

    class Meta:
        model = models.Review
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory)
    reviewer = factory.SubFactory(UserFactory, roles=["reviewer"])
    assigned_at = kst(2026, 2, 24)
    declared_at = kst(2026, 2, 25)
    submitted_at = kst(2026, 2, 26)
    comment_to_applicant = "계획이 충실합니다."
    comment_to_panel = "선정을 권합니다."
    recommended_gpu_seconds = 800 * HOUR

    @factory.post_generation
    def score(self: Any, create: bool, extracted: int | None, **kwargs: Any) -> None:
        for criterion in self.application.call.criteria.all():
            models.Score.objects.create(review=self, criterion=criterion, value=4 if extracted is None else extracted)


class ProjectFactory(DjangoModelFactory):
    """With the PI as its active member."""

    class Meta:
        model = models.Project
        skip_postgeneration_save = True

    code = factory.Sequence(lambda n: f"p20{n + 1:03d}")
    title_ko = "철강 표면 결함 검출"
    title_en = "Finding defects on steel"
    pi = factory.SubFactory(UserFactory)
    institution = factory.SelfAttribute("pi.institution")
    created_at = kst(2026, 2, 28)

    @factory.post_generation
    def pi_membership(self: Any, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        if extracted is not False:
            MembershipFactory(project=self, user=self.pi)


class MembershipFactory(DjangoModelFactory):
    """Active; `InvitationFactory` is one not yet accepted."""

    class Meta:
        model = models.Membership

    project = factory.SubFactory(ProjectFactory)
    user = factory.SubFactory(UserFactory)
    email = factory.SelfAttribute("user.email")
    name = factory.SelfAttribute("user.name_ko")
    status = models.Membership.Status.ACTIVE
    invited_at = kst(2026, 2, 28)
    joined_at = kst(2026, 2, 28)


class InvitationFactory(DjangoModelFactory):
    class Meta:
        model = models.Membership

    project = factory.SubFactory(ProjectFactory)
    email = factory.Sequence(lambda n: f"invited{n}@institution.example")
    name = "밥"
    proposed_username = factory.Sequence(lambda n: f"invited{n}")
    status = models.Membership.Status.INVITED
    invited_by = factory.SelfAttribute("project.pi")
    invited_at = kst(2026, 2, 28)


class AccountFactory(DjangoModelFactory):
    class Meta:
        model = models.Account
        django_get_or_create = ["project", "pool"]

    project = factory.SubFactory(ProjectFactory)
    pool = factory.SubFactory(PoolFactory)
    name = factory.LazyAttribute(lambda account: f"{account.project.code}-{account.pool.code}")


class GrantFactory(DjangoModelFactory):
    """Open around `NOW`, with one line of `hours` GPU-hours (0: no line) in `hours__pool`, and its Slurm account."""

    class Meta:
        model = models.Grant
        skip_postgeneration_save = True

    project = factory.SubFactory(ProjectFactory)
    application = factory.SubFactory(
        ApplicationFactory, applicant=factory.SelfAttribute("..project.pi"), status=ApplicationStatus.AWARDED
    )
    starts_at = kst(2026, 3, 1)
    ends_at = kst(2026, 9, 1)
    created_at = kst(2026, 2, 28)

    @factory.post_generation
    def hours(self: Any, create: bool, extracted: int | None, pool: models.Pool | None = None, **kwargs: Any) -> None:
        if extracted != 0:
            GrantLineFactory(grant=self, pool=pool or PoolFactory(), hours=extracted)


class SuspensionFactory(DjangoModelFactory):
    """Lasting; `until=` says when it was lifted."""

    class Meta:
        model = models.Suspension

    grant = factory.SubFactory(GrantFactory)
    since = NOW
    reason = "확인 중"


class GrantLineFactory(DjangoModelFactory):
    class Meta:
        model = models.GrantLine
        skip_postgeneration_save = True

    grant = factory.SubFactory(GrantFactory, hours=0)
    pool = factory.SubFactory(PoolFactory)

    @factory.post_generation
    def hours(self: Any, create: bool, extracted: int | None, **kwargs: Any) -> None:
        AccountFactory(project=self.grant.project, pool=self.pool)
        if extracted != 0:
            LedgerEntryFactory(line=self, gpu_seconds=(extracted or 1000) * HOUR)


class LedgerEntryFactory(DjangoModelFactory):
    class Meta:
        model = models.LedgerEntry

    line = factory.SubFactory(GrantLineFactory, hours=0)
    kind = models.LedgerEntry.Kind.AWARD
    gpu_seconds = 1000 * HOUR
    reason = "선정"
    by = factory.SubFactory(UserFactory, roles=["decider"])
    at = kst(2026, 2, 28)


class DecisionFactory(DjangoModelFactory):
    """Selected as asked for and announced, the agreement to be made; `application__status=` and `outcome=` say
    otherwise. `hours=` is the award in the call's first pool, 0 for none."""

    class Meta:
        model = models.Decision
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory, status=ApplicationStatus.OFFERED)
    outcome = models.Decision.Outcome.AWARDED
    reason_code = models.Decision.Reason.MERIT
    decided_by = factory.SubFactory(UserFactory, roles=["decider"])
    decided_at = kst(2026, 2, 27)
    announced_at = kst(2026, 2, 28)

    @factory.post_generation
    def hours(self: Any, create: bool, extracted: int | None, **kwargs: Any) -> None:
        if extracted != 0 and self.selects:
            models.DecisionLine.objects.create(
                decision=self, pool=self.application.call.pools.all()[0], awarded_gpu_seconds=(extracted or 960) * HOUR
            )
