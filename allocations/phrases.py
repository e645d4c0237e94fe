"""What the Event log says of applications, grants and Slurm accounts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

PHRASES = {
    "application.started": _("Application started"),
    "application.submitted": _("Application %(number)s submitted"),
    "application.withdrawn": _("Application withdrawn"),
    "review.started": _("Review of %(number)s started"),
    "review.submitted": _("Review of %(number)s submitted"),
    "application.awarded": _("Application %(number)s selected: %(gpu_hours)s GPU-hours"),
    "application.declined": _("Application %(number)s not selected"),
    "project.created": _("Project %(code)s created"),
    "grant.awarded": _("Grant of %(gpu_hours)s GPU-hours awarded"),
    "grant.suspended": _("Grant suspended: %(reason)s"),
    "grant.resumed": _("Grant resumed"),
    "member.invited": _("%(email)s invited"),
    "member.reminded": _("%(email)s invited again"),
    "member.joined": _("%(name)s joined as %(username)s"),
    "member.removed": _("%(name)s removed"),
    "person.username_chosen": _("Cluster user name %(username)s chosen"),
    "account.in_force": _("Limit of %(account)s in force in Slurm: %(gpu_hours)s GPU-hours"),
    "account.parked": _("%(account)s parked in Slurm: no grant is open, running jobs end"),
    "account.refused": _("Slurm refused a change of %(account)s: %(words)s"),
    "account.rebased": _("Offset of %(account)s set to %(gpu_hours)s GPU-hours: %(reason)s"),
    "cluster.writing_enabled": _("Writing to Slurm switched on"),
    "cluster.writing_disabled": _("Writing to Slurm switched off"),
    "cluster.pausing_confirmed": _("Pausing of many people in Slurm confirmed"),
}
