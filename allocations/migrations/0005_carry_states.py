"""What was under review before the pipeline had steps stands where its reviews have brought it; decisions made before
were announced as they were made."""

from django.db import migrations
from django.db.models import F

LATER = ["returned", "technical", "review", "panel", "decided", "reserve"]


def carry_forward(apps, schema_editor):
    Application = apps.get_model("allocations", "Application")
    apps.get_model("allocations", "Decision").objects.update(announced_at=F("decided_at"), reason_code="merit")
    waiting = Application.objects.filter(status="submitted").prefetch_related("reviews", "call__tiers")
    for application in waiting:
        tier = application.call.tiers.first()
        submitted = [review for review in application.reviews.all() if review.submitted_at]
        needed = tier.reviews_needed if tier else 1
        application.tier = tier
        application.status = "panel" if len(submitted) >= needed else "review"
        application.save(update_fields=["tier", "status"])


def carry_back(apps, schema_editor):
    Application = apps.get_model("allocations", "Application")
    Application.objects.filter(status__in=LATER).update(status="submitted")
    Application.objects.filter(status__in=["ineligible", "turned_down", "lapsed"]).update(status="declined")


class Migration(migrations.Migration):
    dependencies = [("allocations", "0004_applying_and_reviewing")]

    operations = [migrations.RunPython(carry_forward, carry_back)]
