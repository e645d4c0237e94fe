"""Which fields a call asks for, on which step."""

from __future__ import annotations

import pytest

from allocations.fields import BY_NAME, FIELDS, Kind, Level, Section, fields_of, level_of, sections_of
from allocations.fields.choices import NO
from allocations.fields.values import is_empty, shown, value_of
from allocations.models import Call, FirmDetails
from allocations.selectors.reviews import proposal_parts
from allocations.selectors.written import written
from portal.people.models import Institution
from tests.allocations.applying import completed
from tests.factories import ApplicationFactory, CallFactory, UserFactory


def test_names_are_unique_and_every_choice_has_choices():
    assert len(BY_NAME) == len(FIELDS)
    for field in FIELDS:
        assert bool(field.choices) == (field.kind in {Kind.CHOICE, Kind.SEVERAL}), field.name


@pytest.mark.parametrize("track", Call.Track.values)
def test_what_is_fixed_is_required_in_every_track_and_no_call_changes_it(track):
    call = Call(track=track, field_levels={field.name: "hidden" for field in FIELDS})
    left = {field.name for field in FIELDS if level_of(call, field) != Level.HIDDEN}
    assert left == {field.name for field in FIELDS if field.fixed}
    assert all(level_of(call, field) == Level.REQUIRED for field in FIELDS if field.fixed)


def test_a_starter_writes_little():
    call = Call(track=Call.Track.STARTER)
    required = [
        field.name
        for section in Section
        if section != Section.FIRM
        for field, level in fields_of(call, section)
        if level == Level.REQUIRED
    ]
    assert required == ["title_ko", "summary", "purpose", "starts_on", "ends_on", "need", "consents"]


def test_a_call_may_ask_for_more_or_less_than_usual():
    call = Call(track=Call.Track.STARTER, field_levels={"keywords": "required", "members": "hidden", "x": "required"})
    assert level_of(call, BY_NAME["keywords"]) == Level.REQUIRED
    assert fields_of(call, Section.PEOPLE) == []


def test_nonsense_in_a_call_is_as_usual():
    assert level_of(Call(field_levels={"keywords": "sometimes"}), BY_NAME["keywords"]) == Level.REQUIRED


@pytest.mark.django_db
def test_the_step_about_the_firm_is_for_firms():
    at_university = ApplicationFactory()
    of_a_firm = ApplicationFactory(applicant__institution__kind=Institution.Kind.FIRM)
    in_a_firms_call = ApplicationFactory(call=CallFactory(track=Call.Track.FIRM))
    assert Section.FIRM not in sections_of(at_university)
    assert Section.FIRM in sections_of(of_a_firm)
    assert Section.FIRM in sections_of(in_a_firms_call)


@pytest.mark.django_db
def test_values_read_the_same_wherever_they_are_stored():
    application = ApplicationFactory(answers={"keywords": ["철강", "비전"], "storage_tb": 3, "domain": "steel"})
    FirmDetails.objects.create(application=application, business_number="1248100998", in_pohang=False)
    read = {name: shown(BY_NAME[name], value_of(application, BY_NAME[name])) for name in BY_NAME if name != "need"}
    assert read["title_en"] == "Finding defects on steel"
    assert (read["keywords"], read["storage_tb"]) == ("철강, 비전", "3 TB")
    assert read["business_number"] == "124-81-00998"
    assert value_of(application, BY_NAME["in_pohang"]) == NO
    assert read["model_size"] == ""


def test_zero_and_no_are_written():
    assert not is_empty(0)
    assert not is_empty("no")
    assert all(is_empty(value) for value in [None, "", [], "  \n"])


@pytest.mark.django_db
def test_a_blind_reading_tells_nothing_of_the_applicant():
    alice = UserFactory(name_ko="김하늘", institution__kind=Institution.Kind.FIRM)
    application = completed(ApplicationFactory(applicant=alice, status="draft"))
    application.call.blind = True
    labels = {label for part in proposal_parts(application) for label, _text in (*part.facts, *part.texts)}
    assert labels
    assert not labels & {str(field.label) for field in BY_NAME.values() if field.identifies}
    assert {"business_number", "delegate"} <= {row.name for part in written(application) for row in part.rows}
