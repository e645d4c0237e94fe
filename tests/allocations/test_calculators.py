"""From runs, or from model and tokens, to GPU-hours; and what a pool has free."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from allocations.calculators import runs_gpu_seconds, training_gpu_seconds
from allocations.models import RequestLine
from allocations.selectors.fit import fit_of
from tests.factories import HOUR, GrantFactory, PoolFactory, SuspensionFactory, kst


@given(st.integers(1, 64), st.integers(1, 6000), st.integers(1, 1000), st.integers(0, 100))
def test_the_calculator_says_what_the_line_of_an_application_says(gpus, minutes, runs, margin):
    line = RequestLine(gpus_per_job=gpus, minutes_per_run=minutes, runs=runs, margin_percent=margin)
    seconds = runs_gpu_seconds(gpus=gpus, minutes=minutes, runs=runs, margin_percent=margin)
    assert seconds == line.product_gpu_seconds
    exact = gpus * minutes * runs * (100 + margin)
    assert seconds % 60 == 0
    assert exact <= seconds // 60 * 100 < exact + 100


def test_a_training_by_hand():
    """7 billion parameters and 140 billion tokens: 5.88e21 operations, at 989 TFLOP/s × 35 % 4718.6 GPU-hours."""
    seconds = training_gpu_seconds(
        billion_parameters=Decimal(7), billion_tokens=Decimal(140), peak_tflops=989, efficiency_percent=35
    )
    assert seconds // HOUR == 4718


def test_half_the_efficiency_takes_twice_the_time():
    known = {"billion_parameters": Decimal("0.5"), "billion_tokens": Decimal(10), "peak_tflops": 312}
    whole, half = (training_gpu_seconds(**known, efficiency_percent=percent) for percent in (40, 20))
    assert abs(half - 2 * whole) <= 120


@pytest.mark.django_db
def test_the_page_calculates_for_everybody_and_without_scripts(browser):
    client = browser()
    runs = {"runs-gpus": "4", "runs-hours": "12", "runs-runs": "20", "runs-margin": "10"}
    assert "1,056" in client.get(reverse("calculator"), runs).content.decode()
    training = {
        "training-kind": "h100",
        "training-parameters": "7",
        "training-tokens": "140",
        "training-efficiency": "35",
    }
    assert "4,718" in client.get(reverse("calculator"), training).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("written", [{"runs-gpus": "x"}, {"training-efficiency": "0"}, {"training-kind": "z80"}])
def test_what_cannot_be_calculated_is_named(written, browser):
    page = browser().get(reverse("calculator"), written).content.decode()
    assert "error-summary" in page


@pytest.mark.django_db
def test_a_pool_has_free_what_grants_leave_evenly_over_their_time(django_assert_num_queries):
    pool = PoolFactory(gpus=4)
    GrantFactory(hours=300, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    GrantFactory(hours=100, starts_at=kst(2026, 6, 1), ends_at=kst(2026, 7, 1))
    with django_assert_num_queries(2):
        fit = fit_of([pool], date(2026, 4, 1), date(2026, 4, 10))[pool.pk]
    assert fit.installed_gpu_seconds == 4 * 240 * HOUR
    assert fit.taken_gpu_seconds == 100 * HOUR
    assert fit.free_gpu_seconds == 860 * HOUR


@pytest.mark.django_db
def test_a_suspended_grant_takes_nothing_and_more_than_all_leaves_nothing():
    pool = PoolFactory(gpus=1)
    GrantFactory(hours=10_000, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    suspended = GrantFactory(hours=1, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    SuspensionFactory(grant=suspended, since=kst(2026, 4, 1))
    fit = fit_of([pool], date(2026, 4, 1), date(2026, 4, 30))[pool.pk]
    assert fit.taken_gpu_seconds == 10_000 * HOUR
    assert fit.free_gpu_seconds == 0
