"""Outlooks of many projects at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounting.models import UsageDay
from accounting.outlooks import outlooks_of
from accounting.usage import day_of
from tests.accounting.histories import summed
from tests.factories import GrantFactory, ProjectFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 4, 20, 12)
HOUR = 3600


def test_outlooks_of_many_projects_are_three_queries(django_assert_num_queries: Any) -> None:
    grants = [GrantFactory(hours=100) for _ in range(5)]
    bare = ProjectFactory()
    account = grants[0].project.accounts.get()
    for back in range(1, 11):
        UsageDay.objects.create(
            account=account,
            account_name=account.name,
            user_name="alice",
            gpu_kind="h100",
            partition="h100",
            state="COMPLETED",
            provisional=False,
            day=day_of(AT) - timedelta(days=back),
            gpu_seconds=2 * HOUR,
            jobs=1,
        )
    summed()
    with django_assert_num_queries(3):
        found = outlooks_of([*(grant.project for grant in grants), bare], AT)
    assert found[bare.pk] == []
    [outlook] = found[grants[0].project.pk]
    assert (outlook.burn_7, outlook.projection and outlook.projection.rate) == (2 * HOUR, 2 * HOUR)
    assert all(len(found[grant.project.pk]) == 1 for grant in grants)
