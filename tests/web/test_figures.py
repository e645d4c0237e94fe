"""A figure reads the same on every page, in either language."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from portal.web.templatetags import figures

HOUR = 3600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0"),
        (HOUR, "1"),
        (HOUR - 1, "0.99"),
        (90 * 60, "1.50"),
        (10 * HOUR - 1, "9.99"),
        (10 * HOUR + HOUR - 1, "10"),
        (1_234_567 * HOUR + 59, "1,234,567"),
        (-90 * 60, "-1.50"),
        (-11 * HOUR - 1, "-11"),
    ],
)
def test_gpu_seconds_are_shown_as_gpu_hours_rounded_towards_zero(seconds: int | None, text: str) -> None:
    assert figures.gpu_hours(seconds) == text


def test_in_running_text_the_unit_is_said() -> None:
    with translation.override("en"):
        assert figures.gpu_hours_unit(500 * HOUR) == "500 GPU-hours"


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 3, "0 %"), (2, 3, "66 %"), (3, 3, "100 %"), (4, 3, "133 %"), (1, 0, "–")]
)
def test_a_percentage_is_rounded_down_so_that_all_means_all(part: int, whole: int, text: str) -> None:
    with translation.override("en"):
        assert figures.percent(part, whole) == text


@pytest.mark.parametrize(
    ("passed", "korean", "english"),
    [
        (timedelta(0), "1초 전", "1 second ago"),
        (timedelta(seconds=59.9), "59초 전", "59 seconds ago"),
        (timedelta(seconds=119), "1분 전", "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23시간 전", "23 hours ago"),
        (timedelta(days=8), "1주 전", "1 week ago"),
        (timedelta(days=800), "2년 전", "2 years ago"),
        (timedelta(minutes=-5), "5분 후", "in 5 minutes"),
    ],
)
def test_how_long_ago_is_told_in_whole_units(passed: timedelta, korean: str, english: str) -> None:
    with translation.override("ko"):
        assert figures.ago_text(passed) == korean
    with translation.override("en"):
        assert figures.ago_text(passed) == english


def test_a_moment_carries_its_full_time_for_machines_and_for_the_pointer() -> None:
    moment = timezone.now() - timedelta(hours=2)
    local = timezone.localtime(moment)
    html = figures.ago(moment)
    assert f'datetime="{local.isoformat()}"' in html
    assert f'title="{local:%Y-%m-%d %H:%M:%S}"' in html


def test_what_never_happened_is_said_so() -> None:
    with translation.override("en"):
        assert figures.ago(None) == "never"
