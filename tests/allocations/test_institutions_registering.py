"""Who belongs to no institution known here registers theirs; nobody joins one by typing its name."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from allocations.services.applications import application_start
from portal.events.models import Event
from portal.people.institutions import NotRegistered, domain_offered, institution_confirm, institution_register
from portal.people.models import Institution, InstitutionDomain
from tests.factories import NOW, ApplicationFactory, InstitutionFactory, UserFactory

pytestmark = pytest.mark.django_db
WRITTEN = {"name_ko": "주식회사 영일정밀", "name_en": "", "kind": "firm", "business_number": "124-81-00998"}


@pytest.fixture
def newcomer():
    return UserFactory(email="lee@yeongil.example", institution=None)


def test_applying_leads_there_and_then_a_draft_can_be_started(call, newcomer, browser):
    client = browser(newcomer)
    response = client.post(reverse("application_new", args=[call.pk]))
    assert response.url.startswith(f"{reverse('institution_register')}?next=")
    page = client.post(response.url, WRITTEN, follow=True).content.decode()
    newcomer.refresh_from_db()
    institution = newcomer.institution
    assert (institution.business_number, institution.confirmed, institution.registered_by) == (
        "1248100998",
        False,
        newcomer,
    )
    assert "confirms it with your first application" in page
    assert application_start(call=call, by=newcomer, at=NOW).institution == institution
    assert Event.objects.filter(action="institution.registered", data__name="주식회사 영일정밀").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"business_number": "220-81-62517"},
        {"name_ko": "다른 회사"},
        {"name_ko": " 주식회사  영일정밀 ", "kind": "institute"},
        {"name_ko": "새 회사", "business_number": "220-81-62517", "name_en": "YEONGIL"},
    ],
)
def test_a_known_name_or_number_is_refused_with_what_to_do(changes, newcomer, browser):
    InstitutionFactory(name_ko="주식회사 영일정밀", name_en="Yeongil", business_number="1248100998", kind="firm")
    page = browser(newcomer).post(reverse("institution_register"), WRITTEN | changes).content.decode()
    newcomer.refresh_from_db()
    assert newcomer.institution is None
    assert "ask the office to add you" in page


def test_it_leads_back_to_the_call_and_nowhere_else(call, newcomer, alice, browser):
    address = reverse("institution_register")
    there = reverse("call_detail", args=[call.pk])
    assert browser(newcomer).post(f"{address}?next={there}", WRITTEN).url == there
    assert browser(alice).get(f"{address}?next=//elsewhere.example/").url == reverse("call_list")


@pytest.mark.parametrize("number", ["", "123-45-67890", "12"])
def test_a_firm_needs_a_valid_business_number(number, newcomer, browser):
    page = browser(newcomer).post(reverse("institution_register"), WRITTEN | {"business_number": number}).content
    assert b'href="#id_business_number"' in page
    assert not Institution.objects.filter(name_ko=WRITTEN["name_ko"]).exists()


def test_a_university_needs_none(newcomer, browser):
    browser(newcomer).post(reverse("institution_register"), {"name_ko": "새대학교", "kind": "university"})
    newcomer.refresh_from_db()
    assert newcomer.institution.business_number is None


def test_nobody_registers_the_center_itself(newcomer, browser):
    page = browser(newcomer).post(reverse("institution_register"), WRITTEN | {"kind": "center"}).content
    assert b'href="#id_kind_0"' in page


def test_who_belongs_to_one_registers_no_other(alice, browser):
    assert browser(alice).get(reverse("institution_register")).status_code == 302
    with pytest.raises(NotRegistered):
        institution_register(name_ko="다른 곳", kind="firm", by=alice, at=NOW)


def test_the_office_confirms_once_and_may_add_its_domain(newcomer, oh, postech):
    institution = institution_register(name_ko="영일정밀", kind="firm", by=newcomer, at=NOW)
    for _again in range(2):
        institution_confirm(institution=institution, by=oh, at=NOW, domain="Yeongil.example")
    assert institution.confirmed
    assert Institution.objects.for_email("park@yeongil.example") == institution
    assert Event.objects.filter(action="institution.confirmed").count() == 1


def test_who_proved_an_address_there_before_belongs_to_it_from_then_on(newcomer, oh):
    institution = institution_register(name_ko="영일정밀", kind="firm", by=newcomer, at=NOW)
    proven, other, unproven = (
        UserFactory(email=email, institution=None)
        for email in ("park@lab.yeongil.example", "park@notyeongil.example", "choi@yeongil.example")
    )
    for person in (proven, other, unproven):
        EmailAddress.objects.create(user=person, email=person.email, verified=person != unproven, primary=True)
    institution_confirm(institution=institution, by=oh, at=NOW, domain="yeongil.example")
    for person in (proven, other, unproven):
        person.refresh_from_db()
    assert [person.institution for person in (proven, other, unproven)] == [institution, None, None]


@pytest.mark.parametrize("domain", ["naver.com", "gmail.com", "co.kr"])
def test_a_domain_of_everybody_is_no_institutions(domain, newcomer, oh):
    institution = institution_register(name_ko="영일정밀", kind="firm", by=newcomer, at=NOW)
    with pytest.raises(NotRegistered):
        institution_confirm(institution=institution, by=oh, at=NOW, domain=domain)
    assert not Institution.objects.filter(pk=institution.pk, confirmed=True).exists()


@pytest.mark.parametrize(
    ("email", "offered"), [("lee@yeongil.example", "yeongil.example"), ("lee@naver.com", ""), ("lee@postech.ac.kr", "")]
)
def test_the_office_is_offered_the_domain_of_who_registered_it(email, offered, postech):
    InstitutionDomain.objects.create(institution=postech, domain="postech.ac.kr")
    institution = InstitutionFactory(confirmed=False, registered_by=UserFactory(email=email))
    assert domain_offered(institution) == offered


def test_the_office_confirms_on_the_page_of_the_application(newcomer, oh, browser):
    institution = institution_register(name_ko="영일정밀", kind="firm", by=newcomer, at=NOW)
    application = ApplicationFactory(applicant=newcomer, institution=institution, status="submitted")
    address = reverse("office_application", args=[application.pk])
    client = browser(oh)
    assert 'value="yeongil.example"' in client.get(address).content.decode()
    for wrong in ("naver.com", "not a domain"):
        page = client.post(address, {"action": "confirm_institution", "domain": wrong}).content.decode()
        assert 'href="#id_domain"' in page
        assert f'value="{wrong}"' in page
    client.post(address, {"action": "confirm_institution", "domain": " @Yeongil.example "})
    institution.refresh_from_db()
    assert institution.confirmed
    assert [row.domain for row in institution.domains.all()] == ["yeongil.example"]
    assert "confirm_institution" not in client.get(address).content.decode()


def test_a_domain_of_another_institution_is_not_taken_from_it(newcomer, oh, postech):
    InstitutionDomain.objects.create(institution=postech, domain="postech.ac.kr")
    institution = institution_register(name_ko="영일정밀", kind="firm", by=newcomer, at=NOW)
    with pytest.raises(NotRegistered):
        institution_confirm(institution=institution, by=oh, at=NOW, domain="postech.ac.kr")
    institution.refresh_from_db()
    assert not institution.confirmed
