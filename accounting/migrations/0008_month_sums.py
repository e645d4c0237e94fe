"""Sums per month and account beside those per day."""

from django.db import migrations, models

FILL = """
INSERT INTO accounting_usagemonthsum (month, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
SELECT date_trunc('month', day::timestamp)::date, account_name, gpu_kind, sum(gpu_seconds), sum(cpu_seconds), sum(jobs)
FROM accounting_usagesum
GROUP BY 1, 2, 3;
"""


class Migration(migrations.Migration):
    dependencies = [("accounting", "0007_usage_sums")]
    operations = [
        migrations.CreateModel(
            name="UsageMonthSum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_name", models.CharField(max_length=255)),
                ("gpu_kind", models.CharField(max_length=60)),
                ("gpu_seconds", models.BigIntegerField()),
                ("cpu_seconds", models.BigIntegerField()),
                ("jobs", models.PositiveIntegerField()),
                ("month", models.DateField(help_text="its first day")),
            ],
            options={
                "ordering": ["month", "account_name", "gpu_kind"],
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["account_name", "month"],
                        include=("gpu_kind", "gpu_seconds", "cpu_seconds", "jobs"),
                        name="usage_month_sum_by_account",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month", "account_name", "gpu_kind"),
                        include=("gpu_seconds", "cpu_seconds", "jobs"),
                        name="usage_month_sum_once",
                    )
                ],
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
