"""What an application needs before it can be submitted. Drafts may lack anything; this lists all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import Sum
from django.utils.translation import gettext as _

from allocations import business_number
from allocations.fields import Field, Kind, Level, fields_of, sections_of
from allocations.fields.values import firm_of, is_empty, value_of
from allocations.models import Application, ConsentText, RequestLine, Tier
from allocations.services.consents import refused_texts, texts_for
from allocations.services.outcomes import Problem
from allocations.workflow import CLOSED, HANDED_IN, ApplicationStatus
from portal.web.templatetags.figures import gpu_hours

MOST_NAMED_REVIEWERS = 3
MOST_KEYWORDS = 8


@dataclass(frozen=True, slots=True)
class Completeness:
    """Every problem in the order of the form, and how many required parts the form has and lacks."""

    problems: list[Problem]
    required: int
    lacking: int

    @property
    def percent(self) -> int:
        """Of the required parts; 100 only where nothing keeps the application from being submitted."""
        return 100 * (self.required - self.lacking) // self.required if self.required else 100

    def missing(self, section: str) -> int:
        return sum(problem.section == section for problem in self.problems)


def completeness(application: Application, today: date) -> Completeness:
    """What is there and what is not, in a number of queries that does not depend on what is written."""
    found: list[Problem] = []
    required = lacking = 0
    for section in sections_of(application):
        for field, level in fields_of(application.call, section):
            problems_here = list(_check(application, field, level, today))
            found += problems_here
            lacking += bool(problems_here)
            required += level == Level.REQUIRED or bool(problems_here)
    return Completeness(found, required, lacking)


def problems(application: Application, today: date) -> list[Problem]:
    """Every reason why the application cannot be submitted, in the order of the form's fields."""
    return completeness(application, today).problems


def tier_for(application: Application, gpu_seconds: int | None = None) -> Tier | None:
    """The first tier of the call that holds what is asked for; None where the call has none or none does."""
    asked = application.requested_gpu_seconds if gpu_seconds is None else gpu_seconds
    return next((tier for tier in application.call.tiers.all() if tier.holds(asked)), None)


def _check(application: Application, field: Field, level: Level, today: date) -> Iterator[Problem]:
    special = SPECIAL.get(field.name)
    if field.kind != Kind.BLOCK:
        value = value_of(application, field)
        if is_empty(value):
            if level == Level.REQUIRED:
                yield Problem(field.name, _missing(field), field.section)
        elif field.kind == Kind.TEXT and len(str(value)) > field.max_length:
            text = _("“%(label)s” is too long: %(length)s characters, at most %(most)s.")
            told = {"label": field.label, "length": f"{len(value):,}", "most": f"{field.max_length:,}"}
            yield Problem(field.name, text % told, field.section)
    if special is not None:
        for name, message in special(application, level, today):
            yield Problem(name, message, field.section)


def _missing(field: Field) -> str:
    template = _("Choose: %(label)s.") if field.kind in {Kind.CHOICE, Kind.SEVERAL} else _("Fill in: %(label)s.")
    return template % {"label": field.label}


Found = Iterator[tuple[str, str]]


def _need(application: Application, level: Level, today: date) -> Found:
    lines = list(application.lines.select_related("pool"))
    if not lines:
        first = application.call.pools.first()
        yield f"{first.code}-gpus_per_job" if first else "need", _("Ask for GPU time in at least one GPU kind.")
        return
    offers = {offer.pool_id: offer.gpu_seconds for offer in application.call.offers.all()}
    for line in lines:
        yield from _line(line)
        if line.pool_id not in offers:
            text = _("This call offers no %(pool)s. Choose another GPU kind.")
            yield f"{line.pool.code}-requested", text % {"pool": line.pool}
        most = offers.get(line.pool_id)
        if most is not None and (line.requested_gpu_seconds or 0) > most:
            text = _("This call has %(most)s GPU-hours of %(pool)s in all.")
            yield f"{line.pool.code}-requested", text % {"most": gpu_hours(most), "pool": line.pool}
    yield from _size(application, f"{lines[0].pool.code}-requested")


def _line(line: RequestLine) -> Found:
    code, pool = line.pool.code, line.pool
    if not line.gpus_per_job:
        yield f"{code}-gpus_per_job", _("%(pool)s: say how many GPUs one job uses.") % {"pool": pool}
    elif line.gpus_per_job > pool.most_gpus_per_job:
        text = _("A job may use at most %(most)s GPUs of %(pool)s.")
        yield f"{code}-gpus_per_job", text % {"most": pool.most_gpus_per_job, "pool": pool}
    if not line.minutes_per_run:
        yield f"{code}-hours_per_run", _("%(pool)s: say how long one run takes.") % {"pool": pool}
    if not line.runs:
        yield f"{code}-runs", _("%(pool)s: say how many runs you plan.") % {"pool": pool}
    if not line.requested_gpu_seconds:
        yield f"{code}-requested", _("%(pool)s: say how many GPU-hours you request.") % {"pool": pool}
    elif (line.minimum_gpu_seconds or 0) > line.requested_gpu_seconds:
        text = _("%(pool)s: the minimum useful amount is more than what you request.")
        yield f"{code}-minimum", text % {"pool": pool}


