"""The office checks what was handed in: eligible, returned for correction, or not eligible; and sees who has what."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core import mail

from allocations.models import (
    Application,
    Call,
    ConsentText,
    CorrectionRequest,
    FirmDetails,
    TechnicalReview,
    Tier,
)
from allocations.selectors.checklist import checklist
from allocations.services import Refused
from allocations.services.eligibility import (
    application_apply_rule,
    application_find_eligible,
    application_find_ineligible,
    application_return,
)
from allocations.workflow import ApplicationStatus, LostRace
from portal.events.models import Event
from portal.events.services import record
from portal.people.models import RoleAssignment, User
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    ProposedMemberFactory,
    ReviewFactory,
    TierFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
S = ApplicationStatus


@pytest.fixture
def waiting(call: Call, alice: User) -> Application:
    """Alice's, handed in and before the eligibility check."""
    return ApplicationFactory(
        call=call, applicant=alice, number="2026-0001", status=S.SUBMITTED, due_at=kst(2026, 3, 5, 18)
    )


def test_an_eligible_application_goes_on_to_technical_review(waiting, oh, django_capture_on_commit_callbacks):
    tess = UserFactory(roles=["technical"], language="en")
    with django_capture_on_commit_callbacks(execute=True):
        application_find_eligible(application=waiting, note="looks fine", by=oh, at=NOW)
    assert (waiting.status, waiting.status_since, waiting.due_at) == (S.TECHNICAL, NOW, kst(2026, 3, 9, 18))
    event = Event.objects.get(action="application.found_eligible")
    assert (event.by, event.data["note"]) == (oh, "looks fine")
    assert {message.to[0] for message in mail.outbox} == {waiting.applicant.email, tess.email}
    assert f"/technical/{waiting.pk}/" in next(row.body for row in mail.outbox if row.to == [tess.email])


def test_a_technical_reviewer_with_a_stake_is_not_asked(waiting, oh, postech, django_capture_on_commit_callbacks):
    UserFactory(roles=["technical"], institution=postech)
    with django_capture_on_commit_callbacks(execute=True):
        application_find_eligible(application=waiting, by=oh, at=NOW)
    assert [message.to for message in mail.outbox] == [[waiting.applicant.email]]


def test_an_unconfirmed_institution_is_confirmed_first(waiting, oh):
    waiting.institution.confirmed = False
    waiting.institution.save()
    with pytest.raises(Refused, match=r"기관|institution"):
        application_find_eligible(application=waiting, by=oh, at=NOW)
    waiting.refresh_from_db()
    assert waiting.status == S.SUBMITTED


