"""What the Event log says of accounting."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

PHRASES = {
    "job.corrected": _("Job %(job)s of %(account)s corrected from %(before)s to %(after)s GPU-seconds"),
}
