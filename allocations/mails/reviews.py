"""Mails to reviewers about reviews. They name an application by number and title alone: the call may be blind."""

from __future__ import annotations

from allocations.models import Review
from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def assigned(reviewer: User, reviews: list[Review]) -> None:
    """One mail, however many reviews were assigned at once."""
    one = reviews[0] if len(reviews) == 1 else None
    post(
        MailKind.TASK,
        reviewer,
        "mails/reviews_assigned",
        link=link_to("review", one.application_id) if one else link_to("review_queue"),
        reviews=reviews,
        one=one,
    )


def released(review: Review) -> None:
    post(MailKind.TASK, review.reviewer, "mails/review_released", link=link_to("review_queue"), review=review)


def prolonged(review: Review) -> None:
    link = link_to("review", review.application_id)
    post(MailKind.TASK, review.reviewer, "mails/review_prolonged", link=link, review=review)
