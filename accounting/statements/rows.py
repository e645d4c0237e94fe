"""A statement as rows in the reader's language: the same for the page, the CSV file and the workbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounting.models import Statement
from accounting.statements.content import Content, PoolMonth, Use, content_of
from accounting.statements.months import month_before
from allocations.models import LedgerEntry, Project
from portal.web.sheets import Sheet, hours_cell
from portal.web.templatetags.figures import hours_text


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of a pool's month; all of them together are what is left."""

    words: str
    gpu_seconds: int
    is_use: bool = False


def month_words(month: date) -> str:
    return date_format(month, "YEAR_MONTH_FORMAT")


def movements(pool: PoolMonth, month: date) -> list[Movement]:
    return [
        Movement(_("Carried over from %(month)s") % {"month": month_words(month_before(month))}, pool.carried),
        *[Movement(words, amount) for words, amount in pool.entered_by_kind()],
        Movement(_("Used in the month"), -pool.used, is_use=True),
        *_corrections(pool),
        *_outside(pool),
        *_lapses(pool),
    ]


def _corrections(pool: PoolMonth) -> Iterator[Movement]:
    for row in pool.corrections:
        month = month_words(row.month)
        if row.stated is None:
            words = _("Used in %(month)s, not stated before") % {"month": month}
        else:
            words = _("Correction of %(month)s: stated %(stated)s, now %(now)s GPU-hours") % {
                "month": month,
                "stated": hours_text(row.stated, 2),
                "now": hours_text(row.now, 2),
            }
        yield Movement(words, -row.gpu_seconds)


def _outside(pool: PoolMonth) -> Iterator[Movement]:
    if pool.outside:
        yield Movement(_("Of it before any grant began, not charged"), pool.outside)


def _lapses(pool: PoolMonth) -> Iterator[Movement]:
    for row in pool.lapses:
        said = {"grant": row.grant, "day": date_format(localtime(row.ends_at) - timedelta(seconds=1), "DATE_FORMAT")}
        if row.gpu_seconds > 0:
            words = _("Lapsed with the end of grant %(grant)s (last day %(day)s)") % said
        else:
            words = _("Back from what had lapsed of grant %(grant)s (last day %(day)s)") % said
        yield Movement(words, -row.gpu_seconds)


# --- Files ---


def summary_sheet(content: Content, standing: str) -> Sheet:
    """What moved in each pool; `standing` says which reading of the month it is."""
    rows = [
        [str(pool.name), pool.account, row.words, hours_cell(row.gpu_seconds), row.gpu_seconds, standing]
        for pool in content.pools
        for row in [*movements(pool, content.month), Movement(_("Left"), pool.left)]
    ]
    head = [_("Pool"), _("Slurm account"), _("Item"), _("GPU-hours"), _("GPU-seconds"), _("Standing")]
    return Sheet(_("Summary"), head, rows)


def use_sheet(content: Content) -> Sheet:
    head = [_("Pool"), _("Member"), _("User name"), _("GPU kind"), _("End state"), _("GPU-hours"), _("GPU-seconds"),
            _("CPU-hours"), _("CPU-seconds"), _("Jobs")]  # fmt: skip
    rows = [_use_row(pool, row) for pool in content.pools for row in pool.use]
    return Sheet(_("Usage"), head, rows)


def _use_row(pool: PoolMonth, row: Use) -> Sequence[Any]:
    who = [str(pool.name), str(row.name), row.user_name, row.kind_words, row.state_words]
    gpu, cpu = row.gpu_seconds, row.cpu_seconds
    return [*who, hours_cell(gpu), gpu, hours_cell(cpu), cpu, row.jobs]


def entries_sheet(content: Content) -> Sheet:
    head = [_("Pool"), _("Date"), _("Kind"), _("Grant"), _("Reason"), _("By"), _("Job"), _("GPU-hours"),
            _("GPU-seconds")]  # fmt: skip
    rows = [
        [str(pool.name), localtime(row.at).date().isoformat(), row.words, row.grant, row.reason, str(row.by or ""),
         row.job, hours_cell(row.gpu_seconds), row.gpu_seconds]
        for pool in content.pools
        for row in pool.entries
    ]  # fmt: skip
    return Sheet(_("Ledger"), head, rows)


def flat_sheet(content: Content, standing: str) -> Sheet:
    """All of it as one table, for a CSV file: what each row changes, and at last what is left."""
    head = [_("Project"), _("Month"), _("Standing"), _("Pool"), _("Item"), _("Member"), _("User name"), _("GPU kind"),
            _("End state"), _("GPU-hours"), _("GPU-seconds"), _("CPU-seconds"), _("Jobs")]  # fmt: skip
    rows: list[Sequence[Any]] = []
    for pool in content.pools:
        whose = [content.code, f"{content.month:%Y-%m}", standing, str(pool.name)]
        for moved in [*movements(pool, content.month), Movement(_("Left"), pool.left)]:
            if moved.is_use:
                rows += [[*whose, moved.words, *_used(row)] for row in pool.use]
            else:
                nobody = ["", "", "", ""]
                rows.append([*whose, moved.words, *nobody, hours_cell(moved.gpu_seconds), moved.gpu_seconds, "", ""])
    return Sheet(_("Statement"), head, rows)


def _used(row: Use) -> list[Any]:
    who = [str(row.name), row.user_name, row.kind_words, row.state_words]
    return [*who, hours_cell(-row.gpu_seconds), -row.gpu_seconds, row.cpu_seconds, row.jobs]


def center_sheet(closed: Iterable[Statement], missing: Iterable[Project]) -> Sheet:
    """A month over all projects, a row for each project and pool; those that are not closed have no figures."""
    kinds = list(LedgerEntry.Kind)
    head = [_("Statement no."), _("Project"), _("Title"), _("PI"), _("Institution"), _("Pool"), _("Carried over"),
            *[str(kind.label) for kind in kinds], _("Used"), _("Corrections"), _("Not charged"), _("Lapsed"), _("Left"),
            _("CPU-seconds"), _("Jobs")]  # fmt: skip
    rows: list[Sequence[Any]] = []
    for statement in closed:
        content = content_of(statement.figures)
        whose = [statement.number, content.code, str(content.title), str(content.pi), str(content.institution)]
        rows += [[*whose, str(pool.name), *_columns(pool, kinds)] for pool in content.pools]
    for project in missing:
        rows.append([_("not closed"), project.code, project.title, project.pi.display_name, str(project.institution)])
    return Sheet(_("GPU-seconds"), head, rows)


def _columns(pool: PoolMonth, kinds: Iterable[str]) -> list[int]:
    """Carried, entries by kind, used, corrected, not charged, lapsed; they make what is left."""
    entered = [sum(row.gpu_seconds for row in pool.entries if row.kind == kind) for kind in kinds]
    moved = [-pool.used, -pool.corrected, pool.outside, -pool.lapsed]
    return [pool.carried, *entered, *moved, pool.left, pool.cpu_seconds, pool.jobs]
