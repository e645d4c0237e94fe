"""A day and a time of day in Seoul that make one moment."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class TimeInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


def seoul(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=timezone.get_default_timezone())


def split(name: str, moment: datetime | None) -> dict[str, Any]:
    """Initial values of the fields `<name>_on` and `<name>_time`; none where there is no moment."""
    if moment is None:
        return {}
    local = timezone.localtime(moment, timezone.get_default_timezone())
    return {f"{name}_on": local.date(), f"{name}_time": local.time().replace(second=0, microsecond=0)}


def joined(cleaned: dict[str, Any], name: str) -> datetime | None:
    day, hour = cleaned.get(f"{name}_on"), cleaned.get(f"{name}_time")
    return seoul(day, hour) if day is not None and hour is not None else None
