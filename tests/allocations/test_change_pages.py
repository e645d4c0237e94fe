"""The pages of changes after the award: asking, deciding, withdrawing, and who sees what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from allocations.models import ChangeRequest, GrantLine
from allocations.services.changes import change_refuse, hours_return, supplement_ask
from tests.factories import HOUR, NOW, GrantFactory, LedgerEntryFactory, PoolFactory, ProjectFactory, UserFactory

ASK = {"reason": "다음 달 실험이 늘었습니다.", "at": NOW}


@pytest.fixture
def line(project):
    """1,000 GPU-hours of H100, 400 of them charged."""
    line = GrantLine.objects.get(grant__project=project)
    line.charged_gpu_seconds = 400 * HOUR
    line.save()
    return line


@pytest.fixture
def a100(db):
    return PoolFactory(code="a100", position=1, rate_hundredths=50)


def test_the_menu_is_the_pis_and_the_delegates(project, alice, bob, bobs, browser):
    address = reverse("project_changes", args=["p26001"])
    supplement = reverse("change_new", args=["p26001", "supplement"])
    assert supplement in browser(alice).get(address).content.decode()
    assert supplement not in browser(bob).get(address).content.decode()
    assert browser(bob).get(supplement).status_code == 404
    bobs.is_delegate = True
    bobs.save()
    assert browser(bob).get(supplement).status_code == 200


def test_a_supplement_is_asked_for_on_its_page(line, alice, browser):
    address = reverse("change_new", args=["p26001", "supplement"])
    client = browser(alice)
    assert "up to 500 GPU-hours" in client.get(address).content.decode()
    wrong = client.post(address, {"line": line.pk, "gpu_seconds": "501", "reason": "more"}).content.decode()
    assert 'href="#id_gpu_seconds"' in wrong
    page = client.post(address, {"line": line.pk, "gpu_seconds": "20", "reason": "more"}, follow=True)
    assert "Waiting for a decision" in page.content.decode()
    assert ChangeRequest.objects.get().gpu_seconds == 20 * HOUR


def test_another_projects_line_cannot_be_named(line, alice, browser):
    other = GrantFactory(project=ProjectFactory()).lines.get()
    address = reverse("change_new", args=["p26001", "supplement"])
    page = browser(alice).post(address, {"line": other.pk, "gpu_seconds": "20", "reason": "more"}).content.decode()
    assert 'href="#id_line"' in page
    assert not ChangeRequest.objects.exists()


def test_what_arrives_is_shown_before_a_transfer_is_asked_for(line, a100, alice, browser):
    client, address = browser(alice), reverse("change_new", args=["p26001", "transfer"])
    data = {"line": line.pk, "to_pool": a100.pk, "gpu_seconds": "100", "reason": "A100으로 옮깁니다."}
    page = client.post(address, data).content.decode()
    assert "A100 80GB: 200 GPU-hours" in page
    assert not ChangeRequest.objects.exists()
    back = client.post(address, {**data, "back": "yes"}).content.decode()
    assert 'value="100"' in back
    client.post(address, {**data, "confirmed": "yes"})
    assert ChangeRequest.objects.get().to_pool == a100


def test_a_return_is_confirmed_first(line, alice, browser):
    client, address = browser(alice), reverse("change_new", args=["p26001", "return"])
    data = {"what": "all", "line": line.pk, "gpu_seconds": "", "reason": "끝났습니다."}
    page = client.post(address, data).content.decode()
    assert "cannot be undone" in page
    assert "600 GPU-hours" in page
    assert not ChangeRequest.objects.exists()
    page = client.post(address, {**data, "confirmed": "yes"}, follow=True).content.decode()
    assert "everything left: 600 GPU-hours" in page
    assert "No grant is running" in client.get(reverse("change_new", args=["p26001", "supplement"])).content.decode()


def test_a_part_needs_an_amount(line, alice, browser):
    data = {"what": "some", "line": line.pk, "gpu_seconds": "", "reason": "-"}
    page = browser(alice).post(reverse("change_new", args=["p26001", "return"]), data).content.decode()
    assert "Write how much is returned." in page


def test_the_pages_of_extension_and_pi_change_ask(line, bob, alice, browser):
    client = browser(alice)
    client.post(
        reverse("change_new", args=["p26001", "extension"]),
        {"grant": line.grant_id, "until": "2026-12-31", "reason": "-"},
    )
    client.post(reverse("change_new", args=["p26001", "pi_change"]), {"new_pi": bob.pk, "reason": "-"})
    assert set(ChangeRequest.objects.values_list("kind", flat=True)) == {"extension", "pi_change"}
    assert browser(alice).get(reverse("change_new", args=["p26001", "nothing"])).status_code == 404


def test_the_queue_leads_to_the_decision(line, alice, dana, browser):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    client = browser(dana)
    address = reverse("change", args=[change.pk])
    assert address in client.get(reverse("change_queue")).content.decode()
    client.post(address, {"action": "grant", "gpu_seconds": "60", "answer": "60시간을 배정합니다."})
    change.refresh_from_db()
    assert (change.status, change.gpu_seconds) == (ChangeRequest.Status.GRANTED, 60 * HOUR)
    page = browser(alice).get(address).content.decode()
    assert "60시간을 배정합니다." in page
    assert "Your decision" not in page


def test_who_comes_second_reads_who_was_faster(line, alice, dana, browser):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    other = UserFactory(roles=["decider"])
    change_refuse(change=change, answer="자원이 없습니다.", by=other, at=NOW)
    address = reverse("change", args=[change.pk])
    page = browser(dana).post(address, {"action": "grant", "gpu_seconds": "100", "answer": ""}, follow=True)
    assert f"{other.name_en} was faster" in page.content.decode()
    assert line.entries.get().kind == "award"


def test_a_decision_sent_twice_is_not_somebody_elses(line, alice, dana, browser):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    client, address = browser(dana), reverse("change", args=[change.pk])
    data = {"action": "grant", "gpu_seconds": "100", "answer": ""}
    client.post(address, data)
    assert "The request stands at: Granted." in client.post(address, data, follow=True).content.decode()
    assert line.entries.count() == 2


@pytest.mark.parametrize("kind", ChangeRequest.Kind.values)
def test_a_request_that_lacks_what_its_kind_needs_can_be_read_and_refused_but_not_granted(
    kind, line, alice, dana, browser
):
    """No form makes such a row; what was brought in from elsewhere must not break a page."""
    change = ChangeRequest.objects.create(project=line.grant.project, kind=kind, asked_by=alice, asked_at=NOW)
    address = reverse("change", args=[change.pk])
    for page in (address, reverse("change_queue")):
        assert browser(dana).get(page).status_code == 200
    assert browser(alice).get(reverse("project_changes", args=["p26001"])).status_code == 200
    page = browser(dana).post(address, {"action": "grant", "gpu_seconds": "1"})
    assert "does not say all that is needed" in page.content.decode()
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.ASKED
    assert browser(dana).post(address, {"action": "refuse", "answer": "Ask again."}).status_code == 302
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.REFUSED


@pytest.mark.parametrize("kind", ["supplement", "extension", "transfer", "return", "pi_change"])
@pytest.mark.parametrize("written", [{}, {"reason": "x"}, {"until": "2026-99-99", "gpu_seconds": "-1", "line": "x"}])
def test_what_is_asked_for_in_part_comes_back_with_its_problems(kind, written, line, alice, browser):
    page = browser(alice).post(reverse("change_new", args=["p26001", kind]), written)
    assert page.status_code == 200
    assert "error-summary" in page.content.decode()
    assert not ChangeRequest.objects.exists()


def test_a_refusal_without_a_reason_comes_back(line, alice, dana, browser):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    page = browser(dana).post(reverse("change", args=[change.pk]), {"action": "refuse", "answer": ""})
    assert 'href="#id_answer"' in page.content.decode()


def test_withdrawing_on_the_page(line, alice, bob, browser):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    address = reverse("change_withdraw", args=[change.pk])
    assert browser(bob).post(address).status_code == 404
    browser(alice).post(address)
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.WITHDRAWN


def test_strangers_see_no_request(line, alice, charlie, rhee, browser):
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    for person in (charlie, rhee):
        assert browser(person).get(reverse("change", args=[change.pk])).status_code == 404
        assert browser(person).get(reverse("change_queue")).status_code == 403


def test_the_queue_asks_as_often_when_it_is_longer(alice, dana, browser, django_assert_max_num_queries):
    def more():
        for _ in range(3):
            row = GrantFactory().lines.get()
            supplement_ask(line=row, gpu_seconds=HOUR, by=row.grant.project.pi, **ASK)
            done = hours_return(line=row, gpu_seconds=HOUR, by=row.grant.project.pi, **ASK)
            assert done.decided_at

    client = browser(dana)
    more()
    with django_assert_max_num_queries(10) as short:
        client.get(reverse("change_queue"))
    more()
    with django_assert_max_num_queries(len(short)):
        client.get(reverse("change_queue"))


def test_a_request_shows_the_projects_figures_in_few_queries(line, alice, dana, browser, django_assert_max_num_queries):
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    LedgerEntryFactory(line=line, kind="refund", gpu_seconds=HOUR)
    GrantFactory(project=line.grant.project, starts_at=NOW - timedelta(days=300), ends_at=NOW - timedelta(days=100))
    client = browser(dana)
    with django_assert_max_num_queries(10):
        page = client.get(reverse("change", args=[change.pk])).content.decode()
    assert "1,001" in page
