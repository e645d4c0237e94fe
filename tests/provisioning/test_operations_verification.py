"""The operator's page of comparisons with Slurm: what differs, why, and letting a difference stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from accounting.history.ingest import ingest
from accounting.models import AcceptedDifference, Job
from accounting.verification.disputes import difference_accept, verified_until
from accounting.verification.verify import verify
from allocations.models import Project
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.operations.needs import needs_operator
from portal.people.permissions import Role
from tests.accounting.histories import START, gateway, job
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 2, 15, 20)
PERIOD = {"start": kst(2026, 3, 2), "end": kst(2026, 3, 2, 15)}
LIST = reverse("operations_verification")
LEAF = "p26001-h100"


@pytest.fixture
def slurm():
    GrantFactory(project=ProjectFactory(code="p26001", created_at=kst(2026, 3, 1)), hours=100)
    slurm = gateway(job(hours=1, gpus=2, display_id="7"), job(user="lee", hours=1, gpus=1, display_id="8"))
    ingest(slurm, at=AT)
    Job.objects.update(first_seen_at=START, changed_at=START)
    return slurm


@pytest.fixture
def operator(client, english):
    operator = UserFactory(roles=[Role.OPERATOR], language="en")
    client.force_login(operator)
    return operator


def differ(slurm):
    """Slurm's figure of lee is a job short, and nothing accounts for it; kim's has a row that was not read."""
    slurm.rolled_up = [slurm.history[0]]
    slurm.history.append(job(hours=0.5, gpus=4, display_id="9"))
    slurm.rolled_up.append(slurm.history[-1])
    return verify(slurm, **PERIOD, at=AT)


def test_before_the_first_comparison_the_page_says_what_it_waits_for(client, operator):
    page = client.get(LIST).content.decode()
    assert "Not compared yet" in page
    assert "None yet." in page


def test_an_equal_comparison(client, operator, slurm):
    verification = verify(slurm, **PERIOD, at=AT)
    page = client.get(LIST).content.decode()
    assert "Verified up to" in page
    assert "Agrees to the second" in page
    detail = client.get(reverse("operations_verification_detail", args=[verification.pk])).content.decode()
    assert "None: every figure is equal to the second." in detail


def test_differences_with_their_causes_and_what_stays_unexplained(client, operator, slurm):
    verification = differ(slurm)
    page = client.get(LIST).content.decode()
    assert "3,600 GPU-seconds unexplained" in page or "3600 GPU-seconds unexplained" in page
    assert reverse("operations_verification_accept", args=[LEAF, "lee"]) in page
    assert reverse("operations_verification_accept", args=[LEAF, "kim"]) not in page
    detail = client.get(reverse("operations_verification_detail", args=[verification.pk])).content.decode()
    assert "Not taken over yet: 9" in detail
    assert "It goes once the row is read" in detail
    assert "Figures differ from Slurm's own and nothing explains it." in needs_operator(AT)


def test_a_difference_may_be_let_stand_and_the_same_is_not_shown_again(client, operator, slurm):
    differ(slurm)
    assert verified_until({LEAF}) == START
    address = reverse("operations_verification_accept", args=[LEAF, "lee"])
    assert "3,600" in client.get(address).content.decode()
    assert "required" in client.post(address, {"reason": " "}).content.decode()
    assert client.post(address, {"reason": "the row was lost in the move"}).url == LIST
    assert verified_until({LEAF}) == PERIOD["end"]
    assert Event.objects.get(action="usage.difference_accepted").data["gpu_seconds"] == 3600
    assert client.post(address, {"reason": "again"}).url == LIST
    assert AcceptedDifference.objects.count() == 1
    again = verify(slurm, **PERIOD, at=AT + timedelta(minutes=1))
    assert again.explained
    (lee,) = [row for row in again.differences if row["user"] == "lee"]
    assert lee["causes"] == [{"kind": "accepted", "what": "the row was lost in the move", "gpu_seconds": 3600}]
    slurm.rolled_up.append(replace(slurm.history[1], end=START + timedelta(minutes=1)))
    assert verify(slurm, **PERIOD, at=AT + timedelta(minutes=2)).unexplained_gpu_seconds == 3540


def test_nobody_lets_stand_what_is_their_own_or_gone(slurm):
    differ(slurm)
    pi = Project.objects.get(code="p26001").pi
    with pytest.raises(Refused):
        difference_accept(account=LEAF, user="lee", reason="mine", by=pi, at=AT)
    operator = UserFactory(roles=[Role.OPERATOR])
    with pytest.raises(Refused):
        difference_accept(account=LEAF, user="lee", reason=" ", by=operator, at=AT)
    with pytest.raises(LostRace):
        difference_accept(account=LEAF, user="kim", reason="nothing there", by=operator, at=AT)


def test_hours_that_are_read_and_not_compared_are_an_operators_business(slurm):
    verify(slurm, **PERIOD, at=AT)
    sentence = "Figures are not being compared with Slurm's own any more."
    assert sentence not in needs_operator(AT)
    ingest(slurm, at=AT + timedelta(hours=4))
    assert sentence in needs_operator(AT + timedelta(hours=4))
