"""A prepared query gives what the query itself gives, for whatever it is asked with."""

import pytest

from portal.people.models import User
from portal.prepared import Prepared

pytestmark = pytest.mark.django_db


def people_named(name, least):
    return User.objects.filter(name_ko=name, pk__gte=least).prefetch_related("role_assignments").order_by("email")


def test_it_gives_what_the_query_gives_and_is_written_once(django_assert_num_queries):
    kims = [User.objects.create_user(f"kim{number}@example.org", name_ko="김") for number in range(3)]
    lee = User.objects.create_user("lee@example.org", name_ko="이")
    built = []
    prepared = Prepared(lambda name, least: built.append(name) or people_named(name, least), "(name)", -1)
    for name, least in (("김", 0), ("김", kims[1].pk), ("이", 0), ("박", 0)):
        assert list(prepared(name, least)) == list(people_named(name, least))
    first, second = prepared("김", 0), prepared("이", lee.pk)
    with django_assert_num_queries(4):
        assert ([row.email for row in second], len(first)) == (["lee@example.org"], 3)
    assert built == ["(name)"]


def test_nothing_is_found_for_no_value_at_all():
    User.objects.create_user("kim@example.org", name_ko="김")
    assert list(Prepared(lambda key: User.objects.filter(pk=key), -1)(None)) == []
