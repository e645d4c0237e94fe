"""The final report: what is owed and when, writing over time, handing in."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import translation

from allocations.models import FinalReport, GrantLine
from allocations.selectors.reports import reports_due, reports_overdue
from allocations.services import Refused
from allocations.services.outcomes import Incomplete
from allocations.services.reports import ReportDraft, lines_of, report_save, report_submit
from allocations.workflow import LostRace
from tests.factories import HOUR, NOW, GrantFactory, kst

WRITTEN = {"outcomes": "결함 검출률이 12 % 올랐습니다.", "publications": "10.1000/182"}


@pytest.fixture
def ended(project, alice):
    """A grant that ended on 31 January 2026, nearly all of it used."""
    grant = GrantFactory(
        project=project, starts_at=kst(2025, 10, 1), ends_at=kst(2026, 2, 1), created_at=kst(2025, 9, 20), hours=100
    )
    grant.lines.update(charged_gpu_seconds=90 * HOUR)
    return grant


@pytest.fixture
def address(ended):
    return reverse("final_report", args=["p26001", ended.pk])


def write(grant, by, at=NOW, revision=0, submit=False, **written):
    act = report_submit if submit else report_save
    return act(grant=grant, draft=ReportDraft(**{**WRITTEN, **written}), revision=revision, by=by, at=at)


def test_a_report_is_due_thirty_days_after_the_last_day(ended, alice, bob):
    assert reports_overdue(alice, kst(2026, 3, 2, 23)) == []
    assert reports_overdue(alice, kst(2026, 3, 3)) == [ended]
    assert reports_overdue(bob, kst(2026, 3, 3)) == []
    assert reports_due(alice, NOW) == [ended]


def test_a_report_handed_in_is_owed_no_more(ended, alice):
    write(ended, alice)
    assert reports_overdue(alice, kst(2026, 4, 1)) == [ended]
    write(ended, alice, revision=1, submit=True)
    assert reports_overdue(alice, kst(2026, 4, 1)) == []


def test_a_grant_that_had_ended_before_it_was_imported_needs_none(project, alice):
    GrantFactory(project=project, application=None, starts_at=kst(2024, 1, 1), ends_at=kst(2025, 1, 1), created_at=NOW)
    assert reports_overdue(alice, NOW) == []


def test_it_is_handed_in_after_the_end_only(project, alice):
    grant = project.grants.get()
    write(grant, alice)
    with translation.override("en"), pytest.raises(Refused, match="31 Aug 2026"):
        write(grant, alice, revision=1, submit=True)


def test_every_problem_is_named_at_once(ended, alice):
    ended.lines.update(charged_gpu_seconds=10 * HOUR)
    with pytest.raises(Incomplete) as raised:
        write(ended, alice, submit=True, outcomes=" ", publications="10.1000/182\nfoo\n\nhttps://example.org/1")
    assert [problem.field for problem in raised.value.problems] == [
        "outcomes",
        "publications",
        "publications",
        "unused_reason",
    ]


@pytest.mark.parametrize(
    "line", ["10.1000/182", "doi:10.1000/182", "https://doi.org/10.1000/182", " DOI: 10.1000/182 "]
)
def test_a_doi_is_read_as_people_write_it(line):
    assert lines_of(line) == ["10.1000/182"]


def test_a_second_window_does_not_overwrite_the_first(ended, alice):
    write(ended, alice)
    with pytest.raises(LostRace):
        write(ended, alice, revision=0, outcomes="older")
    assert FinalReport.objects.get().outcomes == WRITTEN["outcomes"]


def test_what_is_handed_in_stays(ended, alice):
    write(ended, alice, submit=True)
    with pytest.raises(LostRace):
        write(ended, alice, revision=1)


def test_only_pi_and_delegate_write(ended, bob, oh, bobs):
    for person in (bob, oh):
        with pytest.raises(Refused):
            write(ended, person)
    bobs.is_delegate = True
    bobs.save()
    assert write(ended, bob).revision == 1


# --- The page ---


def test_it_is_written_saved_and_handed_in(ended, address, alice, bob, browser):
    client = browser(alice)
    assert 'name="revision" value="0"' in client.get(address).content.decode()
    client.post(address, {**WRITTEN, "revision": "0", "action": "save"})
    page = client.get(address).content.decode()
    assert WRITTEN["outcomes"] in page
    client.post(address, {**WRITTEN, "trained_people": "3", "revision": "1", "action": "submit"})
    report = FinalReport.objects.get()
    assert (report.submitted_at, report.submitted_by, report.trained_people) == (NOW, alice, 3)
    assert 'href="https://doi.org/10.1000/182"' in browser(bob).get(address).content.decode()


def test_a_problem_leads_to_its_field_and_keeps_what_was_written(address, alice, browser):
    client = browser(alice)
    data = {**WRITTEN, "publications": "no doi", "revision": "0", "action": "submit"}
    page = client.post(address, data).content.decode()
    assert 'href="#id_publications"' in page
    assert WRITTEN["outcomes"] in page


def test_it_saves_by_itself(address, alice, browser):
    client = browser(alice)
    headers = {"x-requested-with": "autosave"}
    data = {**WRITTEN, "publications": "half a d", "revision": "0", "action": "autosave"}
    answer = client.post(address, data, headers=headers)
    assert (answer.status_code, answer.json()["revision"], answer.json()["problems"]) == (200, 1, 1)
    assert FinalReport.objects.get().publications == "half a d"
    assert client.post(address, data, headers=headers).status_code == 409
    client.post(address, {**WRITTEN, "revision": "1", "action": "submit"})
    assert client.post(address, {**data, "revision": "2"}, headers=headers).status_code == 409


def test_what_cannot_be_handed_in_is_kept_all_the_same(ended, address, alice, browser):
    data = {**WRITTEN, "patents": "특" * 2001, "trained_people": "셋", "revision": "0", "action": "autosave"}
    answer = browser(alice).post(address, data, headers={"x-requested-with": "autosave"})
    assert (answer.status_code, answer.json()["problems"]) == (200, 2)
    report = FinalReport.objects.get()
    assert (report.patents, report.trained_people, report.outcomes) == ("특" * 2001, None, WRITTEN["outcomes"])
    page = browser(alice).post(address, {**data, "revision": "1", "action": "submit"}).content.decode()
    assert 'href="#id_patents"' in page


def test_a_stale_save_shows_what_was_written_and_says_so(ended, address, alice, browser):
    write(ended, alice)
    answer = browser(alice).post(address, {**WRITTEN, "outcomes": "mine", "revision": "0", "action": "save"})
    assert answer.status_code == 409
    assert "mine" in answer.content.decode()


def test_members_and_the_center_read_it_and_strangers_do_not(address, bob, dana, oh, charlie, rhee, browser):
    for person in (bob, dana, oh):
        assert "Not handed in yet" in browser(person).get(address).content.decode()
    for person in (charlie, rhee):
        assert browser(person).get(address).status_code == 404


def test_the_project_says_what_is_due(ended, address, alice, bob, browser):
    grants, after_an_event = reverse("project_usage", args=["p26001"]), {"Live-Event": "1"}
    page = browser(alice).get(grants, headers=after_an_event).content.decode()
    assert address in page
    assert "due by 2 Mar 2026" in page
    assert address not in browser(bob).get(grants, headers=after_an_event).content.decode()


def test_hours_given_back_are_not_left_unused(ended, alice):
    line = GrantLine.objects.get(grant=ended)
    line.entries.create(kind="reduction", gpu_seconds=-50 * HOUR, reason="-", by=alice, at=NOW)
    ended.lines.update(charged_gpu_seconds=45 * HOUR)
    assert write(ended, alice, submit=True).submitted_at == NOW
