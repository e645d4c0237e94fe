"""Slurm's counters held against the ledger."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounting", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="counter",
            name="agreed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Deviation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ahead", "Slurm's counter is too high"),
                            ("misplaced", "Use in an account without a limit"),
                        ],
                        max_length=10,
                    ),
                ),
                ("account_name", models.CharField(max_length=255)),
                ("since", models.DateTimeField()),
                ("counter_gpu_seconds", models.BigIntegerField()),
                ("ledger_gpu_seconds", models.BigIntegerField(default=0)),
                ("offset_gpu_seconds", models.BigIntegerField(default=0)),
                ("difference_gpu_seconds", models.BigIntegerField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("kind", "account_name"),
                        name="one_open_deviation",
                    )
                ],
            },
        ),
    ]
