"""Old job rows are dropped and nothing of what was counted changes; what comes late for sealed days is decided."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models import Sum

from accounting.balance import recharge
from accounting.history import retention
from accounting.history.retention import retain, retain_as_set, seal
from accounting.history.sealed import sealed_difference_apply, sealed_difference_dismiss
from accounting.history.store import store_rows
from accounting.models import IngestMark, Job, Refund, SealedDifference, UsageDay, UsageMonth, UsageMonthSum, UsageSum
from accounting.refunds.follow import follow
from allocations.models import GrantLine
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.accounting.histories import HOUR, job, sums_add_up
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
AT = kst(2026, 7, 1, 12)
KEEP = 90
# 90 days before.
BEFORE = date(2026, 4, 2)
OLD = kst(2026, 3, 10, 9)


@pytest.fixture
def alice():
    return UserFactory(cluster_username="kim")


@pytest.fixture
def line(alice) -> GrantLine:
    """Open from a moment within 1 March on."""
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 2, 1))
    grant = GrantFactory(project=project, hours=1000, starts_at=kst(2026, 3, 1, 15), ends_at=kst(2026, 9, 1))
    IngestMark.objects.update_or_create(cluster="pohang", defaults={"read_until": AT})
    return grant.lines.get()


@pytest.fixture
def operator():
    return UserFactory(roles=["operator"])


def store(*rows) -> None:
    store_rows(rows, at=kst(2026, 6, 30))


def usage() -> tuple[list[tuple[object, ...]], ...]:
    models: tuple[Any, ...] = (UsageDay, UsageMonth, UsageSum, UsageMonthSum)
    return tuple(sorted(model.objects.values_list(*model.KEY, *model.AMOUNTS)) for model in models)


def used(**wanted: object) -> int:
    return UsageDay.objects.filter(**wanted).aggregate(all=Sum("gpu_seconds"))["all"] or 0


def charged(line: GrantLine) -> int:
    line.refresh_from_db()
    return line.charged_gpu_seconds


# --- Dropping ---


def test_old_rows_go_and_what_was_counted_stays(line):
    recent = job(start=kst(2026, 6, 1))
    store(job(start=OLD), job(start=OLD, account="physics"), job(start=None, end=OLD, state="CANCELLED"), recent)
    before, charge = usage(), charged(line)
    found = retain(keep_days=KEEP, by=None, at=AT)
    assert (found.sealed_before, found.dropped, found.kept) == (BEFORE, 3, 0)
    assert Job.objects.get().db_index == recent.db_index
    assert recharge(["p26001-h100"]) == 0
    assert (usage(), charged(line)) == (before, charge)
    assert IngestMark.current().sealed_before == BEFORE
    assert Event.objects.get(action="usage.sealed").data == {"before": "2026-04-02"}


def test_what_is_still_needed_stays(line, operator):
    held, refunded, running = job(start=OLD, display_id="held"), job(start=OLD), job(start=OLD, hours=None)
    over_the_seal = job(start=kst(2026, 4, 1, 23), hours=2)
    when_the_grant_began = job(start=kst(2026, 3, 1, 14), hours=3)
    store(held, refunded, running, over_the_seal, when_the_grant_began, job(start=OLD))
    store(replace(held, end=held.end - HOUR / 2))
    Refund.objects.create(
        job=Job.objects.get(db_index=refunded.db_index),
        line=line,
        origin=Refund.Origin.REQUEST,
        status=Refund.Status.GRANTED,
        asked_at=AT,
    )
    charge = charged(line)
    found = retain(keep_days=KEEP, by=operator, at=AT)
    assert (found.dropped, found.kept, Job.objects.count()) == (1, 3, 5)
    recharge(["p26001-h100"])
    assert charged(line) == charge


def test_an_interrupted_drop_is_finished_by_the_next(line, monkeypatch):
    store(*(job(start=OLD) for _ in range(5)))
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    seal(before=BEFORE, by=None, at=AT)
    rows = next(found for found in retention._droppable(BEFORE) if found.exists())
    assert retention._drop_some(rows) == 2
    assert retain(keep_days=KEEP, by=None, at=AT).dropped == 3


def test_a_seal_never_moves_back(line):
    retain(keep_days=KEEP, by=None, at=AT)
    assert retain(keep_days=KEEP + 30, by=None, at=AT).sealed_before == BEFORE
    seal(before=date(2026, 1, 1), by=None, at=AT)
    assert IngestMark.current().sealed_before == BEFORE


def test_what_is_young_or_not_read_yet_is_not_sealed(line):
    with pytest.raises(Refused, match="70"):
        retain(keep_days=69, by=None, at=AT)
    IngestMark.objects.update(read_until=kst(2026, 4, 1))
    with pytest.raises(Refused):
        retain(keep_days=KEEP, by=None, at=AT)
    assert IngestMark.current().sealed_before is None


def test_the_worker_drops_only_where_an_age_is_set(line, settings):
    store(job(start=OLD))
    assert retain_as_set(AT) is None
    settings.USAGE_KEEP_DAYS = KEEP
    assert retain_as_set(AT).dropped == 1


def test_the_command_counts_first_and_then_drops(line, capsys):
    store(job(start=OLD))
    keep = ("usage", "retain", "--keep", str(KEEP))
    with time_machine.travel(AT, tick=False):
        call_command(*keep, "--dry-run")
        told = "Days before 2026-04-02 are sealed: 1 job rows would be dropped, 0 still needed."
        assert told in capsys.readouterr().out
        assert (Job.objects.count(), IngestMark.current().sealed_before) == (1, None)
        call_command(*keep, "--json")
    assert json.loads(capsys.readouterr().out) == {"sealed_before": "2026-04-02", "dropped": 1, "kept": 0}
    with pytest.raises(CommandError, match="USAGE_KEEP_DAYS"):
        call_command("usage", "retain")


# --- What comes late ---


@pytest.fixture
def late(line) -> SealedDifference:
    """A job over the seal, of which Slurm says afterwards that it began half an hour earlier."""
    row = job(start=kst(2026, 4, 1, 23), hours=2)
    store(row)
    retain(keep_days=KEEP, by=None, at=AT)
    store(replace(row, start=row.start - HOUR / 2))
    return SealedDifference.objects.get()


def test_late_seconds_change_nothing_until_they_are_entered(late, line, operator):
    assert late.gpu_seconds == 3600
    assert used(day=date(2026, 4, 1)) == 7200
    sealed_difference_apply(difference=late, reason="slurmdbd was mended", by=operator, at=AT)
    assert used(day=date(2026, 4, 1)) == 10_800
    assert UsageMonth.objects.aggregate(all=Sum("gpu_seconds"))["all"] == used() == charged(line) == 18_000
    assert sums_add_up()
    late.refresh_from_db()
    assert (late.applied, late.closed_by, late.reason) == (True, operator, "slurmdbd was mended")
    assert Event.objects.get(action="sealed_difference.applied").data["gpu_seconds"] == 3600


def test_what_is_dismissed_leaves_the_days_and_does_not_come_back(late, line, operator):
    before = usage()
    sealed_difference_dismiss(difference=late, reason="not ours", by=operator, at=AT)
    assert usage() == before
    with pytest.raises(LostRace):
        sealed_difference_apply(difference=late, reason="after all", by=operator, at=AT)


def test_a_difference_that_changed_meanwhile_is_looked_at_again(late, operator):
    SealedDifference.objects.update(days=[])
    with pytest.raises(LostRace):
        sealed_difference_dismiss(difference=late, reason="x", by=operator, at=AT)


def test_nobody_decides_for_their_own_project_or_without_a_reason(late, alice, operator):
    for act in (sealed_difference_apply, sealed_difference_dismiss):
        with pytest.raises(Refused, match="own"):
            act(difference=late, reason="x", by=alice, at=AT)
        with pytest.raises(Refused, match="why"):
            act(difference=late, reason=" ", by=operator, at=AT)


def test_a_job_that_moves_to_another_account_is_decided_for_both(line, operator):
    bob = UserFactory(roles=["operator"])
    other = ProjectFactory(code="p26002", pi=bob, created_at=kst(2026, 2, 1))
    GrantFactory(project=other, hours=100, hours__pool=line.pool, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    row = job(start=kst(2026, 4, 1, 23), hours=2, account="p26002-h100")
    store(row)
    retain(keep_days=KEEP, by=None, at=AT)
    store(replace(row, account="p26001-h100"))
    late = SealedDifference.objects.get()
    with pytest.raises(Refused, match="own"):
        sealed_difference_apply(difference=late, reason="moved", by=bob, at=AT)
    sealed_difference_apply(difference=late, reason="moved", by=operator, at=AT)
    moved = UsageDay.objects.get(day=date(2026, 4, 1))
    assert (moved.account_name, moved.account.name, moved.gpu_seconds) == ("p26001-h100", "p26001-h100", 7200)
    assert sums_add_up()
    assert (charged(line), charged(GrantLine.objects.get(grant__project=other))) == (14_400, 0)


def test_a_refund_follows_a_late_correction_only_once_it_is_entered(line, operator):
    row = job(start=kst(2026, 4, 1, 23), hours=2)
    store(row)
    refund = Refund.objects.create(
        job=Job.objects.get(), line=line, origin=Refund.Origin.REQUEST, status=Refund.Status.GRANTED, asked_at=AT
    )
    follow(AT)
    retain(keep_days=KEEP, by=None, at=AT)
    store_rows([replace(row, start=row.start - HOUR / 2)], at=AT)
    assert follow(AT) == 0
    sealed_difference_apply(difference=SealedDifference.objects.get(), reason="mended", by=operator, at=AT)
    assert (follow(AT), follow(AT)) == (1, 0)
    refund.refresh_from_db()
    assert refund.refunded_gpu_seconds == charged(line) == 18_000


def test_less_than_nothing_is_never_left_of_a_day(late, operator):
    days = [{**late.days[0], "gpu_seconds": -100_000}]
    SealedDifference.objects.update(days=days)
    late.refresh_from_db()
    with pytest.raises(Refused, match="nothing"):
        sealed_difference_apply(difference=late, reason="x", by=operator, at=AT)


def test_usage_that_is_taken_back_whole_leaves_no_row(line, operator):
    row = job(start=OLD)
    store(row)
    Job.objects.update(held_at=AT, held={})  # needed, so it stays
    retain(keep_days=KEEP, by=None, at=AT)
    days = list(UsageDay.objects.values(*UsageDay.WHOSE, *UsageDay.AMOUNTS))
    taken = {name: -days[0][name] for name in UsageDay.AMOUNTS}
    difference = SealedDifference.objects.create(
        cluster="pohang",
        db_index=row.db_index,
        display_id=row.display_id,
        account_name=row.account,
        user_name=row.user,
        days=[{**days[0], **taken, "day": "2026-03-10"}],
        gpu_seconds=-7200,
        found_at=AT + timedelta(minutes=1),
    )
    sealed_difference_apply(difference=difference, reason="never ran", by=operator, at=AT)
    assert usage() == ([], [], [], [])
