"""What a project's use gives reason to say: when, to whom, and each thing once, whatever the worker does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from threading import Thread
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction
from django.utils import translation
from django.utils.formats import date_format

from accounting.alerts import evaluate as chore
from accounting.alerts.evaluate import evaluate
from accounting.alerts.hiding import alert_hide
from accounting.alerts.selectors import alerts_for
from accounting.alerts.thresholds import CENTER, Thresholds, thresholds_drop, thresholds_of, thresholds_set
from accounting.models import Alert, IngestMark, UsageDay
from accounting.usage import day_of
from allocations.models import Account, Grant, GrantLine
from portal.post.kinds import Delivery, MailKind
from portal.post.models import Mail, MailPreference
from tests.accounting.histories import summed
from tests.factories import (
    GrantFactory,
    GrantLineFactory,
    LedgerEntryFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
HOUR = 3600
# Of a grant from March to August.
AT = kst(2026, 4, 20, 12)
Kind = Alert.Kind


@pytest.fixture(autouse=True)
def here_and_now() -> Iterator[None]:
    with time_machine.travel(AT, tick=False), translation.override("en"):
        yield


@pytest.fixture
def alice() -> Any:
    return UserFactory(name_en="Alice Kim", email="alice@postech.ac.kr", language="en")


@pytest.fixture
def grant(alice: Any) -> Grant:
    return GrantFactory(project=ProjectFactory(code="p26001", pi=alice), hours=1000)


def charge(grant: Grant, hours: int) -> None:
    GrantLine.objects.filter(grant=grant).update(charged_gpu_seconds=hours * HOUR)


def use(grant: Grant, hours_a_day: int, days: int, state: str = "COMPLETED") -> None:
    """In each of the last so many days."""
    for account in Account.objects.filter(project=grant.project):
        for back in range(1, days + 1):
            UsageDay.objects.create(
                account=account,
                account_name=account.name,
                user_name="alice",
                gpu_kind="h100",
                partition="h100",
                state=state,
                provisional=False,
                day=day_of(AT) - timedelta(days=back),
                gpu_seconds=hours_a_day * HOUR,
                jobs=1,
            )
    summed()


def written(day: date) -> str:
    return date_format(day, "DATE_FORMAT")


def said(kind: str = Kind.USED) -> list[int]:
    return sorted(Alert.objects.filter(kind=kind).values_list("threshold", flat=True))


def raise_now(at: Any = AT) -> int:
    with transaction.atomic():
        return evaluate(at)


# --- When ---


def test_each_threshold_of_use_is_said_once(grant: Grant) -> None:
    charge(grant, 499)
    assert raise_now() == 0
    charge(grant, 500)
    assert raise_now() == 1
    assert raise_now() == 0
    charge(grant, 760)
    assert raise_now() == 1
    assert said() == [50, 75]
    assert Mail.objects.count() == 2


def test_what_was_passed_while_the_worker_stood_still_is_all_said_in_one_mail(grant: Grant) -> None:
    charge(grant, 1000)
    assert raise_now() == 4
    assert said() == [50, 75, 90, 100]
    letter = Mail.objects.get()
    assert letter.subject == "p26001: H100 80GB: All GPU-hours are used"
    assert "50 %, 75 %, 90 %, 100 %" in letter.body


def test_a_threshold_comes_again_only_after_the_entitlement_was_raised_well_above_it(grant: Grant) -> None:
    charge(grant, 750)
    raise_now()
    line = grant.lines.get()
    LedgerEntryFactory(line=line, kind="refund", gpu_seconds=10 * HOUR)  # 750 of 1,010 is below 75 %, but only just
    raise_now()
    charge(grant, 760)
    assert raise_now() == 0
    LedgerEntryFactory(line=line, kind="supplement", gpu_seconds=990 * HOUR)
    assert raise_now() == 0
    assert not Alert.objects.filter(over_at=None).exists()
    charge(grant, 1500)
    assert raise_now() == 2
    assert said() == [50, 50, 75, 75]
    assert list(Alert.objects.filter(over_at=None).values_list("occasion", flat=True)) == [1, 1]


def test_the_same_is_found_when_the_worker_saw_nothing_in_between(grant: Grant) -> None:
    charge(grant, 750)
    raise_now()
    LedgerEntryFactory(line=grant.lines.get(), kind="supplement", gpu_seconds=1000 * HOUR)
    charge(grant, 1500)
    assert raise_now() == 2


def test_a_correction_that_takes_use_back_and_gives_it_again_says_nothing_new(grant: Grant) -> None:
    charge(grant, 760)
    raise_now()
    charge(grant, 700)
    raise_now()
    assert Alert.objects.get(threshold=75).over_at == AT
    charge(grant, 770)
    assert raise_now() == 0
    assert Alert.objects.get(threshold=75).over_at is None


def test_hours_that_will_not_last(grant: Grant) -> None:
    use(grant, 10, 28)
    charge(grant, 500)
    raise_now()
    alert = Alert.objects.get(kind=Kind.EARLY)
    assert (alert.threshold, alert.data["on"]) == (80, "2026-06-09")
    assert f"H100 80GB: The GPU-hours may be used up on {written(date(2026, 6, 9))}" in Mail.objects.get().body
    charge(grant, 520)
    raise_now()
    alert.refresh_from_db()
    assert alert.data["on"] == "2026-06-07"
    assert Mail.objects.count() == 1


def test_hours_that_last_for_nearly_all_of_the_term_are_no_news(grant: Grant) -> None:
    use(grant, 5, 28)
    charge(grant, 400)
    raise_now()
    assert said(Kind.EARLY) == []


@pytest.mark.parametrize(
    ("at", "used", "thresholds"),
    [
        (kst(2026, 4, 10), 0, []),  # 22 % of the term over: too early to say
        (kst(2026, 6, 1), 105, []),  # half over, 39.5 points behind
        (kst(2026, 6, 1), 90, [40]),
        (kst(2026, 8, 20), 700, []),
    ],
)
def test_hours_that_are_left_lying(grant: Grant, at: Any, used: int, thresholds: list[int]) -> None:
    charge(grant, used)
    raise_now(at)
    assert said(Kind.UNDER) == thresholds


def test_the_end_of_a_grant_is_said_in_stages_and_anew_where_it_was_moved(grant: Grant) -> None:
    for at, stages in [
        (kst(2026, 7, 2, 12), []),
        (kst(2026, 7, 3, 12), [60]),
        (kst(2026, 8, 2, 12), [30, 60]),
        (kst(2026, 8, 28, 12), [7, 14, 30, 60]),
    ]:
        raise_now(at)
        assert said(Kind.EXPIRY) == stages, at
    assert Mail.objects.filter(subject__contains=f"The grant ends on {written(date(2026, 8, 31))}").count() == 3
    grant.ends_at = kst(2026, 9, 8)
    grant.save()
    raise_now(kst(2026, 8, 28, 12))
    assert said(Kind.EXPIRY) == [7, 14, 14, 30, 30, 60, 60]


def test_no_stage_is_said_of_a_short_grant_at_its_beginning_nor_where_another_follows(alice: Any) -> None:
    short = GrantFactory(project=ProjectFactory(pi=alice), starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    raise_now(kst(2026, 4, 2))
    assert said(Kind.EXPIRY) == []
    GrantFactory(project=short.project, starts_at=kst(2026, 5, 1), ends_at=kst(2026, 8, 1))
    raise_now(kst(2026, 4, 28))
    assert said(Kind.EXPIRY) == []


def test_jobs_that_failed_are_said_from_ten_hours_and_a_fifth_on_and_again_after_two_weeks(grant: Grant) -> None:
    use(grant, 4, 7)
    use(grant, 1, 7, state="FAILED")
    raise_now()
    assert said(Kind.WASTE) == []  # a fifth, but seven hours
    use(grant, 1, 7, state="OUT_OF_MEMORY")
    raise_now()
    assert Alert.objects.get(kind=Kind.WASTE).data == {"failed": 14 * HOUR, "spent": 42 * HOUR}
    assert "33 % of the last seven days" in Mail.objects.get().body
    assert raise_now() == 0
    Alert.objects.update(raised_at=AT - timedelta(days=14))
    assert raise_now() == 1


def test_nothing_is_said_of_suspended_grants_but_that_they_end(grant: Grant) -> None:
    charge(grant, 950)
    SuspensionFactory(grant=grant, since=kst(2026, 4, 1))
    raise_now()
    assert not Alert.objects.exists()
    raise_now(kst(2026, 8, 1))
    assert set(Alert.objects.values_list("kind", flat=True)) == {Kind.EXPIRY}


def test_what_was_said_is_over_once_the_grant_is(grant: Grant) -> None:
    charge(grant, 950)
    raise_now()
    raise_now(kst(2026, 9, 2))
    assert not Alert.objects.filter(over_at=None).exists()


def test_two_pools_are_told_apart_and_told_in_one_mail(grant: Grant) -> None:
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100"), hours=100)
    charge(grant, 60)
    raise_now()
    assert [(alert.pool and alert.pool.code, alert.threshold) for alert in Alert.objects.all()] == [("a100", 50)]
    charge(grant, 900)
    raise_now()
    assert Mail.objects.filter(subject="p26001: 2 alerts").count() == 1


# --- Old figures ---


def test_old_figures_are_said_to_operators_once_and_nothing_is_concluded_from_them(grant: Grant) -> None:
    operator = UserFactory(roles=["operator"])
    mark = IngestMark.current()
    mark.last_run_at = AT - timedelta(hours=3)
    mark.save()
    use(grant, 10, 28)
    charge(grant, 500)
    raise_now()
    raise_now()
    assert set(Alert.objects.values_list("kind", flat=True)) == {Kind.STALE, Kind.USED}
    assert Mail.objects.filter(receiver=operator).count() == 1
    assert [row.alert.kind for row in alerts_for(grant.project.pi, AT)] == [Kind.STALE, Kind.USED]
    IngestMark.objects.update(last_run_at=AT)
    raise_now()
    assert Alert.objects.get(kind=Kind.STALE).over_at == AT
    assert said(Kind.EARLY) == [80]
    IngestMark.objects.update(last_run_at=AT - timedelta(hours=4))
    raise_now()
    assert Mail.objects.filter(receiver=operator).count() == 2


# --- Once ---


def test_a_failure_in_one_project_keeps_no_other_from_its_alerts(
    grant: Grant, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = GrantFactory(project=ProjectFactory(pi=alice), hours=1000)
    charge(grant, 500), charge(other, 500)
    tell = chore.mails.raised

    def failing(project: Any, *rest: Any) -> None:
        if project == grant.project:
            raise RuntimeError("no")
        tell(project, *rest)

    monkeypatch.setattr(chore.mails, "raised", failing)
    assert raise_now() == 1
    assert Alert.objects.get().project == other.project
    monkeypatch.setattr(chore.mails, "raised", tell)
    assert raise_now() == 1  # nothing was lost
    assert Mail.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_chores_at_once_send_one_mail(grant: Grant) -> None:
    charge(grant, 760)

    def run() -> None:
        try:
            with time_machine.travel(AT, tick=False):
                evaluate(AT)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said() == [50, 75]
    assert len(mail.outbox) == Mail.objects.count() == 1


def test_many_projects_cost_no_more_queries_than_a_few(alice: Any, django_assert_max_num_queries: Any) -> None:
    for _ in range(12):
        charge(GrantFactory(project=ProjectFactory(pi=alice), hours=100), 40)
    with django_assert_max_num_queries(14):
        evaluate(AT)


# --- To whom ---


def test_pi_delegates_and_who_set_thresholds_are_mailed_others_see_it(grant: Grant, alice: Any) -> None:
    project = grant.project
    bob, carol, dora = UserFactory(), UserFactory(), UserFactory()
    MembershipFactory(project=project, user=bob, is_delegate=True)
    MembershipFactory(project=project, user=carol)
    MembershipFactory(project=project, user=dora)
    thresholds_set(project=project, user=dora, thresholds=Thresholds(used=(25, 80)), by=dora, at=AT)
    charge(grant, 300)
    raise_now()
    assert set(Mail.objects.values_list("receiver", flat=True)) == {dora.pk}
    assert [row.alert.threshold for row in alerts_for(dora, AT)] == [25]
    assert alerts_for(alice, AT) == alerts_for(carol, AT) == []
    charge(grant, 600)
    raise_now()
    assert set(Mail.objects.exclude(receiver=dora).values_list("receiver", flat=True)) == {alice.pk, bob.pk}
    assert [row.alert.threshold for row in alerts_for(carol, AT)] == [50]
    assert alerts_for(UserFactory(), AT) == alerts_for(UserFactory(roles=["operator"]), AT) == []
    assert [row.alert.threshold for row in alerts_for(UserFactory(roles=["operator"]), AT, project)] == [50]


def test_the_project_s_thresholds_hold_for_all_without_their_own(grant: Grant, alice: Any) -> None:
    mine = Thresholds(used=(90,), early=None, under=None, expiry=(), waste=None)
    thresholds_set(project=grant.project, user=None, thresholds=mine, by=alice, at=AT)
    assert thresholds_of([grant.project.pk])[grant.project.pk].of(alice) == mine
    use(grant, 20, 28, state="FAILED")
    charge(grant, 800)
    assert raise_now() == 0
    assert raise_now(kst(2026, 8, 30)) == 0
    thresholds_drop(project=grant.project, user=None, by=alice, at=AT)
    assert thresholds_of([grant.project.pk])[grant.project.pk].of(alice) == CENTER
    assert raise_now() > 0


def test_mails_come_as_the_person_chose(grant: Grant, alice: Any) -> None:
    MailPreference.objects.create(user=alice, kind=MailKind.USAGE, delivery=Delivery.OFF)
    charge(grant, 600)
    raise_now()
    assert not Mail.objects.exists()
    MailPreference.objects.update(delivery=Delivery.DAILY)
    charge(grant, 800)
    raise_now()
    assert Mail.objects.get().daily


def test_a_mail_that_slurm_lets_nothing_start_is_not_followed_by_a_second(grant: Grant) -> None:
    charge(grant, 950)
    raise_now()
    Account.objects.update(exhausted_at=AT)
    charge(grant, 1000)
    assert raise_now() == 1
    assert Mail.objects.count() == 1


def test_the_strongest_is_shown_and_hiding_it_hides_what_it_stands_for_until_more_comes(
    grant: Grant, alice: Any
) -> None:
    charge(grant, 800)
    raise_now()
    [shown] = alerts_for(alice, AT, grant.project)
    assert shown.alert.threshold == 75
    alert_hide(alert=shown.alert, by=alice, at=AT)
    alert_hide(alert=shown.alert, by=alice, at=AT)
    assert alerts_for(alice, AT, grant.project) == []
    charge(grant, 950)
    raise_now()
    assert [row.alert.threshold for row in alerts_for(alice, AT, grant.project)] == [90]
    # Pressed on a page from before that.
    alert_hide(alert=shown.alert, by=alice, at=AT)
    assert [row.alert.threshold for row in alerts_for(alice, AT, grant.project)] == [90]
