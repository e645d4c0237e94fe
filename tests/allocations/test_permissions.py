"""Every page of the allocation side by every kind of person: the matrix."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.urls import reverse

from allocations import urls
from tests.factories import (
    ApplicationFactory,
    CallFactory,
    InvitationFactory,
    UserFactory,
)

# The columns: nobody signed in, the applicant and PI, a team member, a stranger, a reviewer, a decider, an operator,
# the city's observer. 302 of a person who is signed in is the redirect that the page itself makes.
PEOPLE = ["anonymous", "alice", "bob", "charlie", "rhee", "dana", "oh", "observer"]
MATRIX = {
    #                             -    Ali  Bob  Cha  Rhee Dana Oh   city
    "call_list":                 (200, 200, 200, 200, 200, 200, 200, 200),
    "call_detail":               (200, 200, 200, 200, 200, 200, 200, 200),
    "application_list":          (302, 200, 200, 200, 200, 200, 200, 200),
    "application_new":           (302, 302, 302, 302, 302, 302, 302, 302),
    "application_detail":        (302, 200, 404, 404, 302, 200, 200, 404),
    "application_status":        (302, 200, 404, 404, 404, 200, 200, 404),
    "application_edit":          (302, 302, 404, 404, 404, 404, 404, 404),
    "application_edit:draft":    (302, 200, 404, 404, 404, 404, 404, 404),
    "application_detail:draft":  (302, 200, 404, 404, 404, 404, 404, 404),
    "application_withdraw":      (302, 200, 404, 404, 404, 404, 404, 404),
    "attachment":                (302, 200, 404, 404, 404, 200, 200, 404),
    "review_queue":              (302, 403, 403, 403, 200, 403, 403, 403),
    "review":                    (302, 403, 403, 403, 200, 403, 403, 403),
    "panel":                     (302, 403, 403, 403, 403, 200, 403, 403),
    "decide":                    (302, 403, 403, 403, 403, 200, 403, 403),
    "project_list":              (302, 200, 200, 200, 200, 200, 200, 200),
    "project_grants":            (302, 200, 200, 404, 404, 404, 200, 404),
    "project_members":           (302, 200, 200, 404, 404, 404, 200, 404),
    "member_remove":             (302, 200, 404, 404, 404, 404, 404, 404),
    "member_remind":             (302, 302, 404, 404, 404, 404, 404, 404),
    "invitation":                (200, 200, 200, 200, 200, 200, 200, 200),
    "profile":                   (302, 200, 200, 200, 200, 200, 200, 200),
    "cluster_username":          (302, 302, 302, 302, 302, 302, 302, 302),
    "demo_mailbox":              (404, 404, 404, 404, 404, 404, 404, 404),
}  # fmt: skip
# What a POST changes is asked by the same people; here is who gets past the door.
POSTS = {
    "application_edit:draft":    (302, 409, 404, 404, 404, 404, 404, 404),
    "application_withdraw":      (302, 302, 404, 404, 404, 404, 404, 404),
    "review":                    (302, 403, 403, 403, 302, 403, 403, 403),
    "decide":                    (302, 403, 403, 403, 403, 200, 403, 403),
    "project_members":           (302, 200, 404, 404, 404, 404, 404, 404),
    "member_remove":             (302, 302, 404, 404, 404, 404, 404, 404),
    "member_remind":             (302, 302, 404, 404, 404, 404, 404, 404),
}  # fmt: skip


@pytest.fixture
def addresses(submitted, draft, project, bobs, attach):
    invited = InvitationFactory(project=project)
    attached = attach(submitted)
    args = {
        "call_detail": [submitted.call.pk],
        "application_new": [submitted.call.pk],
        "application_edit:draft": [draft.pk],
        "application_detail:draft": [draft.pk],
        "attachment": [submitted.pk, attached.pk],
        "project_grants": [project.code],
        "project_members": [project.code],
        "member_remove": [project.code, bobs.pk],
        "member_remind": [project.code, invited.pk],
        "invitation": [invited.token],
    }
    plain = {"call_list", "application_list", "review_queue", "panel", "project_list", "profile", "cluster_username"}
    plain.add("demo_mailbox")
    return {
        name: reverse(name.partition(":")[0], args=args.get(name, [] if name in plain else [submitted.pk]))
        for name in MATRIX
    }


@pytest.fixture
def cast(alice, bob, charlie, rhee, dana, oh, observer):
    return dict(zip(PEOPLE, [None, alice, bob, charlie, rhee, dana, oh, observer], strict=True))


def test_the_matrix_names_every_page():
    assert {pattern.name for pattern in urls.urlpatterns} == {name.partition(":")[0] for name in MATRIX}


@pytest.mark.parametrize("person", PEOPLE)
def test_every_page_by_every_person(person, addresses, cast, browser, settings):
    settings.DEMO = False
    client = browser(cast[person])
    seen = {name: client.get(address).status_code for name, address in addresses.items()}
    assert seen == {name: row[PEOPLE.index(person)] for name, row in MATRIX.items()}


@pytest.mark.parametrize("person", PEOPLE)
def test_every_change_by_every_person(person, addresses, cast, browser):
    client = browser(cast[person])
    seen = {}
    for name in POSTS:
        with transaction.atomic():  # each as if the others had not been
            data = {"action": "declare"} if name == "review" else {"members-TOTAL_FORMS": "x"}
            seen[name] = client.post(addresses[name], data).status_code
            transaction.set_rollback(True)
    assert seen == {name: row[PEOPLE.index(person)] for name, row in POSTS.items()}


def test_who_is_not_signed_in_comes_back_after_signing_in(addresses, browser):
    response = browser().get(addresses["application_list"])
    assert response.url == f"{reverse('account_login')}?next={addresses['application_list']}"


def test_a_reviewer_is_led_to_the_review(submitted, rhee, browser):
    response = browser(rhee).get(reverse("application_detail", args=[submitted.pk]))
    assert response.url == reverse("review", args=[submitted.pk])


@pytest.mark.parametrize("stake", ["own", "institution", "team"])
def test_nobody_reviews_or_decides_where_they_have_a_stake(stake, call, browser):
    person = UserFactory(roles=["reviewer", "decider"])
    application = ApplicationFactory(call=call)
    if stake == "own":
        application.applicant = person
    elif stake == "institution":
        application.institution = person.institution
    else:
        application.proposed_members.create(email=person.email.upper())
    application.save()
    client = browser(person)
    assert client.get(reverse("review", args=[application.pk])).status_code == 404
    assert client.get(reverse("decide", args=[application.pk])).status_code == 403
    assert application.title_en not in client.get(reverse("review_queue")).content.decode()


def test_a_call_that_is_not_published_is_nobodys_page(db, browser):
    call = CallFactory(published_at=None)
    assert browser().get(reverse("call_detail", args=[call.pk])).status_code == 404