def test_what_is_not_eligible_is_closed_with_a_reason(waiting, oh, django_capture_on_commit_callbacks):
    with pytest.raises(Refused):
        application_find_ineligible(application=waiting, reason=" ", by=oh, at=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        application_find_ineligible(application=waiting, reason="Outside Pohang.", by=oh, at=NOW)
    assert (waiting.status, waiting.due_at) == (S.INELIGIBLE, None)
    (letter,) = mail.outbox
    assert "Outside Pohang." in letter.body


def test_a_returned_application_says_what_to_correct_and_until_when(waiting, oh, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        request = application_return(application=waiting, text="Attach the certificate.", by=oh, at=NOW)
    assert (waiting.status, waiting.due_at, request.due_at) == (S.RETURNED, kst(2026, 3, 9, 18), kst(2026, 3, 9, 18))
    assert "Attach the certificate." in mail.outbox[0].body


@pytest.mark.parametrize("status", [status for status in S if status != S.SUBMITTED])
def test_only_what_is_before_the_check_is_checked(status, oh):
    application = ApplicationFactory(status=status)
    with pytest.raises(LostRace):
        application_find_eligible(application=application, by=oh, at=NOW)
    application.refresh_from_db()
    assert application.status == status


def test_the_office_cannot_return_what_the_technical_reviewer_has_even_from_an_old_page(waiting, oh):
    seen_earlier = Application.objects.get(pk=waiting.pk)
    application_find_eligible(application=waiting, by=oh, at=NOW)
    with pytest.raises(Refused):
        application_return(application=seen_earlier, text="Too late.", by=oh, at=NOW)
    waiting.refresh_from_db()
    assert waiting.status == S.TECHNICAL


def test_the_list_is_searched_by_number_title_person_and_institution(waiting, oh, browser):
    over = ApplicationFactory(number="2026-0007", status=S.DECLINED, title_en="Blast furnace")
    client = browser(oh)

    def found(text: str) -> set[int]:
        rows = client.get("/office/applications/", {"text": text}).context["rows"]
        return {row.application.pk for row in rows}

    assert found("0007") == found("blast FURNACE") == found(over.applicant.email) == {over.pk}
    assert found(f"{waiting.institution.name_ko} 0001") == {waiting.pk}
    assert found("nobody knows\0") == set()
    assert found(" ") == {waiting.pk}


def test_what_was_written_is_kept_where_the_act_is_refused(waiting, oh, browser):
    waiting.institution.confirmed = False
    waiting.institution.save()
    address = f"/office/applications/{waiting.pk}/"
    page = browser(oh).post(address, {"action": "eligible", "note": "Called them."}).content.decode()
    assert "Confirm the institution first." in page
    assert "Called them." in page


def test_nobody_checks_an_application_of_their_own_institution(waiting, postech):
    near = UserFactory(roles=["operator"], institution=postech)
    for act in (
        lambda: application_find_eligible(application=waiting, by=near, at=NOW),
        lambda: application_return(application=waiting, text="x", by=near, at=NOW),
        lambda: application_find_ineligible(application=waiting, reason="x", by=near, at=NOW),
    ):
        with pytest.raises(Refused):
            act()


def test_only_a_size_that_is_decided_by_rule_has_its_rule_applied_again(waiting, oh):
    with pytest.raises(Refused):
        application_apply_rule(application=waiting, by=oh, at=NOW)


# The checklist


def kinds(application: Application) -> dict[str, str]:
    return {check.label: check.kind for check in checklist(application, NOW)}


@pytest.fixture
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    from django.utils import translation

    with translation.override("en"):
        yield


def test_the_checklist_names_what_stands_against_it(waiting, in_english):
    waiting.institution.confirmed = False
    waiting.tier.most_days = 10
    found = kinds(waiting)
    assert (found["Institution"], found["Period"], found["Attachments"]) == ("danger", "danger", "warning")


def test_consents_that_are_missing_are_named(waiting, in_english):
    ConsentText.objects.create(
        code="terms", version=1, stage="application", title_ko="약관", title_en="Terms", created_at=NOW
    )
    assert next(check for check in checklist(waiting, NOW) if check.label == "Consents").note == "Terms"


def test_a_firms_number_and_certificate_are_looked_at(waiting, in_english):
    waiting.institution.kind = "firm"
    firm = FirmDetails.objects.create(application=waiting, business_number="1234567890", size="small")
    found = kinds(waiting)
    assert (found["Business registration number"], found["SME certificate"]) == ("danger", "warning")
    firm.business_number, firm.sme_certificate_until = "1248100998", date(2026, 5, 1)
    firm.save()
    found = kinds(waiting)
    assert (found["Business registration number"], found["SME certificate"]) == ("success", "warning")
    firm.sme_certificate_until = date(2026, 3, 1)
    firm.save()
    assert kinds(waiting)["SME certificate"] == "danger"


def test_other_open_applications_are_named(waiting, in_english):
    assert kinds(waiting)["Other open applications"] == "success"
    ProposedMemberFactory(application=ApplicationFactory(number="2026-0009"), email=waiting.applicant.email.upper())
    check = next(check for check in checklist(waiting, NOW) if check.label == "Other open applications")
    assert (check.kind, check.note) == ("warning", "2026-0009")


def test_a_cap_that_is_used_up_is_said(waiting, in_english):
    waiting.call.most_gpu_seconds_per_person = 100 * HOUR
    assert kinds(waiting)["Caps of the call"] == "warning"


def test_an_overdue_final_report_is_said(waiting, in_english):
    from tests.factories import ProjectFactory

    ended = GrantFactory(
        project=ProjectFactory(pi=waiting.applicant),
        starts_at=kst(2025, 3, 1),
        ends_at=kst(2025, 12, 1),
        created_at=kst(2025, 2, 1),
    )
    check = next(row for row in checklist(waiting, NOW) if row.label == "Final reports of earlier grants")
    assert check.kind == "danger"
    assert ended.reference in check.note


# The pages


def test_the_list_shows_who_has_each_and_narrows(browser, oh, waiting, django_assert_max_num_queries):
    late = ApplicationFactory(status=S.REVIEW, number="2026-0002", due_at=NOW - timedelta(days=1))
    ReviewFactory(application=late, submitted_at=None)
    ApplicationFactory(status=S.DECLINED, number="2026-0003")
    ApplicationFactory(status=S.DRAFT)
    page = browser(oh).get("/office/applications/").content.decode()
    assert "2026-0001" in page
    assert "2026-0002" in page
    assert "2026-0003" not in page
    page = browser(oh).get("/office/applications/?late=1").content.decode()
    assert "2026-0001" not in page
    assert "2026-0002" in page
    page = browser(oh).get(f"/office/applications/?call={waiting.call_id}").content.decode()
    assert "2026-0001" in page
    assert "2026-0002" not in page
    page = browser(oh).get("/office/applications/?status=declined").content.decode()
    assert "2026-0003" in page
    assert browser(oh).get("/office/applications/?status=nonsense&call=x&page=99").status_code == 200


def test_the_list_takes_as_many_queries_for_many_as_for_few(browser, oh, django_assert_max_num_queries):
    for _ in range(20):
        ReviewFactory(application=ApplicationFactory(status=S.REVIEW), submitted_at=None)
    client = browser(oh)
    with django_assert_max_num_queries(25):
        client.get("/office/applications/")


@pytest.mark.parametrize("who", ["alice", "rhee", "dana", "observer"])
def test_the_office_is_for_operators(browser, request, who, waiting):
    client = browser(request.getfixturevalue(who))
    for address in ("/office/applications/", f"/office/applications/{waiting.pk}/"):
        assert client.get(address).status_code == 403


def test_a_draft_is_not_the_offices(browser, oh, draft):
    assert browser(oh).get(f"/office/applications/{draft.pk}/").status_code == 404


def test_the_page_of_one_offers_the_acts_and_tells_what_they_came_to(browser, oh, waiting):
    client = browser(oh)
    address = f"/office/applications/{waiting.pk}/"
    page = client.get(address).content.decode()
    assert 'value="eligible"' in page
    page = client.post(address, {"action": "return", "text": ""}).content.decode()
    assert "details" in page
    assert 'aria-invalid="true"' in page
    client.post(address, {"action": "eligible", "note": ""})
    waiting.refresh_from_db()
    assert waiting.status == S.TECHNICAL
    again = client.post(address, {"action": "eligible"}, follow=True).content.decode()
    assert "Somebody else acted meanwhile" in again
    assert 'value="eligible"' not in again


def test_not_eligible_asks_once_more(browser, oh, waiting):
    client = browser(oh)
    address = f"/office/applications/{waiting.pk}/"
    asked = client.post(address, {"action": "ineligible", "reason": "Outside."}).content.decode()
    waiting.refresh_from_db()
    assert waiting.status == S.SUBMITTED
    assert "Outside." in asked
    client.post(address, {"action": "ineligible", "reason": "Outside.", "confirmed": "yes"})
    waiting.refresh_from_db()
    assert waiting.status == S.INELIGIBLE
    assert "Outside." in browser(waiting.applicant).get(f"/applications/{waiting.pk}/").content.decode()


def test_an_operator_with_a_stake_is_told_and_can_do_nothing(browser, waiting, postech):
    near = UserFactory(roles=["operator"], institution=postech)
    client = browser(near)
    address = f"/office/applications/{waiting.pk}/"
    page = client.get(address).content.decode()
    assert "You have a stake" in page
    assert 'name="action"' not in page
    assert "stake" in client.post(address, {"action": "eligible"}, follow=True).content.decode()
    client.post(address, {"action": "confirm_institution"})
    waiting.refresh_from_db()
    assert waiting.status == S.SUBMITTED


def test_the_institution_is_confirmed_from_the_page(browser, oh, waiting):
    waiting.institution.confirmed = False
    waiting.institution.save()
    client = browser(oh)
    client.post(f"/office/applications/{waiting.pk}/", {"action": "confirm_institution"})
    waiting.institution.refresh_from_db()
    assert waiting.institution.confirmed


def test_what_a_rule_held_is_shown_with_its_reason(browser, oh, alice, call):
    """A starter request whose applicant's address was never verified stays with the office."""
    from allocations.services.decisions import decision_by_rule

    tier = TierFactory(call=CallFactory(tiers=False), route=Tier.Route.RULE)
    held = ApplicationFactory(call=tier.call, tier=tier, applicant=alice, status=S.SUBMITTED)
    assert decision_by_rule(application=held, at=NOW) is None
    page = browser(oh).get(f"/office/applications/{held.pk}/").content.decode()
    assert "did not award it by rule" in page
    assert 'value="apply_rule"' in page
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    browser(oh).post(f"/office/applications/{held.pk}/", {"action": "apply_rule"})
    held.refresh_from_db()
    assert held.status == S.OFFERED


def test_returned_and_answered_corrections_stay_on_the_page(browser, oh, waiting):
    application_return(application=waiting, text="Attach the plan.", by=oh, at=NOW)
    page = browser(oh).get(f"/office/applications/{waiting.pk}/").content.decode()
    assert "Attach the plan." in page
    own = browser(waiting.applicant).get(f"/applications/{waiting.pk}/").content.decode()
    assert "Attach the plan." in own


def test_who_has_a_stake_reads_no_names_and_nothing_meant_for_the_center(call, alice, oh, browser):
    """An operator's own application: its reviewers are named to the colleagues, not to them."""
    application = ApplicationFactory(call=call, applicant=oh, institution=oh.institution, number="2026-0007")
    rhee = UserFactory(roles=["reviewer"], name_en="Rhee Reads")
    tess = UserFactory(roles=["technical"], name_en="Tess Tests")
    ReviewFactory(application=application, reviewer=rhee, submitted_at=None)
    TechnicalReview.objects.create(
        application=application,
        reviewer=tess,
        verdict="changes",
        comment_to_panel="Half would do.",
        started_at=NOW,
        submitted_at=NOW,
    )
    CorrectionRequest.objects.create(application=application, text="Sign it.", by=tess, at=NOW, due_at=NOW)
    record("application.found_eligible", target=application, by=alice, at=NOW, number="2026-0007", note="Odd sums.")
    secrets = ["Rhee Reads", "Tess Tests", "Half would do.", "Odd sums."]
    colleague = UserFactory(roles=["operator", "technical"])
    RoleAssignment.objects.create(user=oh, role="technical")
    pages = [f"/office/applications/{application.pk}/", "/office/applications/", f"/technical/{application.pk}/"]
    for person, may_read in ((oh, False), (colleague, True)):
        read = "".join(browser(person).get(page).content.decode() for page in pages)
        assert [secret in read for secret in secrets] == [may_read] * 4
