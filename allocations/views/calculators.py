"""The calculators as a page of their own, without JavaScript and without signing in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from allocations.calculators import PEAK_TFLOPS, USUAL_EFFICIENCY_PERCENT, runs_gpu_seconds, training_gpu_seconds
from allocations.forms.amounts import HoursField, WholeNumberField


class RunsForm(forms.Form):
    gpus = WholeNumberField(label=_("GPUs per job"), min_value=1, max_value=1000)
    hours = HoursField(label=_("Hours per run"), most=10_000)
    runs = WholeNumberField(label=_("Runs"), min_value=1, max_value=100_000)
    margin = WholeNumberField(label=_("Margin"), min_value=0, max_value=100, required=False)
    prefix = "runs"
    use_required_attribute = False

    def gpu_seconds(self) -> int:
        written = self.cleaned_data
        return runs_gpu_seconds(
            gpus=written["gpus"],
            minutes=written["hours"],
            runs=written["runs"],
            margin_percent=written["margin"] or 0,
        )


class TrainingForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("GPU kind"),
        choices=[(kind, f"{kind.upper()} ({peak:,} TFLOP/s)") for kind, peak in PEAK_TFLOPS.items()],
        initial="h100",
    )
    parameters = forms.DecimalField(
        label=_("Parameters in billions"), min_value=Decimal("0.001"), max_value=10_000, decimal_places=3
    )
    tokens = forms.DecimalField(
        label=_("Tokens in billions"), min_value=Decimal("0.001"), max_value=100_000, decimal_places=3
    )
    efficiency = WholeNumberField(
        label=_("Efficiency"),
        help_text=_("Share of the GPU's peak that training reaches; 30 to 45 percent is usual."),
        min_value=1,
        max_value=100,
        initial=USUAL_EFFICIENCY_PERCENT,
    )
    prefix = "training"
    use_required_attribute = False

    def gpu_seconds(self) -> int:
        written = self.cleaned_data
        return training_gpu_seconds(
            billion_parameters=written["parameters"],
            billion_tokens=written["tokens"],
            peak_tflops=PEAK_TFLOPS[written["kind"]],
            efficiency_percent=written["efficiency"],
        )


def calculator(request: HttpRequest) -> HttpResponse:
    context: dict[str, Any] = {}
    for name, kind in (("runs", RunsForm), ("training", TrainingForm)):
        sent = any(key.startswith(f"{name}-") for key in request.GET)
        form = kind(request.GET) if sent else kind()
        context[f"{name}_form"] = form
        context[f"{name}_result"] = form.gpu_seconds() if sent and form.is_valid() else None
    return render(request, "applications/calculator.html", context)
