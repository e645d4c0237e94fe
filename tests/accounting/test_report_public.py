"""What the public may read: nothing about fewer than three, and nothing from which that follows."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from accounting.report.books import Books, Case, Holding, Refunded, Use
from accounting.report.content import Content
from accounting.report.indicators import TABLES
from accounting.report.periods import Period, parse_period
from accounting.report.reckon import content_from
from accounting.report.small_cells import FEWEST, Published, hidden_cells
from accounting.statements.content import Name

MONTHS = [date(2026, month, 1) for month in range(1, 4)]
DOMAINS, POOLS = ("steel", "bio", ""), ("h100", "a100")
PLACES = [("postech", "university"), ("handong", "university"), ("firms", "firm"), ("others", "institute"),
          ("others", "university"), ("others", "center")]  # fmt: skip
# In the order in which they are frozen; the quarter's second edition hides no less than its first.
PERIODS = [parse_period(text) for text in ("2026-01", "2026-03", "2026Q1", "2026-02", "2026Q1")]


def firm_since(use) -> dict[int, date]:
    firms = {row.holding.institution for row in use if row.holding.sector == "firm"}
    return {firm: min(row.month for row in use if row.holding.institution == firm) for firm in firms}


@st.composite
def books(draw) -> Books:
    holdings = []
    for project in range(draw(st.integers(1, 9))):
        group, sector = draw(st.sampled_from(PLACES))
        firm = draw(st.integers(900, 902))
        institution = firm if sector == "firm" else PLACES.index((group, sector))
        pool = draw(st.sampled_from(POOLS))
        domain = draw(st.sampled_from(DOMAINS))
        holdings.append(Holding(project, institution, group, sector, domain, pool, Name(pool, pool)))
    uses = st.builds(
        Use, st.sampled_from(MONTHS), st.sampled_from(holdings), st.sampled_from(["kim", "lee", "park", "choi"]),
        st.integers(1, 10**6),
    )  # fmt: skip
    parties = st.one_of(
        st.tuples(st.just("firm"), st.integers(900, 902)), st.tuples(st.just("own"), st.integers(0, 20))
    )
    months = st.sampled_from(MONTHS)
    cases = st.builds(
        Case, parties, months, months | st.none(), st.booleans(), st.integers(1, 99), st.integers(1, 99), st.just(5)
    )
    use = draw(st.lists(uses, min_size=1, max_size=25))
    return Books(
        holdings=holdings,
        use=use,
        firm_since=firm_since(use),
        cases=draw(st.lists(cases, max_size=10)),
        refunds=draw(st.lists(st.builds(Refunded, months, parties, st.integers(1, 99)), max_size=4)),
        capacity=[],
    )


def report(period: Period, found: Books) -> Content:
    return content_from(period, found, targets={}, read_until=None, verified_until=None)


def publish(period: Period, found: Books, published: list[Published]) -> None:
    there = {period, *(row.content.period for row in published)}
    content, unpublished = report(period, found), [report(row, found) for row in PERIODS if row not in there]
    published.append(Published(content, hidden_cells(content, published, unpublished)))


# --- Nothing follows: said once more, apart from the code, over every unknown there is ---

UNKNOWN_PLACES = [("postech", "university"), ("handong", "university"), ("firms", "firm"),
                  *[("others", kind) for kind in ("university", "institute", "public", "center")]]  # fmt: skip
# What a table does not name was not used.
ROWS = {("sector", sector) for _, sector in UNKNOWN_PLACES} | {("domain", key) for key in DOMAINS}
ROWS |= {("pool", key) for key in POOLS}
COUNTS = ("applications", "decided", "selected", "refunded", "firms_new")
NAMES = [("place", *place) for place in UNKNOWN_PLACES] + [("domain", key) for key in DOMAINS]
NAMES += [("pool", key) for key in POOLS] + [("count", key) for key in COUNTS]
COLUMNS = {(month, *name): place for place, (month, name) in enumerate((m, n) for m in range(1, 4) for n in NAMES)}


def row_of(period: Period, chosen) -> list[int]:
    row = [0] * len(COLUMNS)
    for column, place in COLUMNS.items():
        if period.first.month <= column[0] <= period.last_month.month and chosen(column[1:]):
            row[place] = 1
    return row


def choice(key):
    table, value = key
    if table == "used":
        return lambda name: name[0] == "place"
    if table in ("group", "sector"):
        return lambda name: name[0] == "place" and name[1 if table == "group" else 2] == value
    return lambda name: name == ((table, value) if table in TABLES else ("count", table))


def known_rows(published: list[Published]) -> list[list[int]]:
    """What an attentive reader can write down as equations."""
    rows = []
    for month in range(1, 4):
        for table in ("domain", "pool"):
            sign = {"place": 1, table: -1}
            rows.append([sign.get(name, 0) if of == month else 0 for of, name, *_rest in COLUMNS])
    for edition in published:
        period = edition.content.period
        for key, parties in cells(edition.content).items():
            if key in edition.hidden:
                continue
            row = row_of(period, choice(key))
            rows.append(row)
            if not parties:
                rows += each_alone(row)
        for key in ROWS - cells(edition.content).keys():
            rows += each_alone(row_of(period, choice(key)))
    return rows


def each_alone(row: list[int]) -> list[list[int]]:
    """What is nothing in all is nothing in each part."""
    return [[int(place == at) for at in range(len(row))] for place, value in enumerate(row) if value]


def cells(content: Content) -> dict[tuple[str, str], int]:
    found = {(table, row.key): row.parties for table, rows in content.tables.items() for row in rows}
    return found | {(name, ""): content.behind[name] for name in ("used", *COUNTS)}


def reduced(rows: list[list[int]]) -> list[tuple[int, list[Fraction]]]:
    """Gauss, plainly: for each row where it begins, and the row."""
    basis: list[tuple[int, list[Fraction]]] = []
    for row in rows:
        rest = remainder([Fraction(value) for value in row], basis)
        lead = next((place for place, value in enumerate(rest) if value), None)
        if lead is not None:
            basis.append((lead, [value / rest[lead] for value in rest]))
    return basis


def remainder(row: list[Fraction], basis) -> list[Fraction]:
    for lead, known in basis:
        if row[lead]:
            factor = row[lead]
            row = [value - factor * other if other else value for value, other in zip(row, known, strict=True)]
    return row


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(books())
def test_no_hidden_figure_follows_from_those_that_were_ever_shown(found):
    published: list[Published] = []
    for period in PERIODS:
        publish(period, found, published)
    basis = reduced(known_rows(published))
    for edition in published:
        small = {key for key, parties in cells(edition.content).items() if 0 < parties < FEWEST}
        assert small <= edition.hidden
        for key in small:
            left = remainder([Fraction(value) for value in row_of(edition.content.period, choice(key))], basis)
            assert any(left), (str(edition.content.period), key)


# --- Examples ---


def use_of(group, sector, project, seconds, domain="steel", institution=None, month=MONTHS[0]):
    firm = institution if institution is not None else project
    return Use(
        month, Holding(project, firm, group, sector, domain, "h100", Name("h100", "h100")), f"u{project}", seconds
    )


def of_use(*use: Use) -> Books:
    return Books([row.holding for row in use], use, firm_since(use), [], [], [])


def postech(count, seconds=1000, **more):
    return [use_of("postech", "university", number, seconds, institution=1, **more) for number in range(count)]


def test_a_firm_with_many_projects_is_one_and_takes_a_second_row_with_it():
    firm = [use_of("firms", "firm", 50 + number, 500, institution=7) for number in range(4)]
    handong = [use_of("handong", "university", 70 + number, 10, institution=2) for number in range(3)]
    content = report(PERIODS[0], of_use(*postech(5), *firm, *handong))
    hidden = hidden_cells(content, [], [])
    assert {key for key in hidden if key[0] in TABLES} == {
        ("group", "firms"), ("sector", "firm"),
        # Handong is the smaller of those that could hide it; by sector there is only one.
        ("group", "handong"), ("sector", "university"),
    } or ("group", "postech") in hidden  # fmt: skip
    assert ("used", "") not in hidden
    assert ("firms", "") in hidden


def test_where_everything_is_three_or_more_all_is_shown():
    firms = [use_of("firms", "firm", 50 + number, 500, institution=7 + number) for number in range(3)]
    content = report(PERIODS[0], of_use(*postech(3), *firms))
    hidden = hidden_cells(content, [], [])
    assert not {key for key in hidden if key[0] in ("used", *TABLES)}


def test_a_month_of_one_project_is_not_told_by_its_quarter():
    months = [*postech(4), *postech(4, month=MONTHS[1]), *postech(1, month=MONTHS[2])]
    published: list[Published] = []
    for text in ("2026-01", "2026-02", "2026-03", "2026Q1"):
        publish(parse_period(text), of_use(*months), published)
    assert [("used", "") in row.hidden for row in published] == [False, False, True, True]


def test_nor_by_a_quarter_that_is_frozen_before_the_month():
    months = [*postech(4), *postech(4, month=MONTHS[1]), *postech(1, month=MONTHS[2])]
    published: list[Published] = []
    for text in ("2026-01", "2026Q1", "2026-02", "2026-03"):
        publish(parse_period(text), of_use(*months), published)
    shown = [("used", "") not in row.hidden for row in published]
    assert shown == [True, True, False, False]
