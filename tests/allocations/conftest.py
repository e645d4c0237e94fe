"""The cast: Alice applies, Bob is on her team, Charlie must see nothing, Rhee reviews, Dana decides, Oh operates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import translation

from allocations.models import Application, Attachment, Call, Membership, Project, Review
from allocations.services.applications import application_start
from portal.people.models import Institution, User
from tests.allocations.applying import Form, completed
from tests.factories import (
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    InstitutionFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    ReviewFactory,
    UserFactory,
)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    """The views ask the clock; here it shows `NOW`."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """What is said outside of a page is said in English, whatever language the page of an earlier test left behind."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


@pytest.fixture
def postech(db: None) -> Institution:
    return InstitutionFactory(name_ko="포항공과대학교", name_en="POSTECH")


@pytest.fixture
def alice(postech: Institution) -> User:
    return UserFactory(
        email="alice@postech.ac.kr",
        name_ko="김하늘",
        name_en="Alice Kim",
        institution=postech,
        cluster_username="alice",
        language="en",
    )


@pytest.fixture
def bob(postech: Institution) -> User:
    return UserFactory(
        email="bob@postech.ac.kr", name_ko="박보라", name_en="Bob Park", institution=postech, cluster_username="bob"
    )


@pytest.fixture
def charlie(db: None) -> User:
    return UserFactory(email="charlie@firm.example", name_ko="최찬", name_en="Charlie Choi")


@pytest.fixture
def rhee(db: None) -> User:
    return UserFactory(email="rhee@kisti.example", name_ko="이리", name_en="Rhee", roles=["reviewer"])


@pytest.fixture
def dana(db: None) -> User:
    return UserFactory(email="dana@center.example", name_ko="단아", name_en="Dana", roles=["decider"])


@pytest.fixture
def oh(db: None) -> User:
    return UserFactory(email="oh@center.example", name_ko="오영", name_en="Oh", roles=["operator"])


@pytest.fixture
def observer(db: None) -> User:
    return UserFactory(email="city@pohang.example", roles=["observer"])


@pytest.fixture
def call(db: None) -> Call:
    return CallFactory(pools=[PoolFactory(code="h100"), PoolFactory(code="a100", position=1)])


@pytest.fixture
def draft(call: Call, alice: User) -> Application:
    return ApplicationFactory(call=call, applicant=alice, status="draft")


@pytest.fixture
def submitted(call: Call, alice: User) -> Application:
    return ApplicationFactory(call=call, applicant=alice, number="2026-0001")


@pytest.fixture
def reviewed(submitted: Application, rhee: User) -> Application:
    ReviewFactory(application=submitted, reviewer=rhee)
    return submitted


@pytest.fixture
def review(submitted: Application, rhee: User) -> Review:
    """Begun, not submitted."""
    return ReviewFactory(application=submitted, reviewer=rhee, submitted_at=None)


@pytest.fixture
def project(alice: User, bob: User) -> Project:
    """Alice's, with Bob, a grant of 1,000 GPU-hours and its account."""
    project = ProjectFactory(pi=alice, code="p26001")
    MembershipFactory(project=project, user=bob)
    GrantFactory(project=project)
    return project


@pytest.fixture
def bobs(project: Project, bob: User) -> Membership:
    return project.memberships.get(user=bob)


@pytest.fixture
def attach() -> Callable[..., Attachment]:
    """`attach(application)`: a PDF beside it."""

    def attached(application: Application) -> Attachment:
        return Attachment.objects.create(
            application=application,
            file=ContentFile(b"%PDF-1.7 plan", name="plan.pdf"),
            name="계획서.pdf",
            size=13,
            content_type="application/pdf",
            uploaded_at=NOW,
        )

    return attached


@pytest.fixture
def browser() -> Any:
    """`browser(alice)`: a client that is signed in and reads English."""

    def signed_in(user: User | None = None, language: str = "en") -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        client.cookies["django_language"] = language
        return client

    return signed_in


@pytest.fixture
def application(call: Call, alice: User) -> Application:
    """Alice's draft, nothing written yet."""
    return application_start(call=call, by=alice, at=NOW)


@pytest.fixture
def form(application: Application, alice: User, browser: Any) -> Form:
    return Form(browser(alice), application)


@pytest.fixture
def ready(draft: Application, alice: User, browser: Any) -> Form:
    """A draft that lacks nothing."""
    return Form(browser(alice), completed(draft))
