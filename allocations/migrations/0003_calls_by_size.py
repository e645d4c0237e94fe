"""Pools of a call become rows with hours, its number of reviews becomes a tier; every application knows since when
it is where it is. Data is carried over, both ways."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F


def carry_forward(apps, schema_editor):
    Call = apps.get_model("allocations", "Call")
    CallPool = apps.get_model("allocations", "CallPool")
    Tier = apps.get_model("allocations", "Tier")
    for call in Call.objects.prefetch_related("pools"):
        CallPool.objects.bulk_create(CallPool(call=call, pool=pool) for pool in call.pools.all())
        Tier.objects.create(
            call=call, name_ko="일반", name_en="Standard", route="full", reviews_needed=call.reviews_needed
        )


def carry_back(apps, schema_editor):
    Call = apps.get_model("allocations", "Call")
    for call in Call.objects.prefetch_related("offers", "tiers"):
        call.pools.set([offer.pool_id for offer in call.offers.all()])
        call.reviews_needed = max([tier.reviews_needed for tier in call.tiers.all()], default=1)
        call.save(update_fields=["reviews_needed"])


def since_last_change(apps, schema_editor):
    apps.get_model("allocations", "Application").objects.update(status_since=F("updated_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("allocations", "0002_ledger_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CallPool",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gpu_seconds", models.BigIntegerField(blank=True, null=True, verbose_name="GPU time given")),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="offers", to="allocations.call"
                    ),
                ),
                (
                    "pool",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="offers", to="allocations.pool"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name_ko", models.CharField(max_length=60, verbose_name="Korean name")),
                ("name_en", models.CharField(max_length=60, verbose_name="English name")),
                (
                    "upto_gpu_seconds",
                    models.BigIntegerField(blank=True, help_text="Empty: any amount.", null=True, verbose_name="up to"),
                ),
                ("route", models.CharField(default="full", max_length=12, verbose_name="route")),
                (
                    "reviews_needed",
                    models.PositiveSmallIntegerField(default=1, verbose_name="scientific reviews needed"),
                ),
                ("most_days", models.PositiveSmallIntegerField(default=366, verbose_name="longest period in days")),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tiers", to="allocations.call"
                    ),
                ),
            ],
        ),
        migrations.RunPython(carry_forward, carry_back),
        migrations.RemoveField(model_name="call", name="pools"),
        migrations.AddField(
            model_name="call",
            name="pools",
            field=models.ManyToManyField(
                related_name="calls", through="allocations.CallPool", to="allocations.pool", verbose_name="pools"
            ),
        ),
        migrations.RemoveField(model_name="call", name="reviews_needed"),
        migrations.AddField(model_name="application", name="status_since", field=models.DateTimeField(null=True)),
        migrations.RunPython(since_last_change, migrations.RunPython.noop),
        migrations.AlterField(model_name="application", name="status_since", field=models.DateTimeField()),
        migrations.RenameField(model_name="review", old_name="started_at", new_name="assigned_at"),
    ]
