"""Writing, saving and submitting an application in the browser, step by step."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Application, Call
from tests.allocations.applying import NEED, PROJECT, Form, rows
from tests.factories import HOUR, ApplicationFactory, CallFactory, ProposedMemberFactory

# --- saving -----------------------------------------------------------------------------------------------------


def test_the_amount_is_computed_by_the_server_from_decimal_hours(application, form):
    page = form.post("need", NEED).content.decode()
    line = application.lines.get()
    assert (line.minutes_per_run, line.runs, line.requested_gpu_seconds) == (90, 1000, 6000 * HOUR)
    assert "Draft saved." in page
    assert 'value="6000"' in page


def test_the_margin_is_added_and_rounded_up_to_the_minute(application, form):
    form.post("need", NEED | {"h100-runs": "3", "h100-gpus_per_job": "1", "h100-margin": "10"})
    assert application.lines.get().requested_gpu_seconds == 297 * 60


def test_an_amount_of_ones_own_is_kept_and_shown(application, form):
    page = form.post("need", NEED | {"h100-requested": "7,000", "h100-minimum": "500"}).content.decode()
    line = application.lines.get()
    assert (line.requested_gpu_seconds, line.minimum_gpu_seconds) == (7000 * HOUR, 500 * HOUR)
    assert "reviewers see both" in page


def test_without_the_live_calculator_an_untouched_amount_follows_the_figures(application, form):
    form.post("need", NEED)
    form.post("need", NEED | {"h100-requested": "6000", "h100-runs": "10"})
    assert application.lines.get().requested_gpu_seconds == 60 * HOUR


def test_with_the_live_calculator_the_amount_is_taken_as_written(application, form):
    form.post("need", NEED)
    form.post("need", NEED | {"h100-requested": "6000", "h100-runs": "10", "calculator": "live"})
    assert application.lines.get().requested_gpu_seconds == 6000 * HOUR


def test_a_pool_left_blank_is_not_asked_for_and_two_may_be(application, form):
    form.post("need", NEED | {"a100-requested": "10"})
    assert [line.pool.code for line in application.lines.all()] == ["h100", "a100"]
    form.post("need", {"a100-requested": "10"})
    assert [line.pool.code for line in application.lines.all()] == ["a100"]


@pytest.mark.parametrize("step", ["project", "need", "technical", "people", "data", "attachments", "submit"])
def test_a_draft_may_lack_everything(step, application, form):
    response = form.post(step)
    application.refresh_from_db()
    assert response.status_code == 200
    assert "Draft saved." in response.content.decode()
    assert application.revision == 1


def test_a_new_form_comes_with_a_sensible_period(form):
    page = form.get("need")
    assert 'value="2027-01-01"' in page
    assert 'value="2027-06-30"' in page


def test_what_is_wrong_is_listed_and_the_rest_is_kept(application, form):
    page = form.post("need", NEED | {"h100-hours_per_run": "soon"}).content.decode()
    assert application.lines.get().runs == 1000
    assert 'href="#id_h100-hours_per_run"' in page
    assert 'value="soon"' in page
    assert "Saved, except for what is listed below." in page


def test_words_beyond_the_limit_are_kept_and_named(application, form):
    form.post("project", PROJECT | {"summary": "가" * 1200})
    application.refresh_from_db()
    assert len(application.summary) == 1200
    assert "1,200 characters, at most 1,000" in form.get("submit")


def test_answers_are_kept_as_what_they_are(application, form):
    form.post(
        "project", PROJECT | {"keywords": "철강, 비전 , 철강,", "ai_task": ["vision", "inference"], "domain": "steel"}
    )
    form.post("technical", {"storage_tb": "1,000", "precision": "bf16"})
    application.refresh_from_db()
    assert application.answers["keywords"] == ["철강", "비전"]
    assert application.answers["ai_task"] == ["vision", "inference"]
    assert (application.answers["domain"], application.answers["storage_tb"]) == ("steel", 1000)


def test_what_cannot_be_chosen_is_refused(application, form):
    page = form.post("project", PROJECT | {"domain": "gambling"}).content.decode()
    assert 'href="#id_domain"' in page


def test_what_no_column_takes_is_left_out_and_the_rest_is_kept(alice, browser):
    """The first save of a firm's step, with a choice there is none of and a keyword that PostgreSQL cannot keep."""
    call = CallFactory(track=Call.Track.FIRM)
    form = Form(browser(alice), ApplicationFactory(call=call, applicant=alice, status="draft"))
    assert form.post("firm", {"size": "gigantic", "representative": "x" * 61, "product": "강판"}).status_code == 200
    assert form.post("project", PROJECT | {"keywords": "철강\0, 비전"}).status_code == 200
    application = Application.objects.get()
    assert (application.firm.size, application.firm.representative, application.firm.product) == ("", "", "강판")
    assert application.answers["keywords"] == ["철강", "비전"]


def test_next_and_back_save_and_go(form, application):
    response = form.post("project", PROJECT, "next", follow=False)
    assert response.url == form.address("need")
    assert form.post("need", NEED, "back", follow=False).url == form.address("project")
    application.refresh_from_db()
    assert (application.title_en, application.revision) == ("Battery ageing", 2)


def test_a_step_that_the_call_does_not_show_is_not_there(form):
    assert form.client.get(form.address("firm")).status_code == 404
    assert form.client.get(form.address("nonsense")).status_code == 404


