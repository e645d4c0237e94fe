"""What is asked of one pool: a block of the form for each pool that the call offers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from allocations.calculators import PEAK_TFLOPS
from allocations.forms.amounts import GpuHoursField, HoursField, WholeNumberField
from allocations.models import Application, Pool, RequestLine
from allocations.services.drafts import DraftLine

FIGURES = ["gpus_per_job", "hours_per_run", "runs", "requested", "minimum"]


class PoolBlock(forms.Form):
    """Left blank, nothing is asked of the pool. Controls are called after it: `h100-runs`."""

    gpus_per_job = WholeNumberField(label=_("GPUs per job"), min_value=1, max_value=1000, required=False)
    hours_per_run = HoursField(label=_("Hours per run"), most=10_000, required=False)
    runs = WholeNumberField(label=_("Runs"), min_value=1, max_value=100_000, required=False)
    margin = WholeNumberField(label=_("Margin"), min_value=0, max_value=100, required=False)
    requested = GpuHoursField(
        label=_("Requested GPU-hours"),
        help_text=_("Filled in from the figures above; write another amount if you need more or less."),
        required=False,
    )
    minimum = GpuHoursField(
        label=_("Minimum useful amount"),
        help_text=_("With less than this the work could not be done. Empty: any amount helps."),
        required=False,
    )
    use_required_attribute = False

    def __init__(self, application: Application, pool: Pool, data: QueryDict | None = None) -> None:
        self.pool = pool
        self.line = next((line for line in application.lines.all() if line.pool_id == pool.pk), None)
        super().__init__(data, prefix=pool.code, initial=_initial(self.line))

    @property
    def product(self) -> int | None:
        return self.line.product_gpu_seconds if self.line else None

    @property
    def differs(self) -> bool:
        return self.product is not None and self.line is not None and self.product != self.line.requested_gpu_seconds

    @property
    def peak_tflops(self) -> int | None:
        """For the calculator; None for a GPU kind whose figure is not known here."""
        return PEAK_TFLOPS.get(self.pool.gpu_kind.lower())

    def draft(self) -> DraftLine | None:
        """What can be stored: every figure that is valid as written, the others as they were; None where blank."""
        if all(self._kept(name) is None for name in FIGURES):
            return None
        return DraftLine(
            pool=self.pool,
            gpus_per_job=self._kept("gpus_per_job"),
            minutes_per_run=self._kept("hours_per_run"),
            runs=self._kept("runs"),
            margin_percent=self._kept("margin") or 0,
            requested_gpu_seconds=self._requested(),
            minimum_gpu_seconds=self._kept("minimum"),
        )

    def _kept(self, name: str) -> Any:
        return self.initial.get(name) if name in self.errors else self.cleaned_data[name]

    def _requested(self) -> int | None:
        """The amount written. Without the live calculator, one that only repeated the old product follows the new."""
        requested = self._kept("requested")
        if self.data.get("calculator") == "live" or self.line is None or requested != self.line.product_gpu_seconds:
            return requested
        return None if requested == self.line.requested_gpu_seconds else requested


def _initial(line: RequestLine | None) -> dict[str, Any]:
    if line is None:
        return {}
    return {
        "gpus_per_job": line.gpus_per_job,
        "hours_per_run": line.minutes_per_run,
        "runs": line.runs,
        "margin": line.margin_percent or None,
        "requested": line.requested_gpu_seconds,
        "minimum": line.minimum_gpu_seconds,
    }
