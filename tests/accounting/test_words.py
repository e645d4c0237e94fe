"""Slurm's words are put plainly, its own are kept where there is nothing better, and nothing is ever an error."""

from hypothesis import given
from hypothesis import strategies as st

from accounting.templatetags.usage import duration, minutes
from accounting.words import REASONS, reason_words, state_words


def test_a_job_that_would_pass_the_limit_is_told_so_with_the_cure(english):
    words, cure = reason_words("AssocGrpGRESMinutes")
    assert "pass the project's limit" in str(words)
    assert "shorter --time" in str(cure)


def test_reasons_differing_by_resource_only_are_known_by_their_family():
    assert reason_words("AssocGrpCPUMinutes") == reason_words("AssocGrpGRESMinutes")
    assert reason_words("ReqNodeNotAvail, UnavailableNodes:h1") == REASONS["ReqNodeNotAvail"]
    assert reason_words("(Resources)") == REASONS["Resources"]


def test_limits_of_all_at_once_are_not_said_to_be_the_jobs_own(english):
    assert reason_words("QOSMaxGRESPerUser") == reason_words("MaxGRESPerAccount") == reason_words("AssocGrpGRES")
    assert "at once" in str(reason_words("QOSMaxGRESPerUser").words)
    assert "than one job" in str(reason_words("QOSMaxGRESPerJob").words)


def test_unknown_words_are_shown_as_they_are():
    assert reason_words("SomethingNew") == ("SomethingNew", "")
    assert state_words("SOMETHING_NEW") == ("neutral", "SOMETHING_NEW")


@given(st.text(max_size=60))
def test_any_text_has_words(text):
    assert isinstance(str(reason_words(text).words), str)
    assert state_words(text).kind


def test_spans_are_said_in_their_two_greatest_units(english):
    spans = {0: "0 s", 59: "59 s", 61: "1 min 1 s", 3_600: "1 h", 3_661: "1 h 1 min", 86_460: "1 d", 90_061: "1 d 1 h"}
    assert {length: duration(length) for length in spans} == spans
    assert (minutes(None), minutes(90)) == ("–", "1 h 30 min")
