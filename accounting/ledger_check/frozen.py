"""What is never changed: statements of closed months, and the tables that refuse changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext_noop as _

from accounting.ledger_check.findings import Checked
from accounting.models import Edition, Statement
from accounting.statements.content import Content, content_of
from allocations.models import LedgerEntry
from portal.events.models import Event

APPEND_ONLY = (Event, LedgerEntry, Statement, Edition)
# Bits of pg_trigger.tgtype: for each row, before it, DELETE and UPDATE.
REFUSES_CHANGES = 1 | 2 | 8 | 16
GUARDED_TABLES = """
SELECT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND proname = 'refuse_change' AND tgtype & %(bits)s = %(bits)s
"""


def statements(at: datetime) -> Checked:
    """Each adds up as it is frozen and goes on from the one before; numbers of a year have no gap."""
    found = Checked()
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    left: dict[int, dict[str, int]] = {}
    for statement in Statement.objects.order_by("project", "month").iterator():
        year, _dash, number = statement.number.rpartition("-")
        numbers[year].add(int(number))
        try:
            content = content_of(statement.figures)
        except (KeyError, TypeError, ValueError):
            found.look(False, _("Statement %(number)s cannot be read."), number=statement.number)
            continue
        _look_at_sums(found, statement, content)
        before = left.get(statement.project_id, {})
        found.look(
            {pool.code: pool.carried for pool in content.pools if pool.carried}
            == {code: amount for code, amount in before.items() if amount},
            _("Statement %(number)s does not go on from what the one before says is left."),
            number=statement.number,
        )
        left[statement.project_id] = {pool.code: pool.left for pool in content.pools}
    for year, given in sorted(numbers.items()):
        missing = set(range(1, max(given) + 1)) - given
        found.look(
            not missing,
            _("Numbers of statements of %(year)s are missing: %(numbers)s"),
            year=year,
            numbers=", ".join(f"{number:06d}" for number in sorted(missing)[:10]),
        )
    return found


def triggers(at: datetime) -> Checked:
    """The database itself refuses to change or delete what is only ever added to."""
    found = Checked()
    with connection.cursor() as cursor:
        cursor.execute(GUARDED_TABLES, {"bits": REFUSES_CHANGES})
        guarded = {table for (table,) in cursor.fetchall()}
    for model in APPEND_ONLY:
        found.look(
            model._meta.db_table in guarded,
            _("The table %(table)s no longer refuses changes: its trigger is missing or switched off."),
            table=model._meta.db_table,
        )
    return found


def _look_at_sums(found: Checked, statement: Statement, content: Content) -> None:
    for pool in content.pools:
        month = pool.closing.months.get(content.month, 0)
        found.look(
            not pool.unaccounted and pool.used == month,
            _("Statement %(number)s, %(pool)s: the columns are off by %(off)s GPU-seconds."),
            number=statement.number,
            pool=pool.code,
            off=pool.unaccounted or pool.used - month,
        )
    found.look(
        (content.used, content.corrected) == (statement.used_gpu_seconds, statement.corrections_gpu_seconds)
        and content.month == statement.month,
        _("Statement %(number)s: its sums are not those of its columns."),
        number=statement.number,
    )
