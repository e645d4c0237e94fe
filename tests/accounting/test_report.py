"""The report: what its figures come to, that an edition stays as it was frozen, and what a further one changes."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256

import pytest
from django.db import InternalError, transaction

from accounting.models import ClusterDay, Edition, Target
from accounting.report.content import both, changes, content_of
from accounting.report.editions import edition_freeze, targets_set
from accounting.report.indicators import INDICATORS, TABLES, VERSION
from accounting.report.periods import Kind, Period, parse_period, period_of, periods_back
from accounting.report.reckon import reckon
from accounting.report.selectors import reading_of
from allocations.models import Decision, LedgerEntry
from allocations.services.outcomes import Refused
from allocations.workflow import ApplicationStatus, LostRace
from portal.events.models import Event
from portal.people.models import Institution
from tests.accounting.test_statements import HOUR, known, use
from tests.factories import (
    AccountFactory,
    ApplicationFactory,
    DecisionFactory,
    GrantFactory,
    InstitutionDomainFactory,
    InstitutionFactory,
    LedgerEntryFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

MARCH, Q1, Y2026 = parse_period("2026-03"), parse_period("2026Q1"), parse_period("2026")
AT = kst(2026, 4, 8)
# The English words of all definitions. Where they change, raise VERSION and put the new sum here.
WORDS_OF_VERSION = {1: "89b4567716472195"}


def project_of(name: str, kind: str, code: str, *, domain: str = "", pools=("h100",), again: Institution | None = None):
    institution = again or InstitutionFactory(name_ko=name, name_en=name, kind=kind)
    project = ProjectFactory(code=code, pi__institution=institution)
    for pool in pools:
        AccountFactory(project=project, pool=PoolFactory(code=pool))
    if domain:
        application = ApplicationFactory(
            applicant=project.pi, answers={"domain": domain}, status=ApplicationStatus.AWARDED,
            submitted_at=kst(2025, 11, 3),
        )  # fmt: skip
        GrantFactory(project=project, application=application, starts_at=kst(2026, 1, 1), hours=0)
    return project


@pytest.fixture
def center(db):
    """Two universities, one firm with two projects, one firm that was new in March."""
    postech = project_of("POSTECH", "university", "p26001", domain="steel", pools=("h100", "a100"))
    InstitutionDomainFactory(institution=postech.institution, domain="postech.ac.kr")
    handong = project_of("Handong", "university", "p26002", domain="bio")
    InstitutionDomainFactory(institution=handong.institution, domain="handong.edu")
    steel = project_of("Steel", "firm", "p26003", domain="steel")
    project_of("Steel", "firm", "p26004", again=steel.institution)
    project_of("Battery", "firm", "p26005", domain="batteries")
    use(date(2026, 1, 31), 7, account="p26003-h100", user="steel")
    use(date(2026, 3, 1), 100, user="kim")
    use(date(2026, 3, 31), 20, account="p26001-a100", user="kim", gpu_kind="a100", partition="a100")
    use(date(2026, 3, 2), 50, account="p26002-h100", user="lee")
    use(date(2026, 3, 3), 10, account="p26003-h100", user="steel")
    use(date(2026, 3, 3), 5, account="p26004-h100", user="steel")
    use(date(2026, 3, 4), 3, account="p26005-h100", user="bae")
    use(date(2026, 3, 4), 999, account="somebody-else", user="eve")
    use(date(2026, 4, 1), 40, user="kim")
    known(AT)


def freeze(period: Period = MARCH, at=AT, by=None) -> Edition:
    return edition_freeze(period=period, seen=reckon(period).digest, by=by or UserFactory(roles=["operator"]), at=at)


# --- Periods ---


def test_periods_are_whole_months_in_seoul():
    assert [str(parse_period(text)) for text in ("2026-10", "2026Q3", "2026")] == ["2026-10", "2026Q3", "2026"]
    assert (Q1.first, Q1.last, Q1.end) == (date(2026, 1, 1), date(2026, 3, 31), kst(2026, 4, 1))
    assert (Y2026.last, parse_period("2026-02").last) == (date(2026, 12, 31), date(2026, 2, 28))
    assert period_of(Kind.QUARTER, date(2026, 12, 31)) == parse_period("2026Q4")
    assert [str(row) for row in periods_back(Kind.QUARTER, date(2026, 4, 1), date(2025, 12, 31))] == [
        "2026Q2", "2026Q1", "2025Q4",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="remains"):
        parse_period("2026-13")


def test_definitions_are_those_of_their_version():
    said = [both(row.definition).en for row in INDICATORS]
    said += [both(words).en for _name, words in TABLES.values()]
    assert WORDS_OF_VERSION[VERSION] == sha256("\n".join(said).encode()).hexdigest()[:16]


# --- Figures ---


def test_use_is_counted_once_in_every_table(center):
    found = reckon(MARCH)
    assert found.figures["used"] == 188 * HOUR
    assert {name: found.figures[name] for name in ("projects", "people", "firms", "firms_new")} == {
        "projects": 5, "people": 4, "firms": 2, "firms_new": 1,
    }  # fmt: skip
    for rows in found.tables.values():
        assert sum(row.gpu_seconds for row in rows) == 188 * HOUR
    hours = {
        table: {row.key: (row.gpu_seconds // HOUR, row.projects, row.parties) for row in rows if row.projects}
        for table, rows in found.tables.items()
    }
    assert hours == {
        "group": {"postech": (120, 1, 1), "handong": (50, 1, 1), "firms": (18, 3, 2)},
        "sector": {"university": (170, 2, 2), "firm": (18, 3, 2)},
        "domain": {"steel": (130, 2, 2), "bio": (50, 1, 1), "batteries": (3, 1, 1), "": (5, 1, 1)},
        "pool": {"h100": (168, 5, 4), "a100": (20, 1, 1)},
    }
    assert found.behind["used"] == 4


def test_the_year_so_far_stands_beside_the_period(center):
    found = reckon(MARCH)
    assert (found.so_far["used"], found.so_far["firms_new"]) == (195 * HOUR, 2)
    assert reckon(Q1).figures == found.so_far
    assert reckon(Q1).so_far == reckon(Q1).figures


def test_a_project_is_of_the_field_of_its_newest_grant_begun_by_then(center):
    steel = AccountFactory._meta.model.objects.get(name="p26001-h100").project
    for domain, starts in (("factory", kst(2026, 3, 31)), ("education", kst(2026, 4, 1))):
        application = ApplicationFactory(
            applicant=steel.pi, answers={"domain": domain}, status=ApplicationStatus.AWARDED,
            submitted_at=kst(2025, 12, 1),
        )  # fmt: skip
        GrantFactory(project=steel, application=application, starts_at=starts, hours=0)
    domains = {row.key: row.gpu_seconds for row in reckon(MARCH).tables["domain"] if row.gpu_seconds}
    assert domains["factory"] == 120 * HOUR
    assert "education" not in domains


def test_applications_from_submission_to_announcement(db):
    for days, outcome, hours in ((4, "awarded", 500), (10, "partly", 300), (30, "declined", 0)):
        at = kst(2026, 3, 31, 23)
        application = ApplicationFactory(
            status=ApplicationStatus.OFFERED, hours=1000, submitted_at=at - timedelta(days=days)
        )
        DecisionFactory(application=application, outcome=outcome, hours=hours, announced_at=at)
    ApplicationFactory(
        status=ApplicationStatus.INELIGIBLE, status_since=kst(2026, 3, 2), submitted_at=kst(2026, 2, 28), hours=200
    )
    ApplicationFactory(status=ApplicationStatus.WITHDRAWN, submitted_at=kst(2026, 3, 1))
    not_announced = ApplicationFactory(status=ApplicationStatus.DECIDED, submitted_at=kst(2026, 2, 2))
    DecisionFactory(application=not_announced, announced_at=None)
    later = ApplicationFactory(status=ApplicationStatus.OFFERED, submitted_at=kst(2026, 3, 2))
    DecisionFactory(application=later, announced_at=kst(2026, 4, 1))
    found = reckon(MARCH).figures
    names = ("applications", "decided", "selected", "selection_rate", "requested", "granted", "granted_share")
    assert [found[name] for name in names] == [5, 4, 2, 5000, 3200 * HOUR, 800 * HOUR, 2500]
    assert (found["days_mean"], found["days_median"]) == (46 * 86400 // 4, 7 * 86400 - 0)


def test_refunds_and_what_slurm_says_of_the_cluster(center):
    line = GrantFactory(project=ProjectFactory(), hours=100).lines.get()
    for month, hours in ((2, 3), (3, 4)):
        LedgerEntryFactory(line=line, kind=LedgerEntry.Kind.REFUND, gpu_seconds=hours * HOUR, at=kst(2026, month, 1))
    assert reckon(MARCH).figures["installed"] is None
    day = {"gpu_kind": "", "installed": 8 * 24 * HOUR, "planned_down": 0, "read_at": AT}
    ClusterDay.objects.create(day=date(2026, 3, 1), allocated=96 * HOUR, down=48 * HOUR, **day)
    ClusterDay.objects.create(day=date(2026, 2, 28), allocated=0, down=0, **day)
    ClusterDay.objects.create(day=date(2026, 3, 1), allocated=0, down=0, **day | {"gpu_kind": "h100"})
    found = reckon(MARCH)
    assert (found.figures["refunded"], found.so_far["refunded"]) == (4 * HOUR, 7 * HOUR)
    names = ("installed", "allocated", "allocation_rate", "availability")
    assert [found.figures[name] for name in names] == [192 * HOUR, 96 * HOUR, 5000, 7500]
    assert found.so_far["allocation_rate"] == 2500


def test_a_center_in_which_nothing_happened_has_a_report_of_zeros(db):
    found = reckon(MARCH)
    assert set(found.figures.values()) == {0, None}
    assert content_of(found.as_json()) == found


# --- Editions ---


def test_an_edition_stays_as_it_was_frozen(center):
    edition = freeze()
    assert (edition.number, edition.edition) == ("2026-03-1", 1)
    assert content_of(edition.figures) == reckon(MARCH)
    assert Event.objects.get(action="edition.frozen").data == {"number": "2026-03-1"}
    use(date(2026, 3, 9), 1)
    assert content_of(Edition.objects.get().figures).figures["used"] == 188 * HOUR
    for act in (lambda: Edition.objects.update(edition=2), lambda: edition.delete()):
        with pytest.raises(InternalError), transaction.atomic():
            act()


def test_a_further_edition_only_where_something_changed_and_says_what(center):
    freeze()
    with pytest.raises(Refused, match="2026-03-1"):
        freeze()
    use(date(2026, 3, 9), 1, account="p26002-h100", user="lee")
    second = freeze()
    assert second.number == "2026-03-2"
    reading = reading_of(MARCH, AT)
    assert reading.edition == second
    named = {(row.part, row.key): (row.before, row.after) for row in _changes(second)}
    assert named[("figures", "used")] == (188 * HOUR, 189 * HOUR)
    assert named[("group", "handong")] == (50 * HOUR, 51 * HOUR)
    assert {part for part, _key in named} == {"figures", "so_far", "group", "sector", "domain", "pool"}
    assert reading_of(MARCH, AT, edition=1).changed == ()
    assert reading_of(MARCH, AT, edition=3) is None
    assert reading_of(MARCH, AT, as_now=True).changed == []


def _changes(edition):
    before = Edition.objects.get(kind=edition.kind, first=edition.first, edition=edition.edition - 1)
    return changes(content_of(before.figures), content_of(edition.figures))


def test_numbers_of_month_quarter_and_year_do_not_get_into_each_others_way(center):
    known(kst(2027, 1, 9))
    numbers = [freeze(parse_period(text), kst(2027, 1, 9)).number for text in ("2026-01", "2026", "2026Q1", "2026-02")]
    assert numbers == ["2026-01-1", "2026-1", "2026Q1-1", "2026-02-1"]


def test_what_is_not_over_or_not_read_is_not_frozen(center, english):
    with pytest.raises(Refused, match="over"):
        freeze(parse_period("2026-04"))
    known(kst(2026, 3, 30), verified=False)
    with pytest.raises(Refused, match="read"):
        freeze()
    assert not Edition.objects.exists()


def test_nothing_is_frozen_but_what_was_shown(center):
    seen = reckon(MARCH).digest
    use(date(2026, 3, 9), 1)
    with pytest.raises(LostRace):
        edition_freeze(period=MARCH, seen=seen, by=UserFactory(roles=["operator"]), at=AT)
    assert not Edition.objects.exists()


# --- Targets ---


def test_targets_are_set_changed_and_taken_away_with_a_record_of_each(center):
    operator = UserFactory(roles=["operator"])
    assert targets_set(year=2026, values={"used": 1000 * HOUR, "firms": 5, "people": None}, by=operator, at=AT) == 2
    assert targets_set(year=2026, values={"used": 1000 * HOUR, "firms": None}, by=operator, at=AT) == 1
    assert targets_set(year=2026, values={"used": 390 * HOUR}, by=operator, at=AT) == 1
    assert [(row.action, row.data["before"], row.data["after"]) for row in Event.objects.order_by("pk")] == [
        ("target.set", "–", "1,000"), ("target.set", "–", "5"), ("target.removed", "5", "–"),
        ("target.set", "1,000", "390"),
    ]  # fmt: skip
    assert Target.objects.get().value == 390 * HOUR
    (used, *_rest) = reading_of(MARCH, AT).indicators
    assert (str(used.so_far), str(used.target), str(used.reached)) == ("195", "390", "50.0")
    with pytest.raises(KeyError):
        targets_set(year=2026, values={"selection_rate": 1}, by=operator, at=AT)


def test_an_edition_keeps_the_target_of_its_day(center):
    operator = UserFactory(roles=["operator"])
    targets_set(year=2026, values={"firms": 5}, by=operator, at=AT)
    edition = freeze()
    targets_set(year=2026, values={"firms": 9}, by=operator, at=AT)
    assert content_of(edition.figures).targets == {"firms": 5}
    assert [(row.part, row.before, row.after) for row in changes(content_of(edition.figures), reckon(MARCH))] == [
        ("targets", 5, 9)
    ]


def test_a_reserve_that_becomes_a_selection_changes_the_month_of_its_announcement(db):
    application = ApplicationFactory(status=ApplicationStatus.RESERVE, submitted_at=kst(2026, 3, 2))
    DecisionFactory(application=application, outcome=Decision.Outcome.RESERVE, announced_at=kst(2026, 3, 20))
    found = reckon(MARCH).figures
    assert (found["decided"], found["selected"], found["granted"]) == (1, 0, 0)
