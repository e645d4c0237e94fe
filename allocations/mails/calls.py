"""Mails to who has begun to apply, about the call itself."""

from __future__ import annotations

from datetime import datetime

from allocations.models import Application, Call
from allocations.workflow import ApplicationStatus
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def deadline_moved(call: Call, closed_at: datetime) -> None:
    """From `closed_at`: told once to everybody with a draft in the call, with a link to their latest."""
    drafts = Application.objects.filter(call=call, status=ApplicationStatus.DRAFT).select_related("applicant")
    for draft in drafts.order_by("applicant_id", "-updated_at").distinct("applicant_id"):
        link = link_to("application_edit", draft.pk)
        post(MailKind.STEP, draft.applicant, "mails/deadline_moved", link=link, call=call, closed_at=closed_at)
