"""Numbers given in sequence within a year of Asia/Seoul. Call inside the transaction that uses the number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import IntegerField, Max, QuerySet
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from allocations.models import Application, Project


def application_number(at: datetime) -> str:
    """`2026-0001`, the next of the year."""
    return next_number(Application.objects.all(), "number", f"{year_of(at)}-", digits=4)


def project_code(at: datetime) -> str:
    """`p26001`, the next of the year: also the project's account in Slurm."""
    return next_number(Project.objects.all(), "code", f"p{year_of(at) % 100:02d}", digits=3)


def next_number(rows: QuerySet[Any], field: str, prefix: str, *, digits: int) -> str:
    """The prefix with the number after the highest that a row bears with it."""
    _one_at_a_time(f"{rows.model._meta.label} {field}")
    numbered = rows.filter(**{f"{field}__startswith": prefix})
    last = numbered.aggregate(last=Max(Cast(Substr(field, len(prefix) + 1), IntegerField())))["last"]
    return f"{prefix}{(last or 0) + 1:0{digits}d}"


def year_of(at: datetime) -> int:
    return timezone.localtime(at, timezone.get_default_timezone()).year


def _one_at_a_time(what: str) -> None:
    """Hold others who want the same kind of number until this transaction ends: no gap, no collision."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [what])
