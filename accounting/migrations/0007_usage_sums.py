"""What was counted before gets its sums per day and account."""

from django.db import migrations

FILL = """
INSERT INTO accounting_usagesum (day, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
SELECT day, account_name, gpu_kind, sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usageday
GROUP BY day, account_name, gpu_kind
HAVING (sum(gpu_seconds), sum(cpu_seconds), sum(jobs)) != (0, 0, 0);
"""
EMPTY = "DELETE FROM accounting_usagesum;"


class Migration(migrations.Migration):
    dependencies = [("accounting", "0006_editions_append_only")]
    operations = [migrations.RunSQL(FILL, EMPTY)]