def test_the_form_opens_where_something_is_missing(form):
    address = reverse("application_edit", args=[form.application.pk])
    assert form.client.get(address).url == form.address("project")


def test_the_form_opens_at_its_end_where_nothing_is(ready):
    address = reverse("application_edit", args=[ready.application.pk])
    assert ready.client.get(address).url == ready.address("submit")


def test_nobody_else_reaches_the_form(application, bob, oh, browser):
    for person in (bob, oh):
        assert browser(person).get(reverse("application_edit", args=[application.pk, "project"])).status_code == 404


# --- rows -------------------------------------------------------------------------------------------------------


def member(email, name="", username="", **more):
    return {"email": email, "name": name, "cluster_username": username} | more


def test_members_are_added_changed_and_removed_row_by_row(application, form):
    form.post("people", rows("members", member("Bob@postech.ac.kr", "박보라", "bob"), member("eve@postech.ac.kr")))
    assert [row.email for row in application.proposed_members.all()] == ["bob@postech.ac.kr", "eve@postech.ac.kr"]
    changed = [member("bob@postech.ac.kr", "보라", "bora"), member("eve@postech.ac.kr", DELETE="on")]
    form.post("people", rows("members", *changed, initial=2))
    left = application.proposed_members.get()
    assert (left.email, left.name, left.cluster_username) == ("bob@postech.ac.kr", "보라", "bora")


def test_a_row_without_an_address_and_one_listed_twice_are_named(application, form):
    listed = [member("bob@postech.ac.kr"), member("BOB@postech.ac.kr"), member("", "밥")]
    page = form.post("people", rows("members", *listed)).content.decode()
    assert "listed twice" in page
    assert "Write the member&#x27;s e-mail address." in page
    assert application.proposed_members.count() == 1


def test_a_bad_cluster_user_name_is_refused_in_its_row(form):
    page = form.post("people", rows("members", member("bob@postech.ac.kr", "", "Bob!"))).content.decode()
    assert 'href="#id_members-0-cluster_username"' in page


def test_rows_saved_by_themselves_are_still_there_after_the_next_save(application, form):
    """The page still sends them as new ones, although they are stored by now."""
    written = rows("members", member("bob@postech.ac.kr"), member("eve@postech.ac.kr"))
    form.post("people", written, "autosave", HTTP_X_REQUESTED_WITH="autosave")
    form.post("people", written)
    assert application.proposed_members.count() == 2


def test_delegate_and_related_grants_are_kept(application, form):
    grant = {"number": "RS-2026-0001", "agency": "NRF", "title": "철강 AI", "ends_on": "2027-02-28"}
    written = rows("grants", grant) | {"delegate_name": "박보라", "delegate_email": "bob@postech.ac.kr"}
    form.post("people", written)
    application.refresh_from_db()
    assert application.delegate_email == "bob@postech.ac.kr"
    assert application.related_grants.get().number == "RS-2026-0001"


# --- two windows, and saving by itself --------------------------------------------------------------------------


def test_a_second_window_cannot_overwrite_the_first_and_no_text_is_lost(application, form):
    form.post("project", PROJECT | {"title_en": "Written in the first window"})
    response = form.post("project", PROJECT | {"title_en": "Written in the second window", "revision": "0"})
    page = response.content.decode()
    application.refresh_from_db()
    assert response.status_code == 409
    assert application.title_en == "Written in the first window"
    assert "Nothing was saved" in page
    assert 'value="Written in the second window"' in page
    assert "<dd>Written in the first window</dd>" in page
    assert f'name="revision" value="{application.revision}"' in page


def test_rows_stored_otherwise_are_shown_beside_those_written(application, form):
    form.post("people")
    ProposedMemberFactory(application=application, email="eve@postech.ac.kr")
    page = form.post("people", {"revision": "0"}).content.decode()
    assert "eve@postech.ac.kr" in page


def test_a_window_left_open_over_the_submission_changes_nothing_and_shows_its_text(ready):
    form, application = ready, ready.application
    form.post("submit", action="submit")
    response = form.post("project", PROJECT | {"title_en": "Too late"})
    application.refresh_from_db()
    assert response.status_code == 409
    assert application.title_en != "Too late"
    assert "has been submitted or withdrawn" in response.content.decode()
    assert 'value="Too late"' in response.content.decode()


@pytest.mark.parametrize("revision", [None, "", "x", "-1", "9" * 30])
def test_a_broken_revision_is_a_stale_one(revision, form):
    assert form.post("project", PROJECT | {"revision": revision}).status_code == 409


def test_the_form_saves_itself_and_tells_how_complete_it_is(application, form):
    response = form.post("project", PROJECT, "autosave", HTTP_X_REQUESTED_WITH="autosave")
    application.refresh_from_db()
    told = response.json()
    assert (response.status_code, told["revision"], application.title_en) == (200, 1, "Battery ageing")
    assert told["meter"] > 0
    assert told["problems"] > 0


def test_saving_itself_in_a_stale_window_changes_nothing(application, form):
    response = form.post("project", PROJECT | {"revision": 7}, "autosave", HTTP_X_REQUESTED_WITH="autosave")
    application.refresh_from_db()
    assert (response.status_code, application.title_en) == (409, "")
