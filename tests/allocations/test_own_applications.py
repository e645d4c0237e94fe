"""What an applicant does besides writing: reading, printing, taking over, renewing; and that pages stay quick."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.fields import Section, sections_of
from allocations.models import Call, FirmDetails, RelatedGrant
from allocations.services import Refused
from allocations.services.applications import Draft, application_save, application_start, application_submit
from allocations.services.prechecks import warnings
from allocations.workflow import ApplicationStatus
from portal.people.models import Institution
from tests.allocations.applying import Form, completed
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    PoolFactory,
    ProposedMemberFactory,
    RequestLineFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db


# --- taking over ------------------------------------------------------------------------------------------------


@pytest.fixture
def earlier(submitted):
    ProposedMemberFactory(application=submitted, email="bob@postech.ac.kr")
    RelatedGrant.objects.create(application=submitted, number="RS-1")
    submitted.answers = {"keywords": ["철강"]}
    submitted.save()
    return submitted


def test_an_earlier_application_is_taken_over_without_period_files_and_consents(earlier, alice, attach):
    attach(earlier)
    call = CallFactory(pools=[PoolFactory(code="h100")])
    draft = application_start(call=call, by=alice, at=NOW, clone_of=earlier)
    assert (draft.title_ko, draft.answers["keywords"], draft.number) == (earlier.title_ko, ["철강"], None)
    assert draft.proposed_members.get().email == "bob@postech.ac.kr"
    assert draft.related_grants.get().number == "RS-1"
    assert draft.lines.get().requested_gpu_seconds == 960 * HOUR
    assert (draft.starts_on, draft.attachments.count(), draft.consents.count()) == (None, 0, 0)


def test_a_pool_that_the_new_call_does_not_offer_is_left_out(earlier, alice):
    call = CallFactory(pools=[PoolFactory(code="a100")])
    assert not application_start(call=call, by=alice, at=NOW, clone_of=earlier).lines.exists()


def test_what_the_new_call_does_not_ask_for_is_not_taken_over(earlier, alice):
    """The applicant would hand it in without ever seeing it."""
    FirmDetails.objects.create(application=earlier, business_number="1248100998")
    earlier.delegate_email = "Bob@postech.ac.kr"
    earlier.save()
    hidden = {"keywords": "hidden", "delegate": "hidden", "members": "hidden", "related_grants": "hidden"}
    call = CallFactory(track=Call.Track.EDUCATION, field_levels=hidden)
    draft = application_start(call=call, by=alice, at=NOW, clone_of=earlier)
    assert (draft.title_ko, draft.answers, draft.delegate_email) == (earlier.title_ko, {}, "")
    assert not draft.proposed_members.exists()
    assert not draft.related_grants.exists()
    assert not FirmDetails.objects.filter(application=draft).exists()


def test_a_double_click_takes_over_once(earlier, alice):
    call = CallFactory()
    first, second = (application_start(call=call, by=alice, at=NOW, clone_of=earlier) for _again in range(2))
    assert first == second
    assert second.proposed_members.count() == 1


def test_the_button_asks_for_the_call_and_starts(earlier, alice, bob, browser):
    call = CallFactory(title_en="The next call")
    address = reverse("application_clone", args=[earlier.pk])
    assert "The next call" in browser(alice).get(address).content.decode()
    browser(alice).post(address, {"call": call.pk})
    assert call.applications.get().title_ko == earlier.title_ko
    assert browser(bob).get(address).status_code == 404


@pytest.mark.parametrize("chosen", ["", "x", "999999"])
def test_a_call_that_is_not_open_cannot_be_chosen(chosen, earlier, alice, browser):
    address = reverse("application_clone", args=[earlier.pk])
    assert browser(alice).post(address, {"call": chosen}).status_code == 404


def test_nobody_takes_over_from_others(earlier, bob):
    with pytest.raises(Refused):
        application_start(call=CallFactory(), by=bob, at=NOW, clone_of=earlier)


def test_a_renewal_takes_over_the_projects_last_application(project, alice):
    latest = GrantFactory(project=project, starts_at=kst(2026, 6, 1), ends_at=kst(2026, 12, 1))
    latest.application.title_en = "The last one"
    latest.application.save()
    draft = application_start(call=CallFactory(), by=alice, at=NOW, renews=project)
    assert (draft.renews, draft.institution, draft.title_en) == (project, project.institution, "The last one")


def test_only_who_manages_a_project_renews_it(project, bob):
    with pytest.raises(Refused):
        application_start(call=CallFactory(), by=bob, at=NOW, renews=project)


def test_a_renewal_and_a_new_application_are_two_drafts(project, alice):
    call = CallFactory()
    renewal = application_start(call=call, by=alice, at=NOW, renews=project)
    assert application_start(call=call, by=alice, at=NOW) != renewal


# --- firms ------------------------------------------------------------------------------------------------------


@pytest.fixture
def firms_draft():
    lee = UserFactory(institution__kind=Institution.Kind.FIRM, institution__business_number="1248100998")
    return ApplicationFactory(call=CallFactory(track=Call.Track.FIRM), applicant=lee, status="draft")


FIRM = {
    "business_number": "124-81-00998",
    "representative": "이영일",
    "size": "small",
    "address": "포항시 남구",
    "in_pohang": "yes",
    "employees": "1,200",
    "sme_certificate_until": "2026-03-31",
}


def test_a_firm_says_who_it_is(firms_draft, browser):
    form = Form(browser(firms_draft.applicant), firms_draft)
    assert 'value="124-81-00998"' in form.get("firm")
    form.post("firm", FIRM)
    firm = FirmDetails.objects.get()
    assert (firm.business_number, firm.in_pohang, firm.employees) == ("1248100998", True, 1200)


def test_a_wrong_business_number_is_named_and_the_rest_is_kept(firms_draft, browser):
    form = Form(browser(firms_draft.applicant), firms_draft)
    page = form.post("firm", FIRM | {"business_number": "123-45-67890"}).content.decode()
    assert 'href="#id_business_number"' in page
    assert FirmDetails.objects.get().representative == "이영일"


def test_a_certificate_that_expires_before_the_period_is_pointed_out(firms_draft, browser):
    form = Form(browser(firms_draft.applicant), firms_draft)
    form.post("firm", FIRM)
    firms_draft = form.application
    firms_draft.refresh_from_db()
    assert [row.field for row in warnings(firms_draft)] == ["sme_certificate_until"]
    assert "before the period begins" in form.get("submit")


def test_a_firms_application_needs_its_firm(firms_draft, browser):
    form = Form(browser(firms_draft.applicant), firms_draft)
    page = form.post("submit", action="submit").content.decode()
    for name in ("representative", "size_0", "address", "in_pohang_0"):
        assert f'href="{form.address("firm")}#id_{name}"' in page


# --- reading ----------------------------------------------------------------------------------------------------


def test_the_whole_proposal_is_read_and_printed_by_applicant_and_office_only(
    submitted, alice, oh, charlie, rhee, browser
):
    submitted = completed(submitted)
    for name in ("application_detail", "application_print"):
        address = reverse(name, args=[submitted.pk])
        for person in (alice, oh):
            page = browser(person).get(address).content.decode()
            assert "비전 트랜스포머를 미세 조정합니다." in page
            assert "철강, 비전" in page
        for person in (charlie, rhee):
            assert browser(person).get(address).status_code == 404


def test_a_short_form_is_short(alice, browser):
    call = CallFactory(track=Call.Track.STARTER)
    draft = application_start(call=call, by=alice, at=NOW)
    assert sections_of(draft) == [Section.PROJECT, Section.NEED, Section.PEOPLE, Section.ATTACHMENTS, Section.SUBMIT]
    assert 'value="2026-03-02"' in Form(browser(alice), draft).get("need")


def test_a_starter_is_submitted_with_two_pages_written(alice, browser):
    draft = application_start(call=CallFactory(track=Call.Track.STARTER), by=alice, at=NOW)
    form = Form(browser(alice), draft)
    form.post("project", {"title_ko": "체험", "summary": "요약", "purpose": "목적"})
    figures = {"h100-gpus_per_job": "1", "h100-hours_per_run": "2", "h100-runs": "5"}
    form.post("need", figures | {"starts_on": "2026-03-02", "ends_on": "2026-04-30"})
    assert "Submitted." in form.post("submit", action="submit").content.decode()


# --- how many queries -------------------------------------------------------------------------------------------


def test_the_list_takes_as_many_queries_for_many_as_for_one(call, alice, browser, django_assert_max_num_queries):
    for status in ApplicationStatus:
        ApplicationFactory(call=call, applicant=alice, status=status)
    client = browser(alice)
    client.get(reverse("application_list"))
    with django_assert_max_num_queries(10):
        client.get(reverse("application_list"))


@pytest.mark.parametrize("step", Section.values)
def test_no_step_asks_the_database_much(step, firms_draft, browser, django_assert_max_num_queries):
    for number in range(10):
        ProposedMemberFactory(application=firms_draft)
        RelatedGrant.objects.create(application=firms_draft, number=f"RS-{number}")
    RequestLineFactory(application=firms_draft, pool=PoolFactory(code="a100"))
    form = Form(browser(firms_draft.applicant), firms_draft)
    with django_assert_max_num_queries(40):
        assert form.get(step)


def test_the_detail_page_does_not_ask_more_for_more_rows(submitted, oh, browser, django_assert_max_num_queries):
    for number in range(10):
        ProposedMemberFactory(application=submitted)
        RelatedGrant.objects.create(application=submitted, number=f"RS-{number}")
    client = browser(oh)
    with django_assert_max_num_queries(30):
        client.get(reverse("application_detail", args=[submitted.pk]))


def test_a_stale_draft_service_call_changes_nothing(draft, alice):
    application_save(application=draft, draft=Draft(columns={"title_en": "One"}), revision=0, by=alice, at=NOW)
    draft.refresh_from_db()
    assert (draft.title_en, draft.revision) == ("One", 1)


def test_submitting_an_incomplete_one_changes_nothing(draft, alice):
    with pytest.raises(Refused):
        application_submit(application=draft, by=alice, at=NOW)
    draft.refresh_from_db()
    assert (draft.status, draft.number) == ("draft", None)
