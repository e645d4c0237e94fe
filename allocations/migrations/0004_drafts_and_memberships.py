"""A draft may lack figures; a removed member may be invited again, and nobody is in a project twice."""

import django.core.validators
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("allocations", "0003_ledger_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="membership",
            name="one_membership_per_address",
        ),
        migrations.AlterField(
            model_name="requestline",
            name="gpus_per_job",
            field=models.PositiveIntegerField(
                null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name="GPUs per job"
            ),
        ),
        migrations.AlterField(
            model_name="requestline",
            name="minutes_per_run",
            field=models.PositiveIntegerField(
                null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name="Minutes per run"
            ),
        ),
        migrations.AlterField(
            model_name="requestline",
            name="requested_gpu_seconds",
            field=models.BigIntegerField(null=True, verbose_name="Requested GPU time"),
        ),
        migrations.AlterField(
            model_name="requestline",
            name="runs",
            field=models.PositiveIntegerField(
                null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name="Runs"
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "removed"), _negated=True),
                fields=("project", "email"),
                name="one_current_membership_per_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")),
                fields=("project", "user"),
                name="one_active_membership_per_person",
            ),
        ),
    ]
