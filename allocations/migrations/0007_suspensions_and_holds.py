"""A suspension is a span of its own, so that use stays with the line that was open at its second. Accounts that are
parked were parked by the portal."""

from django.db import migrations


def carry_forward(apps, schema_editor):
    Suspension = apps.get_model("allocations", "Suspension")
    Hold = apps.get_model("allocations", "Hold")
    for grant in apps.get_model("allocations", "Grant").objects.filter(suspended_at__isnull=False):
        Suspension.objects.create(grant=grant, since=grant.suspended_at, reason=grant.suspended_reason)
    parked = apps.get_model("allocations", "Account").objects.filter(parked=True)
    Hold.objects.bulk_create(Hold(account=name) for name in parked.values_list("name", flat=True))


def carry_back(apps, schema_editor):
    """Spans that are over have no place in the former columns, and holds none at all."""
    Grant = apps.get_model("allocations", "Grant")
    Suspension = apps.get_model("allocations", "Suspension")
    for suspension in Suspension.objects.filter(until__isnull=True):
        Grant.objects.filter(pk=suspension.grant_id).update(
            suspended_at=suspension.since, suspended_reason=suspension.reason
        )
    Suspension.objects.filter(until__isnull=True).delete()
    apps.get_model("allocations", "Hold").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("allocations", "0006_provisioning")]

    operations = [
        migrations.RunPython(carry_forward, carry_back),
        migrations.RemoveField("grant", "suspended_at"),
        migrations.RemoveField("grant", "suspended_reason"),
    ]
