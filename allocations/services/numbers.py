"""Numbers given in sequence within a year of Asia/Seoul. Call inside the transaction that uses the number."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import IntegerField, Max
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from allocations.models import Application, Project


def application_number(at: datetime) -> str:
    """`2026-0001`, the next of the year."""
    _one_at_a_time("application number")
    prefix = f"{_year(at)}-"
    numbered = Application.objects.filter(number__startswith=prefix)
    last = numbered.aggregate(last=Max(Cast(Substr("number", len(prefix) + 1), IntegerField())))["last"]
    return f"{prefix}{(last or 0) + 1:04d}"


def project_code(at: datetime) -> str:
    """`p26001`, the next of the year: also the project's account in Slurm."""
    _one_at_a_time("project code")
    prefix = f"p{_year(at) % 100:02d}"
    coded = Project.objects.filter(code__startswith=prefix)
    last = coded.aggregate(last=Max(Cast(Substr("code", len(prefix) + 1), IntegerField())))["last"]
    return f"{prefix}{(last or 0) + 1:03d}"


def _year(at: datetime) -> int:
    return timezone.localtime(at, timezone.get_default_timezone()).year


def _one_at_a_time(what: str) -> None:
    """Hold others who want the same kind of number until this transaction ends: no gap, no collision."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [what])
