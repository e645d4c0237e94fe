"""What the Event log says of accounting."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

PHRASES = {
    # refunds
    "refund.rule_set": _("Rule for refunds changed: %(states)s"),
    "refund.by_rule": _("Job %(job)s (%(state)s) refunded by rule: %(gpu_hours)s GPU-hours"),
    "refund.maintenance": _("%(jobs)s jobs of %(code)s refunded: %(gpu_hours)s GPU-hours (%(title)s)"),
    "refund.asked": _("Refund of job %(job)s of %(code)s asked for"),
    "refund.withdrawn": _("Request for a refund of job %(job)s of %(code)s withdrawn"),
    "refund.granted": _("Job %(job)s of %(code)s refunded: %(gpu_hours)s GPU-hours"),
    "refund.declined": _("Refund of job %(job)s of %(code)s declined"),
    "refund.followed": _("Refund of job %(job)s follows a correction: from %(before)s to %(after)s GPU-hours"),
    "job.corrected": _("Job %(job)s of %(account)s corrected from %(before)s to %(after)s GPU-seconds"),
    # Statements
    "statement.closed": _("Statement %(number)s of %(month)s closed"),
    "statement.closed_by_hand": _("Statement %(number)s of %(month)s closed by an operator: %(reason)s"),
    # Reports
    "edition.frozen": _("Report %(number)s frozen"),
    "target.set": _("Target of %(year)s for %(indicator)s: %(after)s (before: %(before)s)"),
    "target.removed": _("Target of %(year)s for %(indicator)s taken away (before: %(before)s)"),
    # Verification
    "usage.difference_accepted": _(
        "Difference of %(gpu_seconds)s GPU-seconds of %(user)s in %(account)s accepted: %(reason)s"
    ),
    # Rows of jobs
    "job.kept": _("Job %(job)s of %(account)s left at %(gpu_seconds)s GPU-seconds: %(reason)s"),
    "jobs.imported": _("%(rows)s job rows of %(cluster)s imported from %(file)s, %(changed)s new or changed"),
    "row.dismissed": _("Unreadable job row dismissed: %(reason)s"),
    "usage.sealed": _("Usage before %(before)s sealed"),
    "sealed_difference.applied": _(
        "Job %(job)s of %(account)s: %(gpu_seconds)s GPU-seconds entered on sealed days: %(reason)s"
    ),
    "sealed_difference.dismissed": _(
        "Job %(job)s of %(account)s: %(gpu_seconds)s GPU-seconds not entered on sealed days: %(reason)s"
    ),
    # Alerts
    "alerts.thresholds_set": _("Thresholds of the alerts of %(code)s set"),
    "alerts.thresholds_dropped": _("Thresholds of the alerts of %(code)s back to the center's"),
    "alerts.own_thresholds_set": _("Own thresholds of alerts in %(code)s set"),
    "alerts.own_thresholds_dropped": _("Own thresholds of alerts in %(code)s back to the project's"),
}
