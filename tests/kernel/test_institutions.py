"""An address belongs to an institution when its domain is one of theirs, exactly or as a dot-suffix."""

import pytest

from portal.people.models import Institution, InstitutionDomain, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def postech():
    institution = Institution.objects.create(name_ko="포항공과대학교", name_en="POSTECH", kind="university")
    InstitutionDomain.objects.create(institution=institution, domain="postech.ac.kr")
    return institution


@pytest.mark.parametrize("address", ["kim@postech.ac.kr", "kim@cse.postech.ac.kr", "Kim@POSTECH.ac.kr"])
def test_an_address_of_the_institution_is_recognised(postech, address):
    assert Institution.objects.for_email(address) == postech


@pytest.mark.parametrize("address", ["kim@evilpostech.ac.kr", "kim@postech.ac.kr.example.org", "kim@ac.kr", "kim"])
def test_a_lookalike_is_not(postech, address):
    assert Institution.objects.for_email(address) is None


def test_the_longest_domain_wins(postech):
    institute = Institution.objects.create(name_ko="나노융합기술원", name_en="NINT", kind="institute")
    InstitutionDomain.objects.create(institution=institute, domain="nano.postech.ac.kr")
    assert Institution.objects.for_email("lee@nano.postech.ac.kr") == institute


def test_addresses_are_kept_in_lower_case_so_that_one_person_signs_up_once():
    assert User.objects.create_user("Kim@Postech.AC.KR", name_ko="김").email == "kim@postech.ac.kr"
    assert User.objects.get_by_natural_key("KIM@postech.ac.kr").name_ko == "김"
