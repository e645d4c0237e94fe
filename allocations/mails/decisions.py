"""Decision letters: one for each way an application can end, each with the one thing to do next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import translation

from allocations.models import Decision
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post, rendered

LETTERS = {
    Decision.Outcome.AWARDED: "mails/decided_selected",
    Decision.Outcome.PARTLY: "mails/decided_selected",
    Decision.Outcome.CONDITIONAL: "mails/decided_selected",
    Decision.Outcome.RESERVE: "mails/decided_reserve",
    Decision.Outcome.DECLINED: "mails/decided_declined",
}


def announced(decision: Decision) -> None:
    """To the applicant; reads `decision.application` as it stands after the announcement."""
    application = decision.application
    context = _context(decision, application.due_at)
    post(MailKind.DECISION, application.applicant, _template(decision), **context)


def letter(decision: Decision, due_at: datetime | None) -> tuple[str, str]:
    """Subject and text of the letter that would go out, in the applicant's language."""
    receiver = decision.application.applicant
    with translation.override(receiver.language):
        return rendered(_template(decision), receiver=receiver, **_context(decision, due_at))


def _template(decision: Decision) -> str:
    return LETTERS[Decision.Outcome(decision.outcome)]


def _context(decision: Decision, due_at: datetime | None) -> dict[str, Any]:
    application = decision.application
    page = "offer" if decision.selects else "application_detail"
    return {
        "link": link_to(page, application.pk),
        "application": application,
        "decision": decision,
        "due_at": due_at,
    }
