"""The page that shows every part of the design system, for whoever builds or checks a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SCORES = {
    5: gettext_lazy("Excellent"),
    4: gettext_lazy("Very good"),
    3: gettext_lazy("Good"),
    2: gettext_lazy("Fair"),
    1: gettext_lazy("Weak"),
    0: gettext_lazy("Not adequate"),
}
# A Sunday and the days after it.
WEEK = [date(2026, 7, 5) + timedelta(days=number) for number in range(7)]
BADGES = ("neutral", "info", "pending", "success", "warning", "danger")


class ExampleForm(forms.Form):
    """One field of each kind."""

    title = forms.CharField(label=gettext_lazy("Project title"), help_text=gettext_lazy("As it should be published."))
    hours = forms.IntegerField(label=gettext_lazy("Requested amount"), min_value=1)
    pool = forms.ChoiceField(label=gettext_lazy("GPU kind"), choices=[("h100", "H100"), ("a100", "A100")])
    summary = forms.CharField(label=gettext_lazy("Summary"), widget=forms.Textarea, required=False)
    score = forms.ChoiceField(label=gettext_lazy("Merit"), choices=[*SCORES.items()], widget=forms.RadioSelect)
    plan = forms.FileField(label=gettext_lazy("Attachment"), required=False, widget=forms.FileInput)
    agree = forms.BooleanField(label=gettext_lazy("I have no conflict of interest."))


class ExampleFilters(forms.Form):
    """What a list or a chart is narrowed down by; the choice stands in the address."""

    pool = ExampleForm.base_fields["pool"]
    first = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


@dataclass(frozen=True)
class ExampleUsage:
    member: str
    gpu_seconds: int


def components(request: HttpRequest) -> HttpResponse:
    """Every component once, with its markup to be read in templates/components.html."""
    usage = [ExampleUsage("김연구", 1_234 * 3600), ExampleUsage("Alice Lee", 456 * 3600), ExampleUsage("박해양", 9_000)]
    context = {
        "form": ExampleForm(),
        "faulty": ExampleForm({"title": "", "hours": "0", "pool": "h100"}, prefix="faulty"),
        "filters": ExampleFilters(prefix="filters"),
        "weeks": [(date_format(day, "D"), [(day.day * week) % 5 for week in range(1, 27)]) for day in WEEK],
        "badges": BADGES,
        "usage": usage,
        "most": usage[0].gpu_seconds,
        "total": sum(row.gpu_seconds for row in usage),
        "awarded": 5_000 * 3600,
        "then": timezone.now() - timedelta(minutes=3),
        "page": Paginator(range(200), 10).page(4),
        "figure": _figure(),
        "command": "sbatch --account=p26001-h100 --partition=h100 --gpus=1 --time=01:00:00 job.sh",
    }
    return render(request, "components.html", context)


def _figure() -> dict[str, Any]:
    days = [f"2026-07-{day:02}" for day in range(1, 31)]
    used = [round(day**1.6) * 10 for day in range(30)]
    line = {"type": "scatter", "mode": "lines", "x": days}
    return {
        "data": [
            line | {"y": used, "name": _("Used"), "line": {"color": "var(--series-1)", "width": 3}},
            line
            | {
                "y": [day * 80 for day in range(30)],
                "name": _("Linear plan"),
                "line": {"color": "var(--chart-plan)", "dash": "dash"},
            },
        ],
        "layout": {"yaxis": {"title": {"text": _("GPU-hours")}}},
    }
