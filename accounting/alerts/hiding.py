"""A person puts an alert away. What is worse of the same kind shows, whether it came already or comes later."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounting.alerts.words import strongest
from accounting.models import Alert, HiddenAlert
from portal.people.models import User


@transaction.atomic
def alert_hide(*, alert: Alert, by: User, at: datetime) -> None:
    """For this reader only, with what it stands for: the lower thresholds of its kind and pool that were passed too.
    Hiding it twice changes nothing."""
    same = Alert.objects.filter(project=alert.project, pool=alert.pool, kind=alert.kind, over_at=None)
    hidden = [HiddenAlert(alert=row, user=by, at=at) for row in same if strongest([alert, row]) == [alert]]
    HiddenAlert.objects.bulk_create(hidden, ignore_conflicts=True)
