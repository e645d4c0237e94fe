"""Submitting an application: every problem at once, and what stands beside the amounts before."""

from __future__ import annotations

from django.urls import reverse

from allocations.models import Application
from allocations.services.completeness import completeness
from allocations.services.eligibility import application_return
from portal.events.models import Event
from portal.post.models import Mail
from tests.allocations.applying import NEED, PROJECT
from tests.factories import HOUR, NOW, PoolFactory, UserFactory


def test_the_last_step_lists_every_problem_at_once_linked_to_its_step_and_field(application, form):
    form.post("project", PROJECT | {"title_en": ""})
    form.post("need", NEED | {"h100-gpus_per_job": "9", "h100-runs": "", "ends_on": "2026-03-31"})
    page = form.post("submit", action="submit").content.decode()
    wanted = {
        "project": ["title_en", "keywords", "research_field"],
        "need": ["h100-gpus_per_job", "h100-runs", "h100-requested", "ends_on"],
        "technical": ["framework"],
        "people": ["delegate_name", "delegate_email"],
        "data": ["personal_data_0"],
    }
    for step, fields in wanted.items():
        for field in fields:
            assert f'href="{form.address(step)}#id_{field}"' in page
    application.refresh_from_db()
    assert (application.status, application.title_ko) == ("draft", PROJECT["title_ko"])


def test_every_problem_points_at_a_control_that_is_there(form):
    """Followed through all steps: the id each link names stands on the page it leads to."""
    page = form.post("submit", action="submit").content.decode()
    links = [part.split('"')[0] for part in page.split('href="')[1:] if "#id_" in part.split('"')[0]]
    assert len(links) > 8
    for link in links:
        address, _, target = link.partition("#")
        assert f'id="{target}"' in form.client.get(address).content.decode(), link


def test_submission_gives_a_number_and_tells_who_has_it_now(ready):
    page = ready.post("submit", action="submit").content.decode()
    application = Application.objects.get()
    assert (application.status, application.number, application.submitted_at) == ("submitted", "2026-0001", NOW)
    assert "2026-0001" in page
    assert "Office of the center" in page
    assert application.due_at is not None
    assert application.tier == application.call.tiers.get()
    assert application.versions.count() == 1
    assert Event.objects.filter(action="application.submitted").count() == 1


def test_the_office_hears_of_it_with_the_mails_of_the_day(ready, oh, alice):
    UserFactory(roles=["operator"], institution=alice.institution)
    ready.post("submit", action="submit")
    letter = Mail.objects.get(kind="office")
    application = Application.objects.get()
    assert (letter.receiver, letter.daily, letter.subject) == (
        oh,
        True,
        f"신청 {application.number} 접수: {application.call.title_ko}",
    )
    assert letter.link.endswith(f"/office/applications/{application.pk}/")
    assert "적격성 검토 기한" in letter.body


def test_the_office_hears_of_a_correction(ready, oh):
    ready.post("submit", action="submit")
    application = Application.objects.get()
    application_return(application=application, text="Name the data.", by=oh, at=NOW)
    oh.language = "en"
    oh.save()
    ready.post("submit", action="submit")
    letter = Mail.objects.filter(kind="office").first()
    assert letter.subject == "Correction of 2026-0001 has come in"
    assert Mail.objects.filter(kind="office").count() == 2


def test_submitting_twice_is_one_submission(ready):
    ready.post("submit", action="submit")
    page = ready.post("submit", action="submit").content.decode()
    assert "has been submitted or withdrawn" in page
    assert Event.objects.filter(action="application.submitted").count() == 1
    assert Application.objects.get().versions.count() == 1


def test_after_the_deadline_a_draft_stays_but_cannot_be_submitted(ready):
    call = ready.application.call
    call.closes_at = NOW
    call.save()
    page = ready.post("submit", action="submit").content.decode()
    assert Application.objects.get().status == "draft"
    assert "takes no applications now" in page


def test_the_meter_reaches_a_hundred_exactly_where_nothing_is_missing(application, ready):
    today = NOW.date()
    assert completeness(ready.application, today).percent == 100
    state = completeness(Application.objects.get(pk=application.pk), today)
    assert state.problems
    assert state.percent < 50


def test_a_pool_that_the_call_no_longer_offers_is_named(ready):
    line = ready.application.lines.get()
    line.pool = PoolFactory(code="v100")
    line.save()
    assert "This call offers no V100 80GB." in ready.post("submit", action="submit").content.decode()


def test_a_minimum_beyond_the_request_is_named(ready):
    ready.application.lines.update(minimum_gpu_seconds=10**9)
    assert "the minimum useful amount is more" in ready.post("submit", action="submit").content.decode()


def test_the_cap_of_a_person_counts_all_their_applications_in_the_call(ready, submitted):
    call = ready.application.call
    call.most_gpu_seconds_per_person = 1500 * HOUR
    call.save()
    page = ready.post("submit", action="submit").content.decode()
    assert "One applicant may ask for at most 1,500 GPU-hours" in page


def test_the_longest_period_of_the_size_is_kept(ready):
    ready.application.call.tiers.update(most_days=90)
    assert "The period may have at most 90 days." in ready.post("submit", action="submit").content.decode()


def test_personal_data_needs_a_word_on_its_protection(ready):
    ready.application.answers["personal_data"] = "yes"
    ready.application.save()
    assert "Say how the personal data is protected." in ready.post("submit", action="submit").content.decode()


def test_no_more_than_three_reviewers_are_named(ready):
    ready.application.answers["excluded_reviewers"] = "가\n나\n다\n라"
    ready.application.save()
    assert "Name at most 3 people" in ready.post("submit", action="submit").content.decode()


def test_html_in_a_text_is_text(ready):
    ready.post("project", PROJECT | {"summary": "<script>alert(1)</script>"})
    page = ready.client.get(reverse("application_detail", args=[ready.application.pk])).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# --- blind calls ------------------------------------------------------------------------------------------------


def test_a_blind_call_warns_of_names_in_texts(ready):
    ready.application.call.blind = True
    ready.application.call.save()
    ready.application.purpose = "POSTECH의 김하늘이 합니다."
    ready.application.save()
    page = ready.get("submit")
    assert "Reviewers read this without names, but it says “김하늘”." in page
    assert f'href="{ready.address("project")}#id_purpose"' in page
    assert ready.post("submit", action="submit", follow=False).status_code == 302


# --- beside the amounts -----------------------------------------------------------------------------------------


def test_beside_the_amounts_stands_what_is_free_and_which_way_it_goes(form):
    page = form.client.get(
        reverse("application_fit", args=[form.application.pk]),
        {"starts_on": "2026-04-01", "ends_on": "2026-04-10", "h100-requested": "2,000"},
    ).content.decode()
    assert "about 960 of 960 GPU-hours are free" in page
    assert "more than that" in page
    assert "decision by the panel" in page


def test_an_amount_that_only_follows_from_the_figures_counts_beside_them_too(form):
    figures = {"h100-gpus_per_job": "2", "h100-hours_per_run": "5", "h100-runs": "10"}
    period = {"starts_on": "2026-04-01", "ends_on": "2026-04-10"}
    page = form.client.get(reverse("application_fit", args=[form.application.pk]), figures | period).content.decode()
    assert "You ask for 100: it fits." in page


def test_what_is_nonsense_beside_the_amounts_says_nothing(form):
    address = reverse("application_fit", args=[form.application.pk])
    for written in [{}, {"starts_on": "x"}, {"starts_on": "2026-04-10", "ends_on": "2026-04-01", "h100-runs": "-1"}]:
        assert form.client.get(address, written).status_code == 200
