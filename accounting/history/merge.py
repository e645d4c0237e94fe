"""Rows as Slurm gives them held against rows as stored, all of a window at once and inside the database.

Works in tables of the session (`incoming`, `judged`) that are empty again when the transaction ends.
"""

# ruff: noqa: S608 (statements are put together from the constants of this module)

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from io import BytesIO, StringIO
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from accounting.models import Job
from portal.slurm.types import JobRecord, UnreadableRow

KEY = ("cluster", "db_index")
TEXTS = ("display_id", "user", "account", "partition", "qos", "state", "exit_code")
MOMENTS = ("submit", "eligible", "start", "end")
NUMBERS = ("job_id", "gpus", "cpus", "time_limit_minutes")
# What slurmdbd says of a row.
FIELDS = (*TEXTS, *MOMENTS, *NUMBERS, "gpu_kinds", "final")

# What the database refuses of a single row: too long, out of range, a NUL in a text, too many digits.
POISON = (DataError, IntegrityError, ValueError, ArithmeticError)


class Verdict(StrEnum):
    """What a row means for the job of the same key as it is stored."""

    NEW = "new"
    CHANGED = "changed"
    # Nothing new but that it still runs.
    OPEN = "open"
    # It would make a finished job cheaper, or open again: kept beside the job until an operator decides.
    HELD = "held"
    # Slurm says again what is stored of a held job.
    RELEASED = "released"
    SAME = "same"
    # Not to be stored, since its days are sealed (accounting/history/seals.py).
    SEALED = "sealed"


def names(columns: Iterable[str], of: str = "") -> str:
    """Quoted for SQL, each with the table's alias in front where it is given."""
    return ", ".join(f'{of}."{column}"' if of else f'"{column}"' for column in columns)


# Moments come as seconds since 1970, which both sides make and read far faster than text.
SECONDS = ", ".join(f'ALTER COLUMN "{column}" TYPE double precision USING NULL' for column in MOMENTS)
ROWS = ", ".join(
    f'to_timestamp("{column}") AS "{column}"' if column in MOMENTS else f'"{column}"' for column in (*KEY, *FIELDS)
)
OTHERS = [field.column for field in Job._meta.concrete_fields if field.column not in {*KEY, *FIELDS}]
TABLES = f"""
    CREATE TEMP TABLE incoming (LIKE accounting_job INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS;
    ALTER TABLE incoming {", ".join(f'DROP COLUMN "{column}"' for column in OTHERS)}, {SECONDS};
    CREATE TEMP TABLE judged ON COMMIT DELETE ROWS AS
        SELECT {ROWS}, NULL::bigint AS old_id, NULL::text AS verdict FROM incoming WITH NO DATA;
"""
COPY = f"""
    COPY incoming ({names([*KEY, *FIELDS])}) FROM STDIN
    WITH (FORMAT csv, FORCE_NOT_NULL ({names(["cluster", *TEXTS])}))
"""
# Of finished rows: of such that run on nobody says how long.
CHARGED = 'coalesce({0}.gpus * greatest(0, floor(extract(epoch FROM {0}."end" - {0}.start))), 0)'
# OFFSET 0 keeps the search for stored rows one by their key each: what it costs does not grow with the history.
JUDGE = f"""
    INSERT INTO judged
    SELECT i.*, o.id, CASE
        WHEN o.id IS NULL THEN '{Verdict.NEW}'
        WHEN o.final AND (NOT i.final OR {CHARGED.format("i")} < {CHARGED.format("o")}) THEN '{Verdict.HELD}'
        WHEN ({names(FIELDS, "i")}) IS DISTINCT FROM ({names(FIELDS, "o")}) THEN '{Verdict.CHANGED}'
        WHEN o.held IS NOT NULL THEN '{Verdict.RELEASED}'
        WHEN NOT o.final THEN '{Verdict.OPEN}'
        ELSE '{Verdict.SAME}' END
    FROM (SELECT {ROWS} FROM incoming) i LEFT JOIN LATERAL (
        SELECT * FROM accounting_job WHERE (cluster, db_index) = (i.cluster, i.db_index) OFFSET 0
    ) o ON true
"""
# Where the operator has decided already, the row is no news.
ACCEPT = f"UPDATE judged SET verdict = '{Verdict.CHANGED}' WHERE verdict = '{Verdict.HELD}'"
COUNT = "SELECT verdict, count(*) FROM judged GROUP BY verdict"
NEWS = f"""
    SELECT account FROM judged WHERE verdict IN ('{Verdict.NEW}', '{Verdict.CHANGED}')
    UNION SELECT o.account FROM judged JOIN accounting_job o ON o.id = old_id WHERE verdict = '{Verdict.CHANGED}'
"""
# Whoever stores has the turn (alone.py): a row that is new when it is judged is so when it is written.
MERGE = f"""
    INSERT INTO accounting_job ({names([*KEY, *FIELDS])}, first_seen_at, last_seen_at, changed_at)
    SELECT {names([*KEY, *FIELDS])}, %(at)s, %(at)s, %(at)s FROM judged WHERE verdict = '{Verdict.NEW}';

    UPDATE accounting_job o
    SET ({names([*FIELDS, "last_seen_at", "changed_at"])}) = ({names(FIELDS, "j")}, %(at)s, %(at)s),
        held = NULL, held_at = NULL
    FROM judged j WHERE j.verdict = '{Verdict.CHANGED}' AND o.id = j.old_id;

    UPDATE accounting_job SET last_seen_at = %(at)s, held = NULL, held_at = NULL
    WHERE id = ANY(ARRAY(SELECT old_id FROM judged WHERE verdict IN ('{Verdict.OPEN}', '{Verdict.RELEASED}')))
"""
HOLD = f"""
    UPDATE accounting_job o SET held = j.said, held_at = %(at)s
    FROM (
        SELECT old_id, to_jsonb(judged) - ARRAY['cluster', 'db_index', 'old_id', 'verdict'] AS said
        FROM judged WHERE verdict = '{Verdict.HELD}'
    ) j
    WHERE o.id = j.old_id AND o.held IS DISTINCT FROM j.said
"""


