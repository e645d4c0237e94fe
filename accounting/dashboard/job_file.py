"""Jobs as a CSV file, as they are asked for: streamed, so that a long list takes no memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounting.models import Job
from accounting.usage import seconds
from accounting.words import state_words
from portal.web.sheets import BYTE_ORDER_MARK, Echo, hours_cell, neutral

ROWS_AT_ONCE = 2000


def jobs_csv(parts: Sequence[QuerySet[Job]], pools: Mapping[str, str], names: Mapping[str, str]) -> Iterator[str]:
    """Lines of the file; `parts` as `jobs_asked_for` gives them, account by account."""
    writer = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(
        [_("Job"), _("Member"), _("User name"), _("Pool"), _("Partition"), _("State"), _("Slurm's state"),
         _("Submitted at"), _("Could have started"), _("Started at"), _("Ended at"), _("Waited (s)"), _("Ran for (s)"),
         _("Time limit (min)"), _("Number of GPUs"), _("Number of CPUs"), _("GPU-hours"), _("GPU-seconds"),
         _("Exit code")]
    )  # fmt: skip
    for part in parts:
        for job in part.iterator(chunk_size=ROWS_AT_ONCE):
            yield writer.writerow([neutral(cell) for cell in _cells(job, pools, names)])


def _cells(job: Any, pools: Mapping[str, str], names: Mapping[str, str]) -> list[Any]:
    ran = seconds(job.start, job.until) if job.start else 0
    who = [job.display_id, names.get(job.user, ""), job.user, pools[job.account], job.partition]
    moments = [_moment(moment) for moment in (job.submit, job.eligible, job.start, job.end)]
    asked = [job.waited, ran, job.time_limit_minutes, job.gpus, job.cpus]
    state = [str(state_words(job.state).words), job.state]
    return [*who, *state, *moments, *asked, hours_cell(job.gpu_seconds), job.gpu_seconds, job.exit_code]


def _moment(moment: datetime | None) -> str:
    return f"{localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else ""
