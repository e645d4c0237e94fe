"""Daily usage as a CSV file that a spreadsheet opens as it is meant."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _

from accounting.models import UsageDay
from allocations.models import Account, Project
from portal.people.models import User
from portal.web.sheets import BYTE_ORDER_MARK, Echo, neutral
from portal.web.templatetags.figures import hours_text


def usage_csv(project: Project) -> Iterator[str]:
    """Lines of the file: usage by day, person, pool and GPU kind; hours with two places, rounded down."""
    pools = {
        account.name: account.pool.name for account in Account.objects.filter(project=project).select_related("pool")
    }
    writer = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(
        [_("Day"), _("Member"), _("User name"), _("Pool"), _("GPU kind"), _("GPU-hours"), _("GPU-seconds"), _("Jobs")]
    )
    for row in _rows(pools):
        yield writer.writerow([neutral(value) for value in row])


def _rows(pools: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    days = UsageDay.objects.filter(account_name__in=pools)
    sums = (
        days.order_by("day", "account_name", "user_name", "gpu_kind")
        .values_list("day", "account_name", "user_name", "gpu_kind")
        .annotate(Sum("gpu_seconds"), Sum("jobs"))
    )
    user_names = days.order_by().values("user_name")
    approved = User.objects.filter(cluster_username__in=user_names, cluster_username_approved_at__isnull=False)
    names = {user.cluster_username: user.display_name for user in approved}
    for day, account, user_name, kind, gpu_seconds, jobs in sums:
        hours = hours_text(gpu_seconds, 2).replace(",", "")
        yield day.isoformat(), names.get(user_name, ""), user_name, pools[account], kind, hours, gpu_seconds, jobs
