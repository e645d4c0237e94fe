"""The ranking of a call, proposals to adopt, and the letters that tell applicants."""

from __future__ import annotations

import csv

import pytest
from django.urls import reverse

from allocations.models import Application, CallPool, Decision, TechnicalLine, TechnicalReview
from allocations.selectors.panel import panel_calls, ranking
from allocations.selectors.simulation import simulation
from allocations.services import Refused
from allocations.services.decisions import decision_make, decision_promote, decisions_announce
from allocations.services.settling import calls_settle
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    DecisionFactory,
    PoolFactory,
    ReviewFactory,
    TierFactory,
    UserFactory,
    kst,
)


def h100():
    return PoolFactory(code="h100")


def before_panel(call, hours=960, score=4, **more):
    application = ApplicationFactory(call=call, hours=hours, status="panel", **more)
    ReviewFactory(application=application, score=score)
    return application


def assessed(application, hours, verdict="changes"):
    """With a technical review that recommends so many hours."""
    review = TechnicalReview.objects.create(
        application=application,
        reviewer=UserFactory(roles=["technical"]),
        verdict=verdict,
        started_at=NOW,
        submitted_at=NOW,
    )
    TechnicalLine.objects.create(review=review, pool=h100(), recommended_gpu_seconds=hours * HOUR)
    return application


def decided(call, outcome="awarded", **more):
    return DecisionFactory(
        application=ApplicationFactory(call=call, status="decided", **more), outcome=outcome, announced_at=None
    ).application


def test_a_call_tells_how_many_wait_are_decided_and_announced(call, dana, browser):
    before_panel(call)
    decided(call)
    ApplicationFactory(call=call, status="technical")
    DecisionFactory(application__call=call)
    row = panel_calls()[0]
    assert (row.waiting, row.decided, row.announced, row.underway) == (1, 1, 1, 1)
    assert call.title_en in browser(dana).get(reverse("panel")).content.decode()


def test_the_ranking_shows_amounts_and_what_pools_have_left(call, dana, browser):
    CallPool.objects.filter(call=call, pool=h100()).update(gpu_seconds=2000 * HOUR)
    first = assessed(before_panel(call, score=5), 700)
    decision_make(application=first, outcome="partly", awards={h100(): 700 * HOUR}, by=dana, at=NOW)
    found = ranking(call, dana)
    line = found.rows[0].lines[0]
    assert (line.requested, line.recommended, line.awarded) == (960 * HOUR, 700 * HOUR, 700 * HOUR)
    assert [(one.given, one.taken, one.left) for one in found.pools] == [
        (2000 * HOUR, 700 * HOUR, 1300 * HOUR),
        (None, 0, None),
    ]
    page = browser(dana).get(reverse("panel_call", args=[call.pk])).content.decode()
    assert "1,300" in page
    assert "Partly selected" in page


def test_where_the_reader_has_a_stake_there_is_only_a_number(call, dana, browser):
    theirs = before_panel(call, score=1, applicant=UserFactory(institution=dana.institution), title_en="A secret plan")
    other = before_panel(call, score=5)
    found = ranking(call, dana)
    assert [row.application for row in found.rows] == [other]
    assert (found.hidden, str(found.mean_score)) == (1, "5.00")
    client = browser(dana)
    for name in ("panel_call", "panel_proposal", "panel_announce", "panel_call_csv"):
        answer = client.get(reverse(name, args=[call.pk]))
        page = answer.getvalue().decode()
        assert theirs.title_en not in page and theirs.number not in page
    page = client.get(reverse("panel_call", args=[call.pk])).content.decode()
    assert "1 application is hidden from you: conflict of interest." in page


def test_what_needs_no_panel_is_not_ranked_but_takes_its_hours(call, dana):
    rule = TierFactory(call=call, route="rule", upto_gpu_seconds=HOUR)
    application = ApplicationFactory(call=call, status="offered", tier=rule)
    DecisionFactory(application=application, hours=200)
    found = ranking(call, dana)
    assert found.rows == []
    assert found.pools[0].taken == 200 * HOUR


