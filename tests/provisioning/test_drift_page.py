"""What was changed in Slurm outside the portal, as an operator sees it: put right, or adopted with a name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from allocations.models import Account, Cluster, Drift, GrantLine, LedgerEntry
from allocations.provisioning.desired import desired_leaves
from allocations.provisioning.sync import synchronise
from allocations.services.drift import adoptable_gpu_seconds, drift_adopt, drift_repair
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.people.models import User
from tests.factories import NOW, UserFactory, kst
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db
PAGE = "/operations/drift/"
Kind, Outcome = Drift.Kind, Drift.Outcome


@pytest.fixture
def oh(db: None) -> User:
    return UserFactory(roles=["operator"])


@pytest.fixture
def page(oh: User) -> Client:
    client = Client()
    client.force_login(oh)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def line(account: Account) -> GrantLine:
    """500 GPU-hours, open for as long as the tests run."""
    line = GrantLine.objects.get(grant__project=account.project)
    line.grant.ends_at = timezone.now() + timedelta(days=100)
    line.grant.save()
    return line


def drift(kind: Drift.Kind = Kind.LIMIT, account: str = "p26001-h100", **values: Any) -> Drift:
    if kind == Kind.LIMIT:
        values = {"expected": "30000", "found": "36000", **values}
    return Drift.objects.create(kind=kind, account=account, found_at=NOW, **values)


def text_of(client: Client, address: str = PAGE) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def adopt(found: Drift, line: GrantLine, by: User) -> LedgerEntry:
    """With the difference that the page shows."""
    shown = adoptable_gpu_seconds(found) or 0
    return drift_adopt(drift=found, gpu_seconds=shown, line=line, reason="x", by=by, at=timezone.now())


def limit() -> int:
    (leaf,) = desired_leaves(at=timezone.now())
    return leaf.budget.gpu_minutes


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Kind.LIMIT, {}, ["Limit of p26001-h100 changed", "500 GPU-hours", "600 GPU-hours"]),
        (Kind.LIMIT, {"found": ""}, ["no limit"]),
        (Kind.LIMIT, {"person": "kim", "expected": "", "found": "60"}, ["Cap of p26001-h100 · kim changed"]),
        (Kind.STOPPED, {}, ["p26001-h100 stopped by hand", "leaves it stopped"]),
        (Kind.STOPPED, {"person": "kim"}, ["p26001-h100 · kim stopped by hand"]),
        (Kind.RELEASED, {}, ["p26001-h100 released by hand"]),
        (Kind.QOS, {"expected": "h100", "found": "h100, a100"}, ["QOS of p26001-h100 changed", "h100, a100"]),
        (Kind.ADDED, {"person": "stranger"}, ["p26001-h100 · stranger added", "paused at once"]),
        (Kind.ADDED, {"account": "odd", "found": "paic"}, ["odd added", "It belongs to no project."]),
        (Kind.REMOVED, {"person": "kim"}, ["p26001-h100 · kim removed"]),
        (Kind.PARENT, {"expected": "p26001", "found": "root"}, ["moved in the tree", "never moves an account"]),
        (Kind.LINEAGE, {"person": "kim"}, ["hangs elsewhere than its account"]),
    ],
)
def test_each_kind_is_a_difference_in_words(
    page: Client, account: Account, kind: Drift.Kind, values: dict[str, Any], words: list[str]
) -> None:
    drift(kind, **values)
    text = text_of(page)
    for sentence in words:
        assert sentence in text


def test_what_is_over_stands_below_with_what_became_of_it(page: Client, account: Account, oh: User) -> None:
    drift(closed_at=NOW, outcome=Outcome.VANISHED, closed_by=oh)
    text = text_of(page)
    assert "None: Slurm is as the portal left it." in text
    assert "Put right by somebody" in text
    assert str(oh) in text


def test_many_differences_take_as_many_queries_as_one(
    page: Client, account: Account, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        drift(Kind.ADDED, person=f"stranger{number}")
        drift(Kind.REMOVED, person=f"kim{number}", closed_at=NOW, outcome=Outcome.REPAIRED)
    text_of(page)
    with django_assert_max_num_queries(14):
        text_of(page)


# --- Putting right ---


def test_what_somebody_stopped_is_opened_on_an_operators_word_after_asking(page: Client, account: Account) -> None:
    stopped = drift(Kind.STOPPED)
    address = f"{PAGE}{stopped.pk}/repair/"
    assert address in text_of(page)
    assert "Ask before you let jobs start again." in text_of(page, address)
    for _time in range(2):
        page.post(address)
    stopped.refresh_from_db()
    assert stopped.repair_asked_at is not None
    assert Event.objects.filter(action="drift.repair_asked").count() == 1
    assert address not in text_of(page)


def test_it_is_asked_only_where_the_portal_would_not_do_it_anyway(page: Client, account: Account) -> None:
    taken = drift(found="60")
    assert f"{PAGE}{taken.pk}/repair/" not in text_of(page)
    Cluster.objects.update(repairs_by_itself=False)
    assert f"{PAGE}{taken.pk}/repair/" in text_of(page)


@pytest.mark.parametrize("kind", [Kind.PARENT, Kind.LINEAGE, Kind.ADDED])
def test_what_the_portal_never_does_is_refused(oh: User, kind: Drift.Kind) -> None:
    with pytest.raises(Refused, match="sacctmgr"):
        drift_repair(drift=drift(kind), by=oh, at=NOW)


# --- Adopting ---


def test_a_raised_limit_is_adopted_as_an_entry_of_a_named_person(
    page: Client, account: Account, line: GrantLine, oh: User
) -> None:
    found = drift(closed_at=NOW, outcome=Outcome.REPAIRED)
    address = f"{PAGE}{found.pk}/adopt/"
    assert address in text_of(page)
    assert "The grant gets 100 GPU-hours more" in text_of(page, address)
    assert "This field is required" in page.post(address, {"line": line.pk, "gpu_seconds": 360_000}).content.decode()
    page.post(address, {"line": line.pk, "reason": "agreed on the phone", "gpu_seconds": 360_000})
    entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.ADJUSTMENT)
    assert (entry.line, entry.gpu_seconds, entry.by, entry.reason) == (line, 360_000, oh, "agreed on the phone")
    assert limit() == 36_000
    found.refresh_from_db()
    assert (found.outcome, found.ledger_entry, found.closed_by) == (Outcome.ADOPTED, entry, oh)
    event = Event.objects.get(action="drift.adopted")
    assert "project:p26001" in event.topics
    assert address not in text_of(page)
    response = page.post(address, {"line": line.pk, "reason": "again", "gpu_seconds": 360_000}, follow=True)
    assert "There is nothing to adopt" in response.content.decode()
    assert LedgerEntry.objects.filter(kind=LedgerEntry.Kind.ADJUSTMENT).count() == 1


def test_a_lowered_limit_is_adopted_as_what_is_taken(page: Client, account: Account, line: GrantLine) -> None:
    found = drift(found="24000")
    assert "100 GPU-hours are taken from the grant" in text_of(page, f"{PAGE}{found.pk}/adopt/")
    page.post(f"{PAGE}{found.pk}/adopt/", {"line": line.pk, "reason": "given back by mail", "gpu_seconds": -360_000})
    assert limit() == 24_000
    found.refresh_from_db()
    assert found.closed_at is not None


def test_no_more_is_taken_than_is_left(account: Account, line: GrantLine, oh: User) -> None:
    GrantLine.objects.update(charged_gpu_seconds=450 * 3600)
    with pytest.raises(Refused, match="less left"):
        adopt(drift(found="24000"), line, oh)
    assert limit() == 30_000


def test_nobody_adopts_for_their_own_project_or_institution(account: Account, line: GrantLine) -> None:
    for person in (account.project.pi, UserFactory(institution=account.project.institution)):
        with pytest.raises(Refused, match="Nobody decides"):
            adopt(drift(), line, person)
        Drift.objects.all().delete()


@pytest.mark.parametrize(
    "values",
    [{"found": ""}, {"found": "30000"}, {"person": "kim"}, {"kind": Kind.STOPPED}, {"outcome": Outcome.ADOPTED}],
)
def test_only_an_amount_of_an_account_is_adopted(
    page: Client, account: Account, line: GrantLine, oh: User, values: dict[str, Any]
) -> None:
    found = drift(**values)
    assert f"{PAGE}{found.pk}/adopt/" not in text_of(page)
    with pytest.raises(LostRace):
        adopt(found, line, oh)


def test_a_line_that_is_not_open_or_of_another_account_takes_no_entry(
    account: Account, line: GrantLine, oh: User
) -> None:
    line.grant.ends_at = kst(2026, 3, 2)
    line.grant.save()
    with pytest.raises(Refused, match="open grant"):
        adopt(drift(), line, oh)


def test_an_amount_that_has_grown_since_it_was_shown_is_looked_at_again(
    page: Client, account: Account, line: GrantLine
) -> None:
    found = drift()
    address = f"{PAGE}{found.pk}/adopt/"
    assert 'name="gpu_seconds" value="360000"' in text_of(page, address)
    Drift.objects.update(found="90000")
    response = page.post(address, {"line": line.pk, "reason": "agreed", "gpu_seconds": 360_000}, follow=True)
    assert "please look at it again" in response.content.decode()
    assert limit() == 30_000


def test_nobody_releases_what_somebody_stopped_in_a_project_of_their_own(account: Account, oh: User) -> None:
    own = UserFactory(roles=["operator"], institution=account.project.institution)
    for found in (drift(Kind.STOPPED), drift(Kind.STOPPED, person="kim"), drift(Kind.STOPPED, account="p26001")):
        with pytest.raises(Refused, match="Nobody decides"):
            drift_repair(drift=found, by=own, at=NOW)
        drift_repair(drift=found, by=oh, at=NOW)


# --- With the worker, on a cluster in memory ---


def apply(gateway: Stubborn) -> None:
    synchronise(gateway, clock=timezone.now)


def by_hand(gateway: Stubborn, name: str, **changes: Any) -> None:
    gateway.accounts[name] = replace(gateway.accounts[name], **changes)


def test_a_stop_by_hand_lasts_until_an_operator_lifts_it(
    gateway: Stubborn, writable: Cluster, account: Account, line: GrantLine, oh: User
) -> None:
    apply(gateway)
    by_hand(gateway, account.name, group_jobs=0, group_submit_jobs=0)
    apply(gateway)
    apply(gateway)
    stopped = Drift.objects.get(closed_at=None)
    assert (stopped.kind, gateway.accounts[account.name].parked) == (Kind.STOPPED, True)
    drift_repair(drift=stopped, by=oh, at=timezone.now())
    apply(gateway)
    apply(gateway)
    stopped.refresh_from_db()
    assert (stopped.outcome, gateway.accounts[account.name].parked) == (Outcome.REPAIRED, False)


def test_an_adopted_limit_stays_as_somebody_set_it(
    gateway: Stubborn, writable: Cluster, account: Account, line: GrantLine, oh: User
) -> None:
    apply(gateway)
    Cluster.objects.update(repairs_by_itself=False)
    by_hand(gateway, account.name, gpu_minutes=24_000)
    apply(gateway)
    found = Drift.objects.get(closed_at=None)
    assert (found.expected, found.found) == ("30000", "24000")
    adopt(found, line, oh)
    apply(gateway)
    assert gateway.accounts[account.name].gpu_minutes == limit() == 24_000
    found.refresh_from_db()
    assert found.outcome == Outcome.ADOPTED
    assert not Drift.objects.filter(closed_at=None).exists()


def test_a_raised_limit_is_taken_back_and_may_be_adopted_afterwards(
    gateway: Stubborn, writable: Cluster, account: Account, line: GrantLine, oh: User
) -> None:
    apply(gateway)
    Cluster.objects.update(repairs_by_itself=False)
    by_hand(gateway, account.name, gpu_minutes=36_000)
    apply(gateway)
    assert gateway.accounts[account.name].gpu_minutes == 30_000
    apply(gateway)
    raised = Drift.objects.get()
    assert raised.outcome == Outcome.REPAIRED
    adopt(raised, line, oh)
    apply(gateway)
    assert gateway.accounts[account.name].gpu_minutes == 36_000
