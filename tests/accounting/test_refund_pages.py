"""The pages of refunds and adjustments: the project's side and the operators'."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounting.history.store import store_rows
from accounting.models import Job, Refund, RefundRule
from accounting.refunds.request import refund_ask
from accounting.refunds.rule import refund_by_rule, rule_ensure
from allocations.models import LedgerEntry
from allocations.provisioning.desired import desired_leaves
from allocations.services.ledger import line_adjust
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.operations.needs import needs_operator
from portal.post.models import Mail
from tests.accounting.histories import job
from tests.factories import HOUR, GrantFactory, MembershipFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12)
WINDOW = {
    "title": "랙 3 정전",
    "start_on": "2026-03-02",
    "start_time": "00:00",
    "end_on": "2026-03-03",
    "end_time": "00:00",
    "states": ["FAILED", "CANCELLED"],
}


@pytest.fixture(autouse=True)
def now(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def project():
    return ProjectFactory(code="p26001", created_at=kst(2026, 2, 25))


@pytest.fixture
def grant(project):
    return GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))


@pytest.fixture
def line(grant):
    return grant.lines.get()


@pytest.fixture
def oh():
    return UserFactory(roles=["operator"], name_en="Oh")


@pytest.fixture
def failed(grant):
    store_rows([job(start=kst(2026, 3, 2), hours=3, state="FAILED")], at=AT)
    return Job.objects.get()


@pytest.fixture
def asked(failed, project):
    return refund_ask(job=failed, project=project, words="The file system hung.", by=project.pi, at=AT)


def see(client, user, name, *args):
    client.force_login(user)
    return words(client.get(reverse(name, args=args)))


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


# --- The project's side ---


def test_the_pi_picks_a_job_on_the_projects_page_and_asks(client, failed, project):
    address = reverse("refund_ask", args=["p26001", failed.pk])
    client.force_login(project.pi)
    assert address in client.get(reverse("project_job", args=["p26001", failed.pk])).content.decode()
    assert address in client.get(reverse("refund_choose", args=["p26001"])).content.decode()
    assert "6.00 GPU-hours" in words(client.get(address))
    assert client.post(address, {"words": ""}).status_code == 200
    assert client.post(address, {"words": "The file system hung."}).status_code == 302
    listed = see(client, project.pi, "project_refunds", "p26001")
    assert "Waiting for a decision" in listed and "The file system hung." in listed
    shown = client.get(reverse("project_job", args=["p26001", failed.pk])).content.decode()
    assert address not in shown and "Refund asked for" in shown
    assert "waits for a decision" in words(client.get(address, follow=True))


def test_a_member_sees_the_refunds_and_asks_for_none(client, asked, project):
    member = MembershipFactory(project=project).user
    listed = see(client, member, "project_refunds", "p26001")
    assert "The file system hung." in listed and "Withdraw" not in listed
    assert (
        reverse("refund_choose", args=["p26001"])
        not in client.get(reverse("project", args=["p26001"])).content.decode()
    )
    for name, args in [("refund_choose", []), ("refund_ask", [asked.job_id]), ("refund_withdraw", [asked.pk])]:
        assert client.post(reverse(name, args=["p26001", *args])).status_code in (404, 405)
    assert client.get(reverse("refund_choose", args=["p26001"])).status_code == 404


@pytest.mark.parametrize("roles", [[], ["reviewer"], ["decider"], ["observer"]])
def test_others_do_not_learn_of_them(client, asked, roles):
    client.force_login(UserFactory(roles=roles))
    for name, args in [("project_refunds", []), ("refund_choose", []), ("refund_ask", [asked.job_id])]:
        assert client.get(reverse(name, args=["p26001", *args])).status_code == 404


def test_a_job_of_another_project_is_not_found(client, failed):
    other = ProjectFactory(code="p26002")
    client.force_login(other.pi)
    assert client.get(reverse("refund_ask", args=["p26002", failed.pk])).status_code == 404


def test_withdrawing(client, asked, project):
    client.force_login(project.pi)
    address = reverse("refund_withdraw", args=["p26001", asked.pk])
    assert "withdrawn" in words(client.post(address, follow=True))
    assert "meanwhile" in words(client.post(address, follow=True))


def test_what_was_refunded_is_beside_the_balance(client, failed, project):
    Job.objects.update(state="NODE_FAIL")
    rule_ensure(kst(2026, 3, 1))
    refund_by_rule(AT)
    shown = see(client, project.pi, "project", "p26001")
    assert "of 100 awarded and 6 refunded" in shown and "of it 6 GPU-hours refunded" in shown
    assert "Refunded 6.00" in see(client, project.pi, "project_jobs", "p26001")


def test_the_list_takes_the_same_queries_however_many(client, grant, project, django_assert_max_num_queries):
    store_rows([job(start=kst(2026, 3, 2), hours=1, state="NODE_FAIL") for _ in range(20)], at=AT)
    rule_ensure(kst(2026, 3, 1))
    refund_by_rule(AT)
    client.force_login(project.pi)
    with django_assert_max_num_queries(11):
        client.get(reverse("project_refunds", args=["p26001"]))
    client.force_login(UserFactory(roles=["operator"]))
    with django_assert_max_num_queries(11):
        client.get(reverse("operations_refunds"))


# --- Operators: requests ---


def test_an_operator_grants_all_of_it(client, asked, oh):
    address = reverse("operations_refund", args=[asked.pk])
    client.force_login(oh)
    assert address in client.get(reverse("operations_refunds")).content.decode()
    assert any("Refunds were asked for" in need for need in needs_operator(AT))
    assert "The file system hung." in words(client.get(address))
    assert "Say how much" in words(client.post(address, {"gpu_seconds": "", "action": "grant"}))
    told = words(client.post(address, {"gpu_seconds": "6", "action": "grant"}, follow=True))
    assert "Refunded: 6.00 GPU-hours" in told
    assert Refund.objects.get().most_gpu_seconds is None
    assert "meanwhile" in words(client.post(address, {"gpu_seconds": "6", "action": "grant"}, follow=True))
    assert LedgerEntry.objects.filter(kind="refund").count() == 1


def test_an_operator_grants_a_part(client, asked, oh):
    client.force_login(oh)
    address = reverse("operations_refund", args=[asked.pk])
    assert "up to what the job was charged" in words(client.post(address, {"gpu_seconds": "7", "action": "grant"}))
    client.post(address, {"gpu_seconds": "1.5", "action": "grant", "reason": "체크포인트 이후만"})
    refund = Refund.objects.get()
    assert (refund.refunded_gpu_seconds, refund.reason) == (1.5 * HOUR, "체크포인트 이후만")


def test_declining_needs_a_reason_that_the_project_reads(client, asked, oh, project):
    client.force_login(oh)
    address = reverse("operations_refund", args=[asked.pk])
    assert "Say why" in words(client.post(address, {"action": "decline", "gpu_seconds": "6"}))
    client.post(address, {"action": "decline", "reason": "프로그램 오류입니다."})
    assert "프로그램 오류입니다." in see(client, project.pi, "project_refunds", "p26001")
    assert "프로그램 오류입니다." in Mail.objects.filter(to=project.pi.email).first().body


def test_who_has_a_stake_decides_nothing(client, asked, project, line):
    client.force_login(UserFactory(roles=["operator"], institution=project.institution))
    for name, pk in (("operations_refund", asked.pk), ("operations_adjust", line.pk)):
        shown = client.get(reverse(name, args=[pk])).content.decode()
        assert "somebody else has to decide" in shown and "<textarea" not in shown
    address = reverse("operations_refund", args=[asked.pk])
    client.post(address, {"gpu_seconds": "6", "action": "grant"})
    assert Refund.objects.get().status == Refund.Status.ASKED


# --- Operators: the rule ---


def test_what_a_new_rule_would_refund_at_once_is_shown_before_it_is_written(client, failed, oh):
    Job.objects.update(state="PREEMPTED")
    client.force_login(oh)
    address = reverse("operations_refund_rule")
    client.get(address)
    seen = RefundRule.objects.get().pk
    sent = {"states": ["NODE_FAIL", "PREEMPTED"], "since_on": "2026-03-01", "since_time": "00:00", "seen": seen}
    assert "1 job, 6.00 GPU-hours" in words(client.post(address, sent))
    assert RefundRule.objects.count() == 1
    assert "Rule for refunds" in words(client.post(address, sent | {"confirmed": "yes", "back": "yes"}))
    client.post(address, sent | {"confirmed": "yes"})
    assert RefundRule.objects.first().states == ["NODE_FAIL", "PREEMPTED"]
    assert "meanwhile" in words(client.post(address, sent | {"confirmed": "yes"}, follow=True))
    assert "PREEMPTED" in see(client, oh, "operations_refunds")
    assert Event.objects.get(action="refund.rule_set").by == oh


def test_a_rule_for_the_future_is_not_written(client, oh):
    client.force_login(oh)
    seen = rule_ensure(AT).pk
    sent = {"states": [], "since_on": "2026-03-11", "since_time": "00:00", "seen": seen}
    assert "not in the future" in words(client.post(reverse("operations_refund_rule"), sent))


# --- Operators: a maintenance window ---


def test_a_window_is_looked_at_and_then_refunded(client, failed, oh):
    client.force_login(oh)
    address = reverse("operations_maintenance")
    page = client.get(address, WINDOW)
    assert failed.display_id in words(page) and "6.00" in words(page)
    shown = page.context["shown"]
    assert not Refund.objects.exists()
    sent = client.get(address, WINDOW).request["QUERY_STRING"]
    told = words(client.post(f"{address}?{sent}", {"shown": "x"}, follow=True))
    assert "changed meanwhile" in told
    told = words(client.post(f"{address}?{sent}", {"shown": shown, "leave_out": [failed.pk]}, follow=True))
    assert "No job is left" in told
    told = words(client.post(f"{address}?{sent}", {"shown": shown}, follow=True))
    assert "Refunded: 6.00 GPU-hours" in told and "랙 3 정전" in told
    assert "refunded already" in words(client.get(address, WINDOW))


def test_a_window_that_is_none_says_what_is_wrong(client, oh, grant):
    client.force_login(oh)
    address = reverse("operations_maintenance")
    assert "ends before" in words(client.get(address, WINDOW | {"end_on": "2026-03-01"}))
    assert "not in the future" in words(client.get(address, WINDOW | {"end_on": "2026-04-01"}))
    assert "No broken job" in words(client.get(address, WINDOW))
    assert client.post(address, {}).status_code == 200


# --- Adjustments ---


def test_an_adjustment_is_shown_with_its_effect_and_then_entered(client, line, oh, project):
    client.force_login(oh)
    address = reverse("operations_adjust", args=[line.pk])
    assert address in client.get(reverse("project", args=["p26001"])).content.decode()
    sent = {"way": "add", "amount": "12.5", "reason": "측정 오류 보상", "granted": 100 * HOUR}
    shown = words(client.post(address, sent))
    assert shown.count("100.00 GPU-hours → 112.50 GPU-hours") == 2
    assert not LedgerEntry.objects.filter(kind="adjustment").exists()
    client.post(address, sent | {"confirmed": "yes"})
    entry = LedgerEntry.objects.get(kind="adjustment")
    assert (entry.gpu_seconds, entry.by, entry.reason) == (12.5 * HOUR, oh, "측정 오류 보상")
    [leaf] = desired_leaves(at=AT)
    assert leaf.budget.gpu_minutes == 112.5 * 60
    assert Mail.objects.get(to=project.pi.email).body.count("측정 오류 보상") == 1
    assert "meanwhile" in words(client.post(address, sent | {"confirmed": "yes"}, follow=True)), "pressed twice"


def test_no_more_is_taken_off_than_is_left(client, line, oh):
    client.force_login(oh)
    address = reverse("operations_adjust", args=[line.pk])
    sent = {"way": "take", "amount": "101", "reason": "회수", "granted": 100 * HOUR}
    assert "less left" in words(client.post(address, sent))
    assert "less left" in words(client.post(address, sent | {"confirmed": "yes"}))
    client.post(address, sent | {"amount": "40", "confirmed": "yes"})
    assert line.granted_gpu_seconds == 60 * HOUR


def test_when_a_line_is_not_adjusted(line, oh, project):
    acting = {
        "line": line,
        "gpu_seconds": HOUR,
        "granted_gpu_seconds": 100 * HOUR,
        "reason": "보상",
        "by": oh,
        "at": AT,
    }
    for wrong in (
        {"reason": " "},
        {"by": project.pi},
        {"by": UserFactory(roles=["operator"], institution=project.institution)},
        {"at": line.grant.ends_at},
    ):
        with pytest.raises(Refused):
            line_adjust(**(acting | wrong))
    with pytest.raises(LostRace):
        line_adjust(**(acting | {"granted_gpu_seconds": 99 * HOUR}))


def test_hours_of_a_grant_to_come_move_no_limit_yet(client, project, oh):
    later = GrantFactory(project=project, hours=10, starts_at=AT + timedelta(days=3), ends_at=kst(2026, 9, 1))
    client.force_login(oh)
    sent = {"way": "add", "amount": "5", "reason": "보상", "granted": 10 * HOUR}
    shown = words(client.post(reverse("operations_adjust", args=[later.lines.get().pk]), sent))
    assert "stays as it is" in shown