def test_the_file_has_a_line_a_pool_and_runs_no_formula(call, dana, browser):
    before_panel(call, title_en='=HYPERLINK("http://evil")')
    answer = browser(dana).get(reverse("panel_call_csv", args=[call.pk]))
    head, row = csv.reader(answer.getvalue().decode("utf-8-sig").splitlines())
    cells = dict(zip(head, row, strict=True))
    assert cells["Title"] == '\'=HYPERLINK("http://evil")'
    assert (cells["Rank"], cells["Score"], cells["Requested GPU-hours"]) == ("1", "4.00", "960.00")


def test_a_proposal_funds_by_score_within_recommendation_minimum_and_pool(call, dana):
    CallPool.objects.filter(call=call, pool=h100()).update(gpu_seconds=1500 * HOUR)
    whole = before_panel(call, hours=500, score=5)
    less = assessed(before_panel(call, hours=960), 800)
    rest = before_panel(call, hours=960)
    poor = before_panel(call, score=2)
    impossible = assessed(before_panel(call, score=5), 0, verdict="infeasible")
    unscored = ApplicationFactory(call=call, status="panel")
    found = {row.application: row for row in simulation(ranking(call, dana)).rows}
    told = {
        application: row.verdict and (row.verdict.outcome, sum(row.awards.values()) // HOUR, row.verdict.reason_code)
        for application, row in found.items()
    }
    assert told == {
        whole: ("awarded", 500, "merit"),
        less: ("partly", 800, "reduced"),
        rest: ("partly", 200, "hours_gone"),
        poor: ("declined", 0, "below_threshold"),
        impossible: ("declined", 0, "not_feasible"),
        unscored: None,
    }


def test_a_proposal_is_adopted_by_row_or_as_a_whole(call, dana, browser):
    first, second, third = (before_panel(call, score=score) for score in (5, 4, 2))
    client, address = browser(dana), reverse("panel_proposal", args=[call.pk])
    seen = [row.seen for row in simulation(ranking(call, dana)).adoptable]
    client.post(address, {"adopt": str(second.pk), "seen": seen})
    assert [row.application for row in Decision.objects.all()] == [second]
    done = client.post(address, {"adopt": "all", "seen": seen}, follow=True).content.decode()
    assert "2 decisions made." in done
    outcomes = dict(Application.objects.values_list("pk", "decision__outcome"))
    assert outcomes == {first.pk: "awarded", second.pk: "awarded", third.pk: "declined"}


def test_only_what_was_read_is_adopted(call, dana, browser):
    before_panel(call)
    client, address = browser(dana), reverse("panel_proposal", args=[call.pk])
    seen = [row.seen for row in simulation(ranking(call, dana)).adoptable]
    CallPool.objects.filter(call=call, pool=h100()).update(gpu_seconds=100 * HOUR)
    page = client.post(address, {"adopt": "all", "seen": seen}, follow=True).content.decode()
    assert "The proposal has changed meanwhile." in page
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("outcome", "status", "event", "words"),
    [
        ("awarded", "offered", "application.offered", "has been selected."),
        ("partly", "offered", "application.offered", "selected in part."),
        ("conditional", "offered", "application.offered", "selected on conditions."),
        ("reserve", "reserve", "application.reserved", "is on the reserve list."),
        ("declined", "declined", "application.declined", "has not been selected."),
    ],
)
def test_each_outcome_has_its_letter(
    outcome, status, event, words, call, alice, dana, mailoutbox, django_capture_on_commit_callbacks
):
    application = decided(call, outcome, applicant=alice)
    with django_capture_on_commit_callbacks(execute=True):
        decisions_announce(applications=[application], by=dana, at=NOW)
    application.refresh_from_db()
    assert (application.status, application.decision.announced_at) == (status, NOW)
    assert Event.objects.filter(action=event, target_id=application.pk).exists()
    letter = mailoutbox[-1]
    assert letter.to == [alice.email]
    assert words in letter.body
    page = "offer" if status == "offered" else "application_detail"
    assert reverse(page, args=[application.pk]) in letter.body
    assert ("960 GPU-hours" in letter.body) == (status == "offered")


