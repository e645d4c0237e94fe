"""What was handed in, each time, and what changed in between. The only reader of a version's snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import formats
from django.utils.translation import gettext as _

from allocations.fields import FIELDS, Field, Kind
from allocations.fields.values import is_empty, shown, value_of
from allocations.forms.amounts import hours_of
from allocations.models import Application, ApplicationVersion, Pool, RequestLine
from portal.web.templatetags.figures import gpu_hours

Snapshot = dict[str, Any]


@transaction.atomic
def version_store(*, application: Application, at: datetime) -> ApplicationVersion:
    """Keep what is handed in now as the application's next version."""
    number = application.versions.count() + 1
    return ApplicationVersion.objects.create(
        application=application, number=number, snapshot=snapshot_of(application), submitted_at=at
    )


def snapshot_of(application: Application) -> Snapshot:
    """Everything the applicant wrote, as JSON: a value for each field of allocations/fields that has one."""
    values: Snapshot = {}
    for field in FIELDS:
        if field.kind != Kind.BLOCK:
            value = value_of(application, field)
            values[field.name] = value.isoformat() if isinstance(value, date) else value
    return values | _blocks(application)


def _blocks(application: Application) -> Snapshot:
    return {
        "need": [_line(line) for line in application.lines.select_related("pool")],
        "members": [
            {"email": member.email, "name": member.name, "cluster_username": member.cluster_username}
            for member in application.proposed_members.all()
        ],
        "delegate": [{"name": application.delegate_name, "email": application.delegate_email}]
        if application.delegate_name or application.delegate_email
        else [],
        "related_grants": [
            {
                "number": grant.number,
                "agency": grant.agency,
                "title": grant.title,
                "ends_on": grant.ends_on.isoformat() if grant.ends_on else None,
            }
            for grant in application.related_grants.all()
        ],
        "attachments": [
            {"name": file.name, "size": file.size, "blind": file.blind, "key": file.pk}
            for file in application.attachments.all()
        ],
        "consents": _consents(application),
    }


def _consents(application: Application) -> list[Snapshot]:
    """The last answer to each text: what somebody answered first and then changed their mind about is history."""
    last = {row.text.code: row for row in application.consents.select_related("text")}
    return [
        {"code": code, "version": row.text.version, "title": str(row.text), "given": row.given}
        for code, row in sorted(last.items(), key=lambda item: item[1].text.position)
    ]


def _line(line: RequestLine) -> Snapshot:
    return {
        "pool": line.pool.code,
        "gpus_per_job": line.gpus_per_job,
        "minutes_per_run": line.minutes_per_run,
        "runs": line.runs,
        "margin_percent": line.margin_percent,
        "requested_gpu_seconds": line.requested_gpu_seconds,
        "minimum_gpu_seconds": line.minimum_gpu_seconds,
    }


def version_differences(old: ApplicationVersion, new: ApplicationVersion) -> list[tuple[str, str, str]]:
    """Label, text before and text after of every field that differs between two versions, in the form's order."""
    return _differences(old.snapshot, new.snapshot)


def changed_since_submission(application: Application) -> list[tuple[str, str, str]]:
    """The same, between what was handed in last and what is written now; nothing where nothing was handed in yet."""
    last = application.versions.last()
    return _differences(last.snapshot, snapshot_of(application)) if last else []


def _differences(old: Snapshot, new: Snapshot) -> list[tuple[str, str, str]]:
    pools = pool_names()
    rows = []
    for field in FIELDS:
        before, after = old.get(field.name), new.get(field.name)
        # A step that was opened leaves "" where there was nothing: nobody has changed that.
        if before != after and not (is_empty(before) and is_empty(after)):
            rows.append((str(field.label), text_of(field, before, pools), text_of(field, after, pools)))
    return rows


def pool_names() -> dict[str, str]:
    return {pool.code: pool.name for pool in Pool.objects.all()}


def text_of(field: Field, value: Any, pools: Mapping[str, str]) -> str:
    """A snapshot's value of a field as text, a line for each row of a block."""
    if field.kind != Kind.BLOCK:
        return shown(field, value)
    row_text = {
        "need": lambda row: line_text(row, pools),
        "members": lambda row: " · ".join(filter(None, [row["name"], row["email"], row["cluster_username"]])),
        "delegate": lambda row: " · ".join(filter(None, [row["name"], row["email"]])),
        "related_grants": grant_text,
        "attachments": lambda row: row["name"],
        "consents": consent_text,
    }[field.name]
    return "\n".join(row_text(row) for row in value or [])


def consent_text(row: Snapshot) -> str:
    answer = _("agreed") if row["given"] else _("not agreed")
    return f"{row['title']}: {answer}"


def line_text(row: Snapshot, pools: Mapping[str, str]) -> str:
    """`H100 80GB: 1,056 GPU-hours (4 GPUs × 12 h × 20 runs + 10 %), at least 500 GPU-hours`."""
    pool = pools.get(row["pool"], row["pool"])
    asked = _("%(pool)s: %(hours)s GPU-hours") % {"pool": pool, "hours": gpu_hours(row["requested_gpu_seconds"])}
    figures = ""
    if row["gpus_per_job"] and row["minutes_per_run"] and row["runs"]:
        text = _("%(gpus)s GPUs × %(hours)s h × %(runs)s runs") % {
            "gpus": row["gpus_per_job"],
            "hours": hours_of(row["minutes_per_run"]),
            "runs": f"{row['runs']:,}",
        }
        margin = f" + {row['margin_percent']} %" if row["margin_percent"] else ""
        figures = f" ({text}{margin})"
    least = ""
    if row["minimum_gpu_seconds"]:
        least = ", " + _("at least %(hours)s GPU-hours") % {"hours": gpu_hours(row["minimum_gpu_seconds"])}
    return asked + figures + least


def grant_text(row: Snapshot) -> str:
    until = formats.date_format(date.fromisoformat(row["ends_on"])) if row["ends_on"] else ""
    return " · ".join(filter(None, [row["number"], row["agency"], row["title"], until]))
