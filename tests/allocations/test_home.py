"""Home shows each person what is theirs to do, with its deadline, and the way to the pages of their role."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from allocations.models import ChangeRequest
from allocations.services.technical import technical_start
from allocations.services.waivers import waiver_ask
from allocations.workflow import ApplicationStatus
from portal.desk import MOST_SHOWN, piles
from portal.home import own_things
from portal.people.models import User
from tests.factories import (
    NOW,
    ApplicationFactory,
    DecisionFactory,
    GrantFactory,
    ProjectFactory,
    ReviewFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
S = ApplicationStatus
LATE = NOW - timedelta(days=1)


@pytest.fixture
def tess(db: None) -> User:
    return UserFactory(email="tess@center.example", name_en="Tess", roles=["technical"])


def waiting_for(user: User) -> dict[str, list[str]]:
    """Headings of what waits for the reader, each with the links of its things."""
    with translation.override("en"):
        return {str(pile.title): [row.link for row in pile.shown] for pile in piles(own_things(user, NOW), NOW)}


def test_an_applicant_finds_corrections_and_agreements(alice):
    returned = ApplicationFactory(applicant=alice, status=S.RETURNED, due_at=LATE)
    offered = DecisionFactory(application__applicant=alice).application
    ApplicationFactory(applicant=alice, status=S.REVIEW)
    ApplicationFactory(status=S.RETURNED)
    assert waiting_for(alice) == {
        "Agreements to make": [f"/applications/{offered.pk}/agreement/"],
        "Corrections asked of you": [f"/applications/{returned.pk}/edit/"],
    }


def test_a_member_without_a_name_finds_that_it_is_theirs_to_choose(project, alice, charlie):
    assert waiting_for(alice) == {}
    User.objects.update(cluster_username=None, cluster_username_approved_at=None)
    for user in (alice, charlie):
        user.refresh_from_db()
    assert waiting_for(alice) == {"Your cluster user name": ["/me/"]}
    assert waiting_for(charlie) == {}


def test_a_pi_finds_the_final_report(alice):
    grant = GrantFactory(
        project=ProjectFactory(pi=alice, code="p26001"),
        starts_at=kst(2026, 2, 1),
        ends_at=NOW,
        created_at=kst(2026, 1, 1),
    )
    assert waiting_for(alice) == {"Final reports to write": [f"/projects/p26001/reports/{grant.pk}/"]}


def test_a_reviewer_finds_reviews_the_most_urgent_first(rhee):
    later = ReviewFactory(reviewer=rhee, submitted_at=None, due_at=NOW + timedelta(days=9)).application
    sooner = ReviewFactory(reviewer=rhee, submitted_at=None, declared_at=None, due_at=LATE).application
    assert waiting_for(rhee) == {"Reviews to write": [f"/reviews/{sooner.pk}/", f"/reviews/{later.pk}/"]}
    with translation.override("en"):
        (pile,) = piles(own_things(rhee, NOW), NOW)
    assert [row.late for row in pile.shown] == [True, False]


def test_a_technical_reviewer_finds_what_nobody_else_has(tess):
    free = ApplicationFactory(status=S.TECHNICAL)
    taken = ApplicationFactory(status=S.TECHNICAL)
    technical_start(application=taken, by=UserFactory(roles=["technical"]), at=NOW)
    ApplicationFactory(status=S.TECHNICAL, institution=tess.institution)
    assert waiting_for(tess) == {"Technical reviews to write": [f"/technical/{free.pk}/"]}


def test_the_office_finds_what_to_check_and_what_is_late_with_others(oh):
    check = ApplicationFactory(status=S.SUBMITTED, due_at=LATE)
    late = ApplicationFactory(status=S.TECHNICAL, due_at=LATE)
    ApplicationFactory(status=S.TECHNICAL, due_at=NOW + timedelta(days=1))
    assert waiting_for(oh) == {
        "Eligibility to check": [f"/office/applications/{check.pk}/"],
        "Late with others": [f"/office/applications/{late.pk}/"],
    }


def test_the_office_finds_what_lacks_reviewers_and_waivers_to_confirm(oh, rhee):
    lacking = ApplicationFactory(status=S.REVIEW)
    taken = ReviewFactory(application__status=S.REVIEW, submitted_at=None).application
    taken.institution = rhee.institution
    taken.save()
    waiver_ask(
        application=taken, reviewer=rhee, reason="Nobody else knows it.", by=UserFactory(roles=["operator"]), at=NOW
    )
    assert waiting_for(oh) == {
        "Applications that lack reviewers": [f"/office/applications/{lacking.pk}/reviewers/"],
        "Waivers of a conflict of interest to confirm": [f"/office/applications/{taken.pk}/reviewers/"],
    }


def test_a_decider_finds_decisions_announcements_and_changes(dana, project, alice):
    panel = ApplicationFactory(status=S.PANEL)
    together = ApplicationFactory(status=S.PANEL)
    ApplicationFactory(status=S.PANEL, call=together.call)
    made = DecisionFactory(application__status=S.DECIDED, announced_at=None).application
    change = ChangeRequest.objects.create(
        project=project, kind="extension", until=kst(2026, 12, 1).date(), reason="x", asked_by=alice, asked_at=NOW
    )
    assert waiting_for(dana) == {
        "Applications to decide on": [f"/panel/{panel.pk}/", f"/panel/calls/{together.call_id}/"],
        "Decisions to announce": [f"/panel/calls/{made.call_id}/"],
        "Changes of grants to decide on": [f"/changes/{change.pk}/"],
    }


def test_only_the_first_few_are_shown_and_the_rest_counted(oh, browser):
    for _ in range(MOST_SHOWN + 2):
        ApplicationFactory(status=S.SUBMITTED)
    page = browser(oh).get("/").content.decode()
    assert page.count("/office/applications/") == MOST_SHOWN + 1
    assert "2 more" in page


def test_home_takes_as_many_queries_for_many_as_for_few(browser, django_assert_max_num_queries):
    everything = UserFactory(roles=["technical", "operator", "decider", "reviewer", "observer"])
    for status in (S.SUBMITTED, S.TECHNICAL, S.PANEL, S.RETURNED):
        for _ in range(8):
            ApplicationFactory(status=status, due_at=LATE)
    client = browser(everything)
    client.get("/")
    with django_assert_max_num_queries(60):
        client.get("/")


@pytest.mark.parametrize(
    ("roles", "there", "not_there"),
    [
        ([], [], ["/office/", "/technical/", "/changes/", "/panel/", "/reviews/"]),
        (["operator"], ["/office/"], ["/technical/", "/changes/", "/panel/"]),
        (["technical"], ["/technical/"], ["/office/", "/panel/"]),
        (["decider"], ["/panel/", "/changes/"], ["/office/", "/technical/"]),
        (["reviewer"], ["/reviews/"], ["/office/", "/panel/"]),
    ],
)
def test_the_navigation_has_the_pages_of_the_role(browser, roles, there, not_there):
    page = browser(UserFactory(roles=roles)).get("/").content.decode()
    for address in there:
        assert f'href="{address}"' in page
    for address in not_there:
        assert f'href="{address}"' not in page


def test_who_works_for_the_center_is_told_that_nothing_waits(browser, tess, alice):
    assert "Nothing waits for you" in browser(tess).get("/").content.decode()
    assert "Nothing waits for you" not in browser(alice).get("/").content.decode()


def test_who_belongs_to_no_institution_is_shown_the_way(browser):
    page = browser(UserFactory(institution=None)).get("/").content.decode()
    assert "/institution" in page
