"""A name on the cluster is asked for, approved, and found there. Names that people have already are in use."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def approve_present(apps, schema_editor):
    now = timezone.now()
    apps.get_model("people", "User").objects.filter(cluster_username__isnull=False).update(
        cluster_username_asked_at=now, cluster_username_approved_at=now, cluster_username_found_at=now
    )


class Migration(migrations.Migration):
    dependencies = [("people", "0002_roles_and_institutions")]

    operations = [
        *(
            migrations.AddField("user", f"cluster_username_{step}_at", models.DateTimeField(blank=True, null=True))
            for step in ("asked", "approved", "found", "lost")
        ),
        migrations.AddField(
            "user",
            "cluster_username_approved_by",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField("user", "cluster_username_refusal", models.CharField(blank=True, max_length=300)),
        migrations.AddField("user", "slurm_default_account", models.CharField(blank=True, max_length=255)),
        migrations.RunPython(approve_present, migrations.RunPython.noop),
    ]
