"""Writing, saving and submitting an application in the browser."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Application
from allocations.services.applications import application_start
from portal.events.models import Event
from tests.factories import HOUR, NOW, CallFactory, ProposedMemberFactory

WRITTEN = {
    "title_ko": "배터리 열화 예측",
    "title_en": "Battery ageing",
    "summary": "요약입니다.",
    "purpose": "목적입니다.",
    "gpus_per_job": "4",
    "hours_per_run": "1.5",
    "runs": "1,000",
    "requested_hours": "",
    "starts_on": "2026-04-01",
    "ends_on": "2026-09-30",
}


def rows(*members, initial=0):
    data = {"members-TOTAL_FORMS": str(len(members)), "members-INITIAL_FORMS": str(initial)}
    for number, (email, name, username, *removed) in enumerate(members):
        data |= {
            f"members-{number}-email": email,
            f"members-{number}-name": name,
            f"members-{number}-cluster_username": username,
        }
        if removed:
            data[f"members-{number}-DELETE"] = "on"
    return data


@pytest.fixture
def application(call, alice):
    return application_start(call=call, by=alice, at=NOW)


@pytest.fixture
def post(application, alice, browser):
    client = browser(alice)

    def posted(action="save", follow=True, members=(), initial=0, **changes):
        application.refresh_from_db()
        pool = application.call.pools.get(code="h100").pk
        data = WRITTEN | {"pool": str(pool), "revision": str(application.revision), "action": action}
        data |= rows(*members, ("", "", ""), initial=initial) | changes
        data = {name: value for name, value in data.items() if value is not None}
        return client.post(reverse("application_edit", args=[application.pk]), data, follow=follow)

    return posted


def test_the_amount_is_computed_by_the_server_from_decimal_hours(application, post):
    response = post()
    line = application.lines.get()
    assert (line.minutes_per_run, line.runs, line.requested_gpu_seconds) == (90, 1000, 6000 * HOUR)
    assert "Draft saved." in response.content.decode()
    assert 'value="6000"' in response.content.decode()


def test_an_amount_of_ones_own_is_kept_and_shown(application, post):
    response = post(requested_hours="7,000")
    assert application.lines.get().requested_gpu_seconds == 7000 * HOUR
    assert "reviewers see both" in response.content.decode()


def test_without_the_live_calculator_an_untouched_amount_follows_the_figures(application, post):
    post()
    post(requested_hours="6000", runs="10")
    assert application.lines.get().requested_gpu_seconds == 60 * HOUR


def test_with_the_live_calculator_the_amount_is_taken_as_written(application, post):
    post()
    post(requested_hours="6000", runs="10", calculator="live")
    assert application.lines.get().requested_gpu_seconds == 6000 * HOUR


def test_a_draft_may_lack_everything(application, post):
    empty = dict.fromkeys(WRITTEN, "")
    response = post(**empty, pool=None)
    application.refresh_from_db()
    assert response.status_code == 200
    assert "Draft saved." in response.content.decode()
    assert (application.title_ko, application.starts_on, application.lines.count()) == ("", None, 0)


def test_a_new_form_comes_with_a_sensible_period_and_pool(application, alice, browser):
    page = browser(alice).get(reverse("application_edit", args=[application.pk])).content.decode()
    assert 'value="2027-01-01"' in page
    assert 'value="2027-06-30"' in page
    assert "checked" in page


def test_what_is_wrong_is_listed_and_the_rest_is_kept(application, post):
    response = post(hours_per_run="soon", title_en="Kept")
    application.refresh_from_db()
    page = response.content.decode()
    assert application.title_en == "Kept"
    assert 'href="#id_hours_per_run"' in page
    assert 'value="soon"' in page
    assert "Saved, except for what is listed below." in page


def test_submitting_lists_every_problem_at_once_linked_to_its_field(application, post):
    response = post("submit", title_en="", runs="", ends_on="2026-03-31", gpus_per_job="9")
    page = response.content.decode()
    for field in ["title_en", "runs", "requested_hours", "ends_on", "gpus_per_job"]:
        assert f'href="#id_{field}"' in page
    application.refresh_from_db()
    assert (application.status, application.title_ko) == ("draft", WRITTEN["title_ko"])


def test_wrong_and_missing_things_are_listed_together(post):
    page = post("submit", title_en="", hours_per_run="soon").content.decode()
    assert 'href="#id_title_en"' in page
    assert 'href="#id_hours_per_run"' in page


def test_submission_gives_a_number_and_tells_who_has_it_now(application, post):
    response = post("submit")
    application.refresh_from_db()
    assert (application.status, application.number, application.submitted_at) == ("submitted", "2026-0001", NOW)
    page = response.content.decode()
    assert "2026-0001" in page
    assert "Reviewers (0 of 1 reviews)" in page
    assert Event.objects.filter(action="application.submitted").count() == 1


def test_after_the_deadline_a_draft_stays_but_cannot_be_submitted(application, post):
    Application.objects.get().call.__class__.objects.update(closes_at=NOW)
    response = post("submit")
    application.refresh_from_db()
    assert application.status == "draft"
    assert application.title_en == WRITTEN["title_en"]
    assert "takes no applications now" in response.content.decode()


def test_members_are_added_changed_and_removed_row_by_row(application, post):
    post(members=[("Bob@postech.ac.kr", "박보라", "bob"), ("eve@postech.ac.kr", "", "")])
    assert [row.email for row in application.proposed_members.all()] == ["bob@postech.ac.kr", "eve@postech.ac.kr"]
    post(members=[("bob@postech.ac.kr", "보라", "bora"), ("eve@postech.ac.kr", "", "", True)], initial=2)
    member = application.proposed_members.get()
    assert (member.email, member.name, member.cluster_username) == ("bob@postech.ac.kr", "보라", "bora")


def test_a_row_without_an_address_and_one_listed_twice_are_named(application, post):
    page = post(members=[("bob@postech.ac.kr", "", ""), ("BOB@postech.ac.kr", "", ""), ("", "밥", "")]).content.decode()
    assert "listed twice" in page
    assert "Write the member&#x27;s e-mail address." in page
    assert application.proposed_members.count() == 1


def test_a_bad_cluster_user_name_is_refused_in_its_row(post):
    page = post(members=[("bob@postech.ac.kr", "", "Bob!")]).content.decode()
    assert 'href="#id_members-0-cluster_username"' in page


def test_a_second_window_cannot_overwrite_the_first_and_no_text_is_lost(application, post):
    post(title_en="Written in the first window")
    ProposedMemberFactory(application=application, email="eve@postech.ac.kr")
    response = post(title_en="Written in the second window", revision="0")
    page = response.content.decode()
    application.refresh_from_db()
    assert response.status_code == 409
    assert application.title_en == "Written in the first window"
    assert "Nothing was saved" in page
    assert 'value="Written in the second window"' in page
    assert "<dd>Written in the first window</dd>" in page
    assert "eve@postech.ac.kr" in page
    assert f'name="revision" value="{application.revision}"' in page

    post(title_en="Written in the second window")
    application.refresh_from_db()
    assert application.title_en == "Written in the second window"


def test_a_window_left_open_over_the_submission_changes_nothing_and_shows_its_text(application, post):
    post("submit")
    response = post(title_en="Too late", revision="1")
    application.refresh_from_db()
    assert response.status_code == 409
    assert application.title_en == WRITTEN["title_en"]
    assert "no draft any more" in response.content.decode()
    assert 'value="Too late"' in response.content.decode()


@pytest.mark.parametrize("revision", [None, "", "x", "-1", "9" * 30])
def test_a_broken_revision_is_a_stale_one(revision, post):
    assert post(revision=revision).status_code == 409


def test_a_pool_that_the_call_does_not_offer_cannot_be_chosen(application, post):
    other = CallFactory().pools.model.objects.create(code="v100", gpus=1, qos="v100", partitions=["v100"])
    page = post(pool=str(other.pk)).content.decode()
    assert 'href="#id_pool_0"' in page


def test_html_in_a_text_is_text(application, post, browser, alice):
    post("submit", summary="<script>alert(1)</script>")
    page = browser(alice).get(reverse("application_detail", args=[application.pk])).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
