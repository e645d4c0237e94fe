"""The Event log: written by record() alone, never changed, read in the reader's language."""

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.utils import timezone, translation

from portal.events import phrases
from portal.events.models import Event
from portal.events.services import record
from portal.people.models import User

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def kim():
    return User.objects.create_user("kim@example.org", name_ko="김")


def test_record_writes_what_happened_to_what_by_whom_and_when(kim):
    event = record("project.created", target=kim, by=kim, at=NOW, topics=("project:p26001",), code="p26001")
    event.refresh_from_db()
    assert (event.action, event.target_kind, event.target_id, event.by) == ("project.created", "user", str(kim.pk), kim)
    assert event.at == NOW and event.topics == ["project:p26001"] and event.data == {"code": "p26001"}


def test_the_sentence_is_translated_when_it_is_read(kim):
    event = record("project.created", target=kim, by=kim, at=NOW, code="p26001")
    with translation.override("en"):
        assert phrases.phrase(event.action, event.data) == "Project p26001 created"
    with translation.override("ko"):
        assert phrases.phrase(event.action, event.data) == "과제 p26001 생성"


def test_an_action_without_a_phrase_is_refused(kim):
    with pytest.raises(ValueError, match="no phrase"):
        record("cat.sat", target=kim, by=kim, at=NOW)


def test_a_value_that_is_missing_shows_as_a_dash():
    with translation.override("en"):
        assert phrases.phrase("project.created", {}) == "Project – created"


def test_every_phrase_has_its_korean():
    with translation.override("ko"):
        korean = {code: str(text) for code, text in phrases.registered().items()}
    with translation.override("en"):
        english = {code: str(text) for code, text in phrases.registered().items()}
    assert [code for code in korean if korean[code] == english[code]] == []


@pytest.mark.parametrize("change", ["UPDATE events_event SET action = 'x'", "DELETE FROM events_event"])
def test_the_database_refuses_to_change_the_log(kim, change):
    record("project.created", target=kim, by=kim, at=NOW, code="p26001")
    with pytest.raises((InternalError, ProgrammingError), match="never changed"), transaction.atomic():
        connection.cursor().execute(change)
    assert Event.objects.count() == 1
