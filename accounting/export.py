"""Daily usage as a CSV file that a spreadsheet opens as it is meant."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from accounting.dashboard.period import Period
from accounting.dashboard.scope import pools_of
from accounting.names import names_of
from accounting.use import use_by
from allocations.models import Project
from portal.web.sheets import BYTE_ORDER_MARK, Echo, neutral
from portal.web.templatetags.figures import hours_text

EVER = Period(date(1970, 1, 1), date(9000, 1, 1))


def usage_csv(project: Project, period: Period | None) -> Iterator[str]:
    """Lines of the file: usage by day, person, pool and GPU kind; hours with two places, rounded down. Without a
    period all there is."""
    writer = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(
        [_("Day"), _("Member"), _("User name"), _("Pool"), _("GPU kind"), _("GPU-hours"), _("GPU-seconds"), _("Jobs")]
    )
    for row in _rows(project, period or EVER):
        yield writer.writerow([neutral(value) for value in row])


def _rows(project: Project, period: Period) -> Iterator[tuple[Any, ...]]:
    pools = pools_of(project)
    keys = ("day", "account_name", "user_name", "gpu_kind")
    days = use_by(*keys, accounts=pools, first=period.first, last=period.last)
    names = names_of(user_name for _day, _account, user_name, _kind in days)
    for day, account, user_name, kind in sorted(days):
        amount = days[day, account, user_name, kind]
        hours = hours_text(amount.gpu_seconds, 2).replace(",", "")
        who = names.get(user_name, ""), user_name, pools[account], kind
        yield day.isoformat(), *who, hours, amount.gpu_seconds, amount.jobs
