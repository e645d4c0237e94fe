"""What is left, reserved and can start now; and what each grant line was charged."""

from datetime import timedelta

import pytest

from accounting.attribution import Line
from accounting.balance import (
    Standing,
    account_balance,
    current_lines,
    total_balance,
    update_line_charges,
)
from accounting.history.ingest import ingest
from accounting.models import Counter
from allocations.models import LedgerEntry, Pool
from tests.accounting.histories import HOUR, gateway, job
from tests.factories import (
    AccountFactory,
    GrantFactory,
    LedgerEntryFactory,
    PoolFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

AT = kst(2026, 3, 10, 12)


def line(starts, ends, granted=100, charged=0, suspended_at=None, key=1):
    suspended = ((suspended_at, None),) if suspended_at else ()
    return Line(key, starts, ends, granted * 3600, charged * 3600, suspended)


MARCH = (kst(2026, 3, 1), kst(2026, 4, 1))
APRIL = (kst(2026, 4, 1), kst(2026, 5, 1))
FEBRUARY = (kst(2026, 2, 1), kst(2026, 3, 1))


def counter(used=0, reserved=0, limit=100):
    return Counter(
        used_gpu_seconds=used * 3600,
        reserved_gpu_seconds=reserved * 3600,
        limit_gpu_minutes=None if limit is None else limit * 60,
        exact=True,
        read_at=AT,
    )


def balance(lines, counted=None):
    return account_balance(Pool(code="h100"), lines, counted, AT)


def test_figures_are_those_of_the_open_lines():
    found = balance([line(*FEBRUARY, 50, 50), line(*MARCH, 100, 30)], counter(used=80, reserved=16, limit=150))
    assert found.standing is Standing.OPEN
    assert (found.granted, found.used, found.left) == (100 * 3600, 30 * 3600, 70 * 3600)
    assert (found.reserved, found.startable) == (16 * 3600, 54 * 3600)
    assert found.days_left(AT) == 22


def test_what_can_start_is_never_negative():
    assert balance([line(*MARCH)], counter(used=90, reserved=20)).startable == 0


def test_over_use_leaves_nothing_and_is_named():
    found = balance([line(*MARCH, 100, 103)], counter(used=103))
    assert (found.left, found.overrun, found.startable) == (0, 3 * 3600, 0)


def test_before_slurm_was_asked_what_can_start_is_unknown():
    found = balance([line(*MARCH)])
    assert (found.reserved, found.startable) == (None, None)


def test_an_account_without_limit_says_nothing_of_what_can_start():
    assert balance([line(*MARCH)], counter(limit=None)).startable is None


@pytest.mark.parametrize(
    ("lines", "standing"),
    [
        ([line(*FEBRUARY), line(*MARCH), line(*APRIL)], Standing.OPEN),
        ([line(*FEBRUARY), line(*APRIL)], Standing.UPCOMING),
        ([line(*FEBRUARY)], Standing.ENDED),
        ([line(*MARCH, suspended_at=kst(2026, 3, 5)), line(*APRIL)], Standing.SUSPENDED),
    ],
)
def test_which_lines_count(lines, standing):
    found, current = current_lines(lines, AT)
    assert found is standing and len(current) == 1


def test_where_nothing_is_open_nothing_can_start_whatever_the_counter_says():
    for lines in ([line(*APRIL)], [line(*FEBRUARY)], [line(*MARCH, suspended_at=kst(2026, 3, 5))]):
        assert balance(lines, counter()).startable == 0


def test_no_line_no_balance():
    assert balance([]) is None


def test_a_total_is_of_what_is_open():
    h100 = balance([line(*MARCH, 100, 30)], counter(used=30, reserved=10))
    a100 = balance([line(*MARCH, 40, 5)])
    lapsed = balance([line(*FEBRUARY, 500, 5)])
    total = total_balance([h100, a100, lapsed])
    assert (total.granted, total.used, total.left) == (140 * 3600, 35 * 3600, 105 * 3600)
    assert (total.reserved, total.startable) == (10 * 3600, 60 * 3600)


def test_one_pools_overrun_takes_nothing_from_what_another_has_left():
    total = total_balance([balance([line(*MARCH, 100, 30)]), balance([line(*MARCH, 40, 45)])])
    assert (total.left, total.overrun) == (70 * 3600, 5 * 3600)


# --- Charges on lines, from the database ---


@pytest.fixture
def project(db):
    return ProjectFactory(code="p26001", created_at=kst(2026, 2, 25))


def charges(project):
    lines = [row for grant in project.grants.order_by("ends_at") for row in grant.lines.all()]
    return [row.charged_gpu_seconds // 3600 for row in lines]


def test_a_new_supplement_moves_charges_between_lines(project):
    """Two open lines: the one that ends first fills up first, and takes more once it is worth more."""
    first = GrantFactory(project=project, hours=10, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 4, 1))
    GrantFactory(project=project, hours=50, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    ingest(gateway(job(start=kst(2026, 3, 2), hours=15, gpus=1)), at=AT)
    assert charges(project) == [10, 5]
    assert update_line_charges(at=AT) == 0
    LedgerEntryFactory(line=first.lines.get(), kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=3 * 3600, by=UserFactory())
    assert update_line_charges(at=AT + timedelta(seconds=10)) == 2
    assert charges(project) == [13, 2]
    assert update_line_charges(at=AT + timedelta(seconds=20)) == 0


def test_a_border_within_a_day_is_kept_to_the_second(project):
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 5, 14))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 5, 14), ends_at=kst(2026, 9, 1))
    ingest(gateway(job(start=kst(2026, 3, 5, 10), hours=10, gpus=1)), at=AT)
    assert charges(project) == [4, 6]


def test_a_suspension_turns_up_with_the_next_sweep(project):
    grant = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 4, 1))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    ingest(gateway(job(start=kst(2026, 3, 5, 10), hours=10, gpus=1)), at=AT)
    update_line_charges(at=AT)
    SuspensionFactory(grant=grant, since=kst(2026, 3, 5, 16))
    update_line_charges(at=AT + timedelta(minutes=11))
    assert charges(project) == [6, 4]


def test_each_pool_is_charged_on_its_own_line(project):
    grant = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 4, 1))
    a100 = PoolFactory(code="a100")
    grant.lines.create(pool=a100)
    AccountFactory(project=project, pool=a100)
    slurm = gateway(job(gpus=2), job(account="p26001-a100", kind="a100", gpus=1), job(account="physics"))
    ingest(slurm, at=AT)
    assert {row.pool.code: row.charged_gpu_seconds for row in grant.lines.all()} == {"h100": 7200, "a100": 3600}


def test_attributing_many_accounts_takes_few_queries(project, django_assert_max_num_queries):
    for number in range(5):
        GrantFactory(project=ProjectFactory(code=f"p2610{number}"))
    slurm = gateway(*[job(account=f"p2610{number}-h100", hours=2) for number in range(5)])
    ingest(slurm, at=AT)
    with django_assert_max_num_queries(8):
        update_line_charges(at=AT + HOUR)