def _size(application: Application, control: str) -> Found:
    """What all pools together may come to: the largest tier, and what one person may ask for in the call."""
    asked = application.requested_gpu_seconds
    tiers = list(application.call.tiers.all())
    if tiers and not any(tier.holds(asked) for tier in tiers):
        most = max(tier.upto_gpu_seconds or 0 for tier in tiers)
        yield control, _("This call takes at most %(most)s GPU-hours in one application.") % {"most": gpu_hours(most)}
    cap = application.call.most_gpu_seconds_per_person
    if cap is not None and asked + _asked_elsewhere(application) > cap:
        text = _("One applicant may ask for at most %(most)s GPU-hours in this call, all applications together.")
        yield control, text % {"most": gpu_hours(cap)}


def _asked_elsewhere(application: Application) -> int:
    """GPU-seconds that the applicant's other applications in the call still ask for."""
    alive = HANDED_IN - (CLOSED - {ApplicationStatus.AWARDED})
    others = RequestLine.objects.filter(
        application__call=application.call,
        application__applicant=application.applicant_id,
        application__status__in=alive,
    ).exclude(application=application)
    return others.aggregate(asked=Sum("requested_gpu_seconds"))["asked"] or 0


def _last_day(application: Application, level: Level, today: date) -> Found:
    starts_on, ends_on = application.starts_on, application.ends_on
    if ends_on is None:
        return
    if ends_on <= today:
        yield "ends_on", _("The last day must be in the future.")
    elif starts_on is not None and ends_on < starts_on:
        yield "ends_on", _("The last day must not be before the first.")
    elif starts_on is not None:
        tier = tier_for(application)
        if tier is not None and (ends_on - starts_on).days + 1 > tier.most_days:
            yield "ends_on", _("The period may have at most %(days)s days.") % {"days": tier.most_days}


def _delegate(application: Application, level: Level, today: date) -> Found:
    """Named wherever the whole way is gone, so that no large project is orphaned."""
    tier = tier_for(application)
    whole_way = tier is None or tier.route == Tier.Route.FULL
    written = application.delegate_name.strip() or application.delegate_email
    if not written and not (level == Level.REQUIRED or whole_way):
        return
    if not application.delegate_name.strip():
        yield "delegate_name", _("Write the delegate's name.")
    if not application.delegate_email:
        yield "delegate_email", _("Write the delegate's e-mail address.")
    elif application.delegate_email.lower() == application.applicant.email.lower():
        yield "delegate_email", _("The delegate must be somebody else than you.")


def _members(application: Application, level: Level, today: date) -> Found:
    if level == Level.REQUIRED and not application.proposed_members.exists():
        yield "members-0-email", _("Name at least one member.")


def _related_grants(application: Application, level: Level, today: date) -> Found:
    if level == Level.REQUIRED and not application.related_grants.exists():
        yield "grants-0-number", _("Name at least one related grant.")


def _attachments(application: Application, level: Level, today: date) -> Found:
    if level == Level.REQUIRED and not application.attachments.exists():
        yield "files", _("Attach the documents that the call asks for.")


def _consents(application: Application, level: Level, today: date) -> Found:
    texts = texts_for(ConsentText.Stage.APPLICATION, application.call.track)
    for text in refused_texts(application.applicant, texts, application):
        yield f"consent-{text.code}", _("Agree to: %(title)s.") % {"title": text.title}


def _business_number(application: Application, level: Level, today: date) -> Found:
    firm = firm_of(application)
    if firm is not None and firm.business_number and (message := business_number.problem(firm.business_number)):
        yield "business_number", message


def _personal_data_note(application: Application, level: Level, today: date) -> Found:
    has_personal_data = application.answers.get("personal_data") not in (None, "", "no")
    if has_personal_data and is_empty(application.answers.get("personal_data_note")):
        yield "personal_data_note", _("Say how the personal data is protected.")


def _keywords(application: Application, level: Level, today: date) -> Found:
    if len(application.answers.get("keywords") or []) > MOST_KEYWORDS:
        yield "keywords", _("At most %(most)s keywords.") % {"most": MOST_KEYWORDS}


def _named_reviewers(name: str) -> Callable[[Application, Level, date], Found]:
    def check(application: Application, level: Level, today: date) -> Found:
        lines = [line for line in str(application.answers.get(name) or "").splitlines() if line.strip()]
        if len(lines) > MOST_NAMED_REVIEWERS:
            yield name, _("Name at most %(most)s people, one a line.") % {"most": MOST_NAMED_REVIEWERS}

    return check


SPECIAL: dict[str, Callable[[Application, Level, date], Found]] = {
    "need": _need,
    "ends_on": _last_day,
    "delegate": _delegate,
    "members": _members,
    "related_grants": _related_grants,
    "attachments": _attachments,
    "consents": _consents,
    "business_number": _business_number,
    "personal_data_note": _personal_data_note,
    "keywords": _keywords,
    "suggested_reviewers": _named_reviewers("suggested_reviewers"),
    "excluded_reviewers": _named_reviewers("excluded_reviewers"),
}
