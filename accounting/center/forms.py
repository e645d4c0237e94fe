"""The period that the center's figures are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from accounting.dashboard.forms import DEFAULT_DAYS, UseForm
from accounting.dashboard.period import Period, Step


class CenterForm(UseForm):
    """As on a project's usage page; what is not asked for properly shows the last weeks."""

    by = None  # type: ignore[assignment]

    def __init__(self, data: Mapping[str, Any], *, first_day: date | None, today: date) -> None:
        super().__init__(data, grant=None, since=min(first_day or today, today), today=today)

    def wanted(self) -> tuple[Period, Step]:
        if not self.is_valid():
            return self.default()
        period = self.cleaned_data["asked_period"]
        return period, period.step(self.cleaned_data["step"])

    def default(self) -> tuple[Period, Step]:
        """Also where what was asked for cannot be answered, so that the page beneath the form is never empty."""
        period = Period(self.today - timedelta(days=int(DEFAULT_DAYS) - 1), self.today)
        return period, period.step(Step.AUTO)
