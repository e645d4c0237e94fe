"""Statements are append-only in the database itself; what was counted before gets its months and CPU-seconds."""

from datetime import date
from typing import Any

from django.db import connection, migrations

from accounting.history import recompute

CREATE = """
CREATE TRIGGER accounting_statement_append_only BEFORE UPDATE OR DELETE ON accounting_statement
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
DROP = "DROP TRIGGER accounting_statement_append_only ON accounting_statement;"

FILL = """
INSERT INTO accounting_usagemonth (month, account_id, account_name, user_name, gpu_kind, partition, state,
                                   provisional, gpu_seconds, cpu_seconds, jobs)
SELECT date_trunc('month', day::timestamp)::date, max(account_id), account_name, user_name, gpu_kind, partition, state,
       provisional, sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usageday
GROUP BY 1, account_name, user_name, gpu_kind, partition, state, provisional;
"""
EMPTY = "DELETE FROM accounting_usagemonth;"

# No value of the rows that are there changed just now. When one last did was when it was last stored.
CHANGED = "UPDATE accounting_job SET changed_at = last_seen_at;"


def count_cpu_seconds(apps: Any, schema_editor: Any) -> None:
    """Days of before have none, nor do they have jobs without GPUs: before a month is closed for good with that, all
    is counted anew, account by account. GPU-seconds come out as they were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT account FROM accounting_job")
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        recompute.clear()
        recompute.touch_all([name], date(1970, 1, 1), date(2100, 1, 1))
        recompute.recompute(all_months=True)


class Migration(migrations.Migration):
    dependencies = [("accounting", "0003_equal_to_slurm"), ("events", "0002_append_only")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL(FILL, EMPTY),
        migrations.RunSQL(CHANGED, migrations.RunSQL.noop),
        migrations.RunPython(count_cpu_seconds, migrations.RunPython.noop),
    ]