def test_an_offer_has_a_deadline_in_business_days(call, dana):
    application = decided(call)
    decisions_announce(applications=[application], by=dana, at=NOW)
    application.refresh_from_db()
    assert application.due_at == kst(2026, 3, 16, 18)


def test_the_letter_is_in_the_receivers_language(call, dana, mailoutbox, django_capture_on_commit_callbacks):
    application = decided(call, applicant=UserFactory(language="ko", name_ko="김하늘"))
    with django_capture_on_commit_callbacks(execute=True):
        decisions_announce(applications=[application], by=dana, at=NOW)
    assert "김하늘" in mailoutbox[-1].body
    assert application.title_ko in mailoutbox[-1].body


def test_the_page_shows_each_letter_and_announces_the_ticked_ones(call, dana, browser):
    first, second = decided(call), decided(call, "declined")
    client, address = browser(dana), reverse("panel_announce", args=[call.pk])
    page = client.get(address).content.decode()
    assert page.count(" checked>") == 2
    assert "철강 표면 결함 검출" in page  # the letters are in the applicants' language
    only = client.get(address, {"application": first.pk}).content.decode()
    assert only.count(" checked>") == 1
    done = client.post(address, {"application": [first.pk]}, follow=True).content.decode()
    assert "1 letter is on its way." in done
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("offered", "decided")


def test_announcing_twice_tells_once(call, dana, browser, mailoutbox, django_capture_on_commit_callbacks):
    application = decided(call)
    client, address = browser(dana), reverse("panel_announce", args=[call.pk])
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"application": [application.pk]})
        again = client.post(address, {"application": [application.pk]}, follow=True).content.decode()
    assert "Nothing was announced" in again
    assert len(mailoutbox) == 1
    with pytest.raises(LostRace):
        decisions_announce(applications=[application], by=dana, at=NOW)


def test_nobody_announces_where_they_have_a_stake(call, dana):
    application = decided(call, applicant=UserFactory(institution=dana.institution))
    with pytest.raises(Refused):
        decisions_announce(applications=[application], by=dana, at=NOW)


def test_a_promoted_one_is_announced_again(call, alice, dana, mailoutbox, django_capture_on_commit_callbacks):
    application = decided(call, "reserve", applicant=alice)
    with django_capture_on_commit_callbacks(execute=True):
        decisions_announce(applications=[application], by=dana, at=NOW)
        decision_promote(
            application=application, outcome="partly", awards={h100(): HOUR}, reason="Hours are free.", by=dana, at=NOW
        )
        decisions_announce(applications=[application], by=dana, at=NOW)
    application.refresh_from_db()
    assert (application.status, len(mailoutbox)) == ("offered", 2)
    assert "Hours are free." in mailoutbox[-1].body


def test_a_closed_call_is_decided_with_its_last_announcement(call, dana):
    late = kst(2026, 12, 21)
    last = decided(call, "declined")
    waiting = before_panel(call)
    decisions_announce(applications=[last], by=dana, at=late)
    call.refresh_from_db()
    assert call.decided_at is None
    assert calls_settle(late) == 0
    Application.objects.filter(pk=waiting.pk).update(status="withdrawn")
    assert calls_settle(late) == 1
    call.refresh_from_db()
    assert (call.decided_at, call.stage(late)) == (late, "decided")
    assert calls_settle(late) == 0


def test_an_open_call_is_not_decided_yet(call, dana):
    decisions_announce(applications=[decided(call, "declined")], by=dana, at=NOW)
    call.refresh_from_db()
    assert call.decided_at is None