def clear() -> None:
    """The tables, empty: also where an earlier merge was part of the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_temp.judged') IS NULL")
        cursor.execute(TABLES if cursor.fetchone()[0] else "DELETE FROM incoming; DELETE FROM judged")


def load(records: Sequence[JobRecord]) -> list[UnreadableRow]:
    """Into `incoming`, but for rows that the database refuses: these come back, each with the reason."""
    try:
        with transaction.atomic():
            _copy(records)
        return []
    except POISON as error:
        if len(records) == 1:
            return [UnreadableRow(text=str(records[0]), reason=f"{type(error).__name__}: {error}")]
    middle = len(records) // 2
    return load(records[:middle]) + load(records[middle:])


def judge(*, accept: bool = False) -> None:
    """Say of each row in `incoming` what it means. `accept`: nothing is held."""
    with connection.cursor() as cursor:
        cursor.execute(JUDGE)
        if accept:
            cursor.execute(ACCEPT)


def counts() -> Mapping[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        return dict(cursor.fetchall())


def news() -> set[str]:
    """Accounts with a job that is new or has changed, by its old values and its new ones. Before `merge`."""
    with connection.cursor() as cursor:
        cursor.execute(NEWS)
        return {account for (account,) in cursor.fetchall()}


def merge(at: datetime) -> int:
    """Write what is new of the jobs; how many were newly held. Rows that say nothing new are not touched."""
    with connection.cursor() as cursor:
        cursor.execute(MERGE, {"at": at})
        cursor.execute(HOLD, {"at": at})
        return cursor.rowcount


def _copy(records: Iterable[JobRecord]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(_values(row) for row in records)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(COPY, BytesIO(text.getvalue().encode()))


def _values(row: JobRecord) -> tuple[Any, ...]:
    """In the order of COPY."""
    return (
        row.cluster,
        row.db_index,
        row.display_id,
        row.user,
        row.account,
        row.partition,
        row.qos,
        row.state,
        row.exit_code,
        row.submit.timestamp(),
        row.eligible and row.eligible.timestamp(),
        row.start and row.start.timestamp(),
        row.end and row.end.timestamp(),
        row.job_id,
        row.gpus,
        row.cpus,
        row.time_limit_minutes,
        _json(tuple(row.gpu_kinds.items())),
        row.final,
    )


@lru_cache(maxsize=1000)
def _json(items: tuple[tuple[str, int], ...]) -> str:
    """A cluster has few kinds of GPU, and its jobs few numbers of them."""
    return json.dumps(dict(items))
