"""Reviewers come in, look after their own fields, and are assigned on the office's pages."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import ConflictWaiver, DeclaredConflict, ReviewerInvitation, ReviewerProfile
from allocations.services import Refused
from allocations.services.reviewers import Profile, conflict_remove, reviewer_join, reviewer_profile_change
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.models import User
from portal.people.permissions import Permission
from tests.factories import NOW, ApplicationFactory, CallFactory, InstitutionFactory, ReviewFactory, UserFactory


@pytest.fixture
def invitation(oh):
    return ReviewerInvitation.objects.create(
        email="new@kaist.example", name="신임", keywords=["steel"], invited_by=oh, invited_at=NOW
    )


@pytest.fixture
def newcomer(db):
    return UserFactory(email="new@kaist.example")


def accept(invitation):
    return reverse("reviewer_invitation", args=[invitation.token])


def test_the_office_invites_by_mail_once(oh, rhee, browser, mailoutbox, django_capture_on_commit_callbacks):
    client = browser(oh)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("reviewer_list"), {"email": "New@kaist.example", "keywords": "steel, vision, steel"})
    invitation = ReviewerInvitation.objects.get()
    assert (invitation.email, invitation.keywords) == ("new@kaist.example", ["steel", "vision"])
    assert accept(invitation) in mailoutbox[0].body
    again = client.post(reverse("reviewer_list"), {"email": "new@kaist.example"}).content.decode()
    assert "is invited already" in again
    assert "reviews already" in client.post(reverse("reviewer_list"), {"email": rhee.email}).content.decode()


def test_accepting_gives_the_role_and_a_profile(invitation, newcomer, browser, oh):
    client = browser(newcomer)
    assert "Accept the invitation" in client.get(accept(invitation)).content.decode()
    assert client.post(accept(invitation)).url == reverse("reviewer_profile")
    reviewer = User.objects.get(pk=newcomer.pk)
    assert reviewer.can(Permission.APPLICATION_REVIEW)
    assert reviewer.role_assignments.get().granted_by == oh
    assert ReviewerProfile.objects.get(user=reviewer).keywords == ["steel"]
    assert client.get(accept(invitation)).url == reverse("review_queue")
    with pytest.raises(LostRace):
        reviewer_join(invitation=invitation, by=newcomer, at=NOW)


def test_a_forwarded_link_opens_nothing(invitation, charlie, browser):
    page = browser(charlie).post(accept(invitation)).content.decode()
    assert "This invitation is for new@kaist.example" in page
    assert not User.objects.get(pk=charlie.pk).can(Permission.APPLICATION_REVIEW)
    with pytest.raises(Refused):
        reviewer_join(invitation=invitation, by=charlie, at=NOW)


def test_who_is_not_signed_in_comes_back_to_the_invitation(invitation, browser):
    page = browser().get(accept(invitation)).content.decode()
    assert f"{reverse('account_login')}?next={accept(invitation)}" in page


def test_an_invitation_is_sent_again_or_withdrawn(
    invitation, newcomer, oh, browser, mailoutbox, django_capture_on_commit_callbacks
):
    client = browser(oh)
    act = reverse("reviewer_invitation_act", args=[invitation.pk])
    with django_capture_on_commit_callbacks(execute=True):
        client.post(act, {"action": "remind"})
    assert [mail.to for mail in mailoutbox] == [["new@kaist.example"]]
    client.post(act, {"action": "withdraw"})
    over = browser(newcomer).get(accept(invitation))
    assert over.status_code == 410
    assert "taken back" in over.content.decode()
    assert "no longer open" in client.post(act, {"action": "remind"}, follow=True).content.decode()


def test_a_reviewer_keeps_fields_load_and_pause(rhee, browser):
    client = browser(rhee)
    written = {"action": "profile", "keywords": "강재, 비전", "most_at_once": "4", "paused": "on"}
    client.post(reverse("reviewer_profile"), written)
    profile = ReviewerProfile.objects.get(user=rhee)
    assert (profile.keywords, profile.most_at_once, profile.paused_at) == (["강재", "비전"], 4, NOW)
    client.post(reverse("reviewer_profile"), {"action": "profile", "keywords": "", "most_at_once": "4"})
    profile.refresh_from_db()
    assert profile.paused_at is None


def test_a_reviewer_names_standing_conflicts_and_takes_them_back(rhee, browser, charlie):
    client = browser(rhee)
    kaist = InstitutionFactory(name_en="KAIST")
    page = client.post(reverse("reviewer_profile"), {"action": "conflict"}).content.decode()
    assert "Name a person&#x27;s e-mail address or an institution." in page
    client.post(reverse("reviewer_profile"), {"action": "conflict", "institution": kaist.pk, "reason": "Spouse"})
    declared = DeclaredConflict.objects.get(reviewer=rhee)
    assert "KAIST" in client.get(reverse("reviewer_profile")).content.decode()
    with pytest.raises(Refused):
        conflict_remove(declared=declared, by=charlie, at=NOW)
    client.post(reverse("conflict_remove", args=[declared.pk]))
    assert not DeclaredConflict.objects.exists()


def test_the_office_may_pause_a_reviewer_and_nobody_else(rhee, oh, charlie, browser):
    browser(oh).post(reverse("reviewer_detail", args=[rhee.pk]), {"keywords": "", "most_at_once": "3", "paused": "on"})
    assert ReviewerProfile.objects.get(user=rhee).paused_at == NOW
    with pytest.raises(Refused):
        reviewer_profile_change(reviewer=rhee, profile=Profile(), by=charlie, at=NOW)
    with pytest.raises(Refused):
        reviewer_profile_change(reviewer=charlie, profile=Profile(), by=oh, at=NOW)


def test_the_list_shows_loads_and_calls_and_takes_the_same_queries_however_long(
    oh, browser, call, rhee, django_assert_max_num_queries
):
    ReviewFactory(
        application=ApplicationFactory(call=call), reviewer=rhee, submitted_at=None, due_at=NOW.replace(day=1)
    )
    ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee)
    for _n in range(5):
        ReviewFactory(application=ApplicationFactory(call=call))
    client = browser(oh)
    with django_assert_max_num_queries(16):
        page = client.get(reverse("reviewer_list")).content.decode()
    assert "1 / 10" in page
    assert "1 late" in page
    assert reverse("call_assignment", args=[call.pk]) in page


def test_an_assignment_is_shown_before_it_is_made(oh, rhee, browser):
    call = CallFactory(tiers__reviews_needed=2)
    application = ApplicationFactory(call=call)
    near = UserFactory(roles=["reviewer"], institution=application.institution)
    client = browser(oh)
    address = reverse("call_assignment", args=[call.pk])
    page = client.get(address).content.decode()
    assert "Assign 1 review" in page
    assert "1 review cannot be filled." in page
    assert "Same institution: 1" in page
    assert not application.reviews.exists()
    assert "1 review was assigned." in client.post(address, follow=True).content.decode()
    assert [review.reviewer for review in application.reviews.all()] == [rhee]
    assert near not in [review.reviewer for review in application.reviews.all()]


def test_what_one_has_a_stake_in_is_neither_shown_nor_assigned(submitted, rhee, browser):
    near = UserFactory(roles=["operator"], institution=submitted.institution)
    client = browser(near)
    address = reverse("call_assignment", args=[submitted.call.pk])
    page = client.post(address, follow=True).content.decode()
    assert "1 application is not shown" in page
    assert submitted.title_en not in page
    assert not submitted.reviews.exists()
    assert client.get(reverse("application_reviewers", args=[submitted.pk])).status_code == 403


def test_the_assignment_page_takes_the_same_queries_however_long_it_is(
    oh, browser, call, django_assert_max_num_queries
):
    for _n in range(8):
        ReviewFactory(application=ApplicationFactory(call=call), submitted_at=None)
        ApplicationFactory(call=call)
    client = browser(oh)
    with django_assert_max_num_queries(26):
        client.get(reverse("call_assignment", args=[call.pk]))


def test_by_hand_a_reviewer_is_asked_prolonged_and_released(submitted, rhee, oh, browser):
    client = browser(oh)
    address = reverse("application_reviewers", args=[submitted.pk])
    assert "Rhee" in client.get(address).content.decode()
    client.post(address, {"action": "assign", "reviewer": rhee.pk})
    review = submitted.reviews.get()
    client.post(address, {"action": "prolong", "review": review.pk, "due_on": "2026-04-02"})
    review.refresh_from_db()
    assert review.due_at.isoformat() == "2026-04-02T09:00:00+00:00"
    past = client.post(address, {"action": "prolong", "review": review.pk, "due_on": "2026-03-01"}).content.decode()
    assert "not past" in past
    client.post(address, {"action": "release", "review": review.pk})
    review.refresh_from_db()
    assert review.released_at == NOW
    faster = client.post(address, {"action": "release", "review": review.pk}, follow=True).content.decode()
    assert "Somebody else was faster" in faster


def test_a_waiver_is_asked_for_and_confirmed_on_the_page(submitted, oh, browser):
    near = UserFactory(roles=["reviewer"], institution=submitted.institution)
    second = UserFactory(roles=["operator"])
    address = reverse("application_reviewers", args=[submitted.pk])
    browser(oh).post(address, {"action": "waive", "reviewer": near.pk, "reason": "Nobody else knows the field."})
    waiver = ConflictWaiver.objects.get()
    assert 'value="waiver_confirm"' not in browser(oh).get(address).content.decode()
    assert "Nobody else knows the field." in browser(second).get(address).content.decode()
    assert address in browser(second).get(reverse("reviewer_list")).content.decode()
    browser(second).post(address, {"action": "waiver_confirm", "waiver": waiver.pk})
    waiver.refresh_from_db()
    assert waiver.confirmed_by == second
    browser(oh).post(address, {"action": "assign", "reviewer": near.pk})
    assert submitted.reviews.get().reviewer == near


def test_the_office_goes_on_with_fewer_on_the_page(submitted, oh, browser):
    address = reverse("application_reviewers", args=[submitted.pk])
    browser(oh).post(address, {"action": "finish"})
    submitted.refresh_from_db()
    assert submitted.status == ApplicationStatus.REVIEW
    browser(oh).post(address, {"action": "finish", "reason": "Two reviewers fell ill."})
    submitted.refresh_from_db()
    assert submitted.status == ApplicationStatus.PANEL


@pytest.mark.parametrize("data", [{"action": "assign", "reviewer": "x"}, {"action": "release", "review": "0"}])
def test_what_is_not_there_is_not_found(data, submitted, oh, browser):
    assert browser(oh).post(reverse("application_reviewers", args=[submitted.pk]), data).status_code == 404


def test_an_unknown_act_changes_nothing(submitted, oh, browser):
    address = reverse("application_reviewers", args=[submitted.pk])
    assert browser(oh).post(address, {"action": "?"}).url == address
