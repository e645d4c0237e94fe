"""What provisioning keeps for the whole life of a grant."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("allocations", "0005_carry_states"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="exhausted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="managed",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="account",
            name="parent",
            field=models.CharField(blank=True, max_length=31),
        ),
        migrations.AddField(
            model_name="cluster",
            name="ahead_in_slurm",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cluster",
            name="operations_seen",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="cluster",
            name="repairs_by_itself",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="cluster",
            name="sequence",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="grantline",
            name="settled_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="grantline",
            name="settled_gpu_seconds",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="operationrecord",
            name="by",
            field=models.CharField(default="worker", max_length=60),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("award", "Award"),
                    ("supplement", "Supplement"),
                    ("transfer", "Transfer"),
                    ("refund", "Refund"),
                    ("reduction", "Reduction"),
                    ("write_off", "Write-off"),
                    ("adjustment", "Adjustment"),
                    ("overrun", "Overrun carried over"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="operationrecord",
            name="account",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AlterField(
            model_name="operationrecord",
            name="duration_ms",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="operationrecord",
            name="person",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AlterField(
            model_name="operationrecord",
            name="succeeded",
            field=models.BooleanField(null=True),
        ),
        migrations.CreateModel(
            name="Association",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", models.CharField(max_length=255)),
                ("person", models.CharField(blank=True, max_length=255)),
                ("parent", models.CharField(blank=True, max_length=255)),
                ("gpu_minutes", models.DecimalField(decimal_places=0, max_digits=20, null=True)),
                ("group_jobs", models.BigIntegerField(null=True)),
                ("group_submit_jobs", models.BigIntegerField(null=True)),
                (
                    "qos",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), default=list, size=None
                    ),
                ),
                ("default_qos", models.CharField(blank=True, max_length=255)),
                ("lineage_ok", models.BooleanField(default=True)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["account", "person"],
                "constraints": [models.UniqueConstraint(fields=("account", "person"), name="association_once")],
            },
        ),
        migrations.CreateModel(
            name="DefaultAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("chosen_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="allocations.account"
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="default_account",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", models.CharField(max_length=255)),
                ("person", models.CharField(blank=True, max_length=255)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("account", "person"), name="one_hold_per_association")],
            },
        ),
        migrations.CreateModel(
            name="Rebase",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("fallen", "Slurm's counter fell"),
                            ("behind", "Slurm's counter lies below the ledger"),
                            ("caught_up", "Slurm's counter caught up again"),
                            ("overcount", "Slurm counted more than was used"),
                            ("adoption", "An account that was there before"),
                            ("operator", "Decided by an operator"),
                        ],
                        max_length=10,
                    ),
                ),
                ("before_gpu_seconds", models.BigIntegerField()),
                ("after_gpu_seconds", models.BigIntegerField()),
                ("counter_gpu_seconds", models.BigIntegerField(null=True)),
                ("ledger_gpu_seconds", models.BigIntegerField(null=True)),
                ("reason", models.CharField(max_length=300)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rebases", to="allocations.account"
                    ),
                ),
                (
                    "by",
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
            },
        ),
        migrations.CreateModel(
            name="Drift",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("limit", "Limit"),
                            ("stopped", "Stopped by hand"),
                            ("released", "Released by hand"),
                            ("qos", "QOS"),
                            ("added", "Added"),
                            ("removed", "Removed"),
                            ("parent", "Place in the tree"),
                            ("lineage", "Lineage"),
                        ],
                        max_length=10,
                    ),
                ),
                ("account", models.CharField(max_length=255)),
                ("person", models.CharField(blank=True, max_length=255)),
                ("expected", models.CharField(blank=True, max_length=300)),
                ("found", models.CharField(blank=True, max_length=300)),
                ("found_at", models.DateTimeField()),
                ("repair_asked_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("repaired", "Put right by the portal"),
                            ("vanished", "Put right by somebody"),
                            ("adopted", "Adopted"),
                        ],
                        max_length=10,
                    ),
                ),
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
                (
                    "ledger_entry",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocations.ledgerentry",
                    ),
                ),
            ],
            options={
                "ordering": ["-found_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("kind", "account", "person"),
                        name="one_open_drift",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MemberCap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gpu_seconds", models.BigIntegerField()),
                ("set_at", models.DateTimeField()),
                (
                    "membership",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="caps", to="allocations.membership"
                    ),
                ),
                (
                    "pool",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocations.pool"
                    ),
                ),
                (
                    "set_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["membership", "pool"],
                "constraints": [
                    models.UniqueConstraint(fields=("membership", "pool"), name="one_cap_per_member_and_pool"),
                    models.CheckConstraint(condition=models.Q(("gpu_seconds__gte", 0)), name="cap_is_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Overrun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gpu_seconds", models.BigIntegerField()),
                ("found_at", models.DateTimeField()),
                ("written_off_reason", models.CharField(blank=True, max_length=300)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "carried_to",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="carried_overruns",
                        to="allocations.grantline",
                    ),
                ),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="overruns", to="allocations.grantline"
                    ),
                ),
            ],
            options={
                "ordering": ["found_at", "pk"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("gpu_seconds__gt", 0)), name="overrun_is_positive"),
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)), fields=("line",), name="one_open_overrun"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StopOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("username", models.CharField(blank=True, max_length=31)),
                ("reason", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stop_orders",
                        to="allocations.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=("project", "username"),
                        name="one_stop_order_at_a_time",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Suspension",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(max_length=300)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="suspensions", to="allocations.grant"
                    ),
                ),
                (
                    "lifted_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["since", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("until__isnull", True)),
                        fields=("grant",),
                        name="one_lasting_suspension_per_grant",
                    )
                ],
            },
        ),
    ]
