"""Corrections: what was handed in each time, side by side."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse

from allocations.models import ConsentText, CorrectionRequest
from allocations.services import Refused
from allocations.services.applications import Draft, DraftLine, DraftMember, application_save, application_submit
from allocations.services.consents import consent_give
from allocations.services.versions import snapshot_of, version_differences
from allocations.workflow import Action, LostRace, advance
from tests.allocations.applying import Form, completed
from tests.factories import HOUR, NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture
def returned(draft, alice, oh):
    """Handed in, and back with a request of the office."""
    application = application_submit(application=completed(draft), by=alice, at=NOW)
    advance(application, Action.RETURN, at=NOW)
    CorrectionRequest.objects.create(
        application=application, text="과제명을 고쳐 주십시오.", by=oh, at=NOW, due_at=LATER
    )
    return application


def correct(application, alice, draft):
    application.refresh_from_db()
    application_save(application=application, draft=draft, revision=application.revision, by=alice, at=LATER)
    return application_submit(application=application, by=alice, at=LATER)


def test_a_correction_keeps_number_and_first_submission_and_answers_the_request(
    returned, alice, django_capture_on_commit_callbacks
):
    number = returned.number
    with django_capture_on_commit_callbacks(execute=True):
        correct(returned, alice, Draft(columns={"title_en": "Better"}))
    returned.refresh_from_db()
    assert (returned.status, returned.number, returned.submitted_at) == ("submitted", number, NOW)
    assert returned.versions.count() == 2
    assert returned.corrections.get().answered_at == LATER
    assert "Correction of" in mail.outbox[-1].subject


def test_what_was_changed_is_shown_before_it_is_submitted(returned, alice, browser):
    form = Form(browser(alice), returned)
    assert "Nothing yet." in form.get("submit")
    # Opening and saving a step writes "" where there was nothing: that is no change.
    written = Draft(columns={"title_en": "Better"}, answers={"milestones": "", "open_release": ""})
    application_save(application=returned, draft=written, revision=returned.revision, by=alice, at=LATER)
    page = form.get("submit")
    assert "Better" in page
    assert page.count('data-label="As corrected"') == 1


def test_a_changed_answer_to_a_text_is_kept_once(draft, alice):
    words = {"code": "news", "version": 1, "stage": ConsentText.Stage.APPLICATION, "required": False}
    text = ConsentText.objects.create(**words, title_ko="소식", title_en="News", created_at=NOW)
    for given in (False, True):
        consent_give(user=alice, texts_given={text: given}, application=draft, at=NOW)
    assert [(row["code"], row["given"]) for row in snapshot_of(draft)["consents"]] == [("news", True)]


def test_a_correction_is_taken_after_the_call_has_closed(returned, alice):
    returned.call.closes_at = NOW
    returned.call.save()
    assert correct(returned, alice, Draft()).status == "submitted"


def test_differences_are_named_field_by_field_and_nothing_else(returned, alice):
    h100 = returned.lines.get().pool
    changes = Draft(
        columns={"title_en": "Better"},
        answers={"keywords": ["강판"]},
        lines=[DraftLine(h100, 2, 60, 10, 0, 20 * HOUR, 10 * HOUR)],
        members=[DraftMember("bob@postech.ac.kr", "박보라", "bob")],
    )
    correct(returned, alice, changes)
    rows = {label: (before, after) for label, before, after in version_differences(*returned.versions.all())}
    assert set(rows) == {"Project title in English", "Keywords", "Requested GPU time", "Members"}
    assert rows["Project title in English"] == ("Finding defects on steel", "Better")
    assert rows["Requested GPU time"][1] == ("H100 80GB: 20 GPU-hours (2 GPUs × 1 h × 10 runs), at least 10 GPU-hours")
    assert rows["Members"] == ("", "박보라 · bob@postech.ac.kr · bob")


def test_the_same_handed_in_again_differs_in_nothing(returned, alice):
    correct(returned, alice, Draft())
    assert version_differences(*returned.versions.all()) == []


def test_applicant_and_office_read_the_versions_side_by_side(returned, alice, oh, charlie, browser):
    correct(returned, alice, Draft(columns={"title_en": "Better"}))
    address = reverse("application_versions", args=[returned.pk])
    for person in (alice, oh):
        page = browser(person).get(address).content.decode()
        assert "과제명을 고쳐 주십시오." in page
        assert "Better" in page
        assert "Finding defects on steel" in page
    assert browser(charlie).get(address).status_code == 404


def test_the_form_of_a_returned_application_shows_what_is_to_be_corrected(returned, alice, browser):
    form = Form(browser(alice), returned)
    assert "과제명을 고쳐 주십시오." in form.get("project")
    assert "Submit the correction" in form.get("submit")


def test_what_is_with_the_office_is_not_written_in(draft, alice):
    application = application_submit(application=completed(draft), by=alice, at=NOW)
    with pytest.raises(LostRace):
        application_save(application=application, draft=Draft(), revision=application.revision, by=alice, at=NOW)
    with pytest.raises(LostRace):
        application_submit(application=application, by=alice, at=NOW)


def test_only_the_applicant_submits(draft, bob):
    with pytest.raises(Refused):
        application_submit(application=completed(draft), by=bob, at=NOW)
