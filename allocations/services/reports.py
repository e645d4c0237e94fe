"""The final report 결과보고서 of a grant: written over time, handed in once the grant has ended."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import formats
from django.utils.translation import gettext as _

from allocations.models import FinalReport, Grant, LedgerEntry
from allocations.selectors.reports import last_day
from allocations.services.change_rules import require_manager
from allocations.services.outcomes import Incomplete, Problem, Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User

# Where more than this was left unused, the report says why.
UNUSED_PERCENT_TO_EXPLAIN = 20
# https://www.doi.org/doi-handbook: a prefix of 10. and digits, a slash, and whatever the registrant chose.
DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/\S+")
DOI_STARTS = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """What is written so far; a draft may lack anything."""

    outcomes: str = ""
    publications: str = ""
    patents: str = ""
    released: str = ""
    trained_people: int | None = None
    business_effect: str = ""
    unused_reason: str = ""


@transaction.atomic
def report_save(*, grant: Grant, draft: ReportDraft, revision: int, by: User, at: datetime) -> FinalReport:
    """Keep what is written. `revision` is the one it was written over.

    Raises LostRace where it was saved or handed in meanwhile, Refused for who does not manage the project.
    """
    require_manager(grant.project, by)
    report, _made = FinalReport.objects.get_or_create(grant=grant, defaults={"updated_at": at})
    rows = FinalReport.objects.filter(pk=report.pk, revision=revision, submitted_at=None)
    if not rows.update(**asdict(draft), revision=revision + 1, updated_at=at):
        raise LostRace("report")
    report.refresh_from_db()
    return report


@transaction.atomic
def report_submit(*, grant: Grant, draft: ReportDraft, revision: int, by: User, at: datetime) -> FinalReport:
    """Hand it in: nothing can be changed afterwards. Raises Incomplete with every problem, else as report_save does."""
    report = report_save(grant=grant, draft=draft, revision=revision, by=by, at=at)
    if at < grant.ends_at:
        day = formats.date_format(last_day(grant), "DATE_FORMAT")
        raise Refused(_("The report can be handed in after the grant's last day, %(day)s.") % {"day": day})
    if problems := problems_of(report):
        raise Incomplete(problems)
    FinalReport.objects.filter(pk=report.pk).update(submitted_at=at, submitted_by=by)
    report.refresh_from_db()
    record("report.submitted", target=report, by=by, at=at, code=grant.project.code)
    return report


def problems_of(report: FinalReport) -> list[Problem]:
    """What keeps the report from being handed in."""
    problems = []
    if not report.outcomes.strip():
        problems.append(Problem("outcomes", _("Write what came of the work.")))
    wrong = [line for line in lines_of(report.publications) if not DOI.fullmatch(line)]
    problems += [
        Problem("publications", _("%(line)s is no DOI. Write for example 10.1000/182.") % {"line": line})
        for line in wrong
    ]
    if not report.unused_reason.strip() and unused_percent(report.grant) > UNUSED_PERCENT_TO_EXPLAIN:
        problems.append(Problem("unused_reason", _("Write why so much was left unused.")))
    return problems


def lines_of(publications: str) -> list[str]:
    """DOIs as they are resolved: a line each, without the address or `doi:` before them."""
    return [DOI_STARTS.sub("", line.strip()) for line in publications.splitlines() if line.strip()]


def unused_percent(grant: Grant) -> int:
    """How much of what was given was not charged, in whole percent. Hours given back in time do not count."""
    entries = LedgerEntry.objects.filter(line__grant=grant)
    granted = entries.aggregate(sum=Sum("gpu_seconds"))["sum"] or 0
    charged = grant.lines.aggregate(sum=Sum("charged_gpu_seconds"))["sum"] or 0
    return max(0, granted - charged) * 100 // granted if granted > 0 else 0
