"""What the operator has to look at or confirm before the worker goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("allocations", "0004_drafts_and_memberships")]

    operations = [
        migrations.RemoveField(model_name="cluster", name="driver_note"),
        migrations.AddField(
            model_name="cluster",
            name="driver_note",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="cluster",
            name="pausing_confirmed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cluster",
            name="pausing_waits",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="cluster",
            name="remarks",
            field=models.JSONField(default=list),
        ),
    ]
