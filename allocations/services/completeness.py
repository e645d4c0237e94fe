"""What an application needs before it can be submitted. Drafts may lack anything; this lists all of it at once."""

from __future__ import annotations

from datetime import date

from django.utils.translation import gettext as _

from allocations.models import Application, RequestLine
from allocations.services.outcomes import Problem

REQUIRED_TEXTS = ["title_ko", "title_en", "summary", "purpose"]


def problems(application: Application, today: date) -> list[Problem]:
    """Every reason why the application cannot be submitted, in the order of the form's fields."""
    return [*_text_problems(application), *_request_problems(application), *_period_problems(application, today)]


def _text_problems(application: Application) -> list[Problem]:
    missing = {
        "title_ko": _("Write the project title in Korean."),
        "title_en": _("Write the project title in English."),
        "summary": _("Write a summary."),
        "purpose": _("Describe purpose and method."),
    }
    return [Problem(field, missing[field]) for field in REQUIRED_TEXTS if not getattr(application, field).strip()]


def _request_problems(application: Application) -> list[Problem]:
    line = application.lines.select_related("pool").first()
    if line is None:
        return [Problem("pool", _("Choose a GPU kind."))]
    found = []
    if not application.call.pools.filter(pk=line.pool_id).exists():
        found.append(Problem("pool", _("This call offers no %(pool)s. Choose another GPU kind.") % {"pool": line.pool}))
    return [*found, *_figure_problems(line)]


def _figure_problems(line: RequestLine) -> list[Problem]:
    found = []
    if not line.gpus_per_job:
        found.append(Problem("gpus_per_job", _("Say how many GPUs one job uses.")))
    elif line.gpus_per_job > line.pool.most_gpus_per_job:
        text = _("A job may use at most %(most)s GPUs of %(pool)s.")
        found.append(Problem("gpus_per_job", text % {"most": line.pool.most_gpus_per_job, "pool": line.pool}))
    if not line.minutes_per_run:
        found.append(Problem("hours_per_run", _("Say how long one run takes.")))
    if not line.runs:
        found.append(Problem("runs", _("Say how many runs you plan.")))
    if not line.requested_gpu_seconds:
        found.append(Problem("requested_hours", _("Say how many GPU-hours you request.")))
    return found


def _period_problems(application: Application, today: date) -> list[Problem]:
    found = []
    if application.starts_on is None:
        found.append(Problem("starts_on", _("Choose the first day.")))
    if application.ends_on is None:
        found.append(Problem("ends_on", _("Choose the last day.")))
    elif application.ends_on <= today:
        found.append(Problem("ends_on", _("The last day must be in the future.")))
    elif application.starts_on is not None and application.ends_on < application.starts_on:
        found.append(Problem("ends_on", _("The last day must not be before the first.")))
    return found
