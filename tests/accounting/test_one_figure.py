"""One figure, wherever it is read: cards, API, files, the usage page and statements say the same to the second."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from datetime import date, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse

from accounting.history.store import store_rows
from accounting.models import IngestMark
from accounting.statements.closing import statement_close
from accounting.statements.selectors import reading_of
from allocations.services.tokens import token_create
from portal.web.templatetags.figures import gpu_hours
from tests.accounting.shapes import SEEN, Place, random_runs
from tests.accounting.truth import moment_of, record, truth
from tests.factories import (
    HOUR,
    GrantFactory,
    GrantLineFactory,
    LedgerEntryFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2028, 1, 1), date(2028, 3, 20)
MONTHS = (date(2028, 1, 1), date(2028, 2, 1), date(2028, 3, 1))
AT = moment_of(SEEN)
GRANTED = {"p26001-h100": 900 * HOUR, "p26001-a100": 5 * HOUR}
CODES = {"p26001-h100": "h100", "p26001-a100": "a100"}
KINDS = ("pool", "day", "month", "person", "partition", "kind", "state")


@pytest.fixture(autouse=True)
def now(client):
    cache.clear()
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def project():
    """Open since the year began; one pool may well be overrun. January is closed before all of it was known."""
    project = ProjectFactory(code="p26001", created_at=kst(2028, 1, 1))
    grant = GrantFactory(project=project, hours=0, starts_at=kst(2028, 1, 1), ends_at=kst(2028, 4, 1))
    for position, (name, granted) in enumerate(GRANTED.items()):
        line = GrantLineFactory(grant=grant, hours=0, pool=PoolFactory(code=CODES[name], position=position))
        LedgerEntryFactory(line=line, gpu_seconds=granted, at=kst(2028, 1, 1))
    return project


class Sources:
    """The same period as each page, file and interface tells it: GPU-seconds by Slurm account."""

    def __init__(self, client, project):
        self.client, self.project = client, project
        _, self.secret = token_create(name="test", days=1, by=project.pi, at=AT)
        client.force_login(project.pi)

    def api(self, path, **query):
        answer = self.client.get(f"/api/v1/{path}", query, headers={"Authorization": f"Bearer {self.secret}"})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def api_usage(self, by, first, last):
        """By pool, also where that is not what was asked for."""
        asked = ",".join(dict.fromkeys(["pool", by]))
        answer = self.api("projects/p26001/usage", by=asked, **{"from": first, "to": last})
        sums = Counter()
        for row in answer["rows"]:
            sums[f"p26001-{row['pool']}"] += row["used"]["gpu_seconds"]
        assert answer["total"]["used"]["gpu_seconds"] == sums.total()
        return +sums

    def rows(self, name, *args, **query):
        """Of a CSV file, each by the heads of its columns."""
        answer = self.client.get(reverse(name, args=["p26001", *args]), query)
        assert answer.status_code == 200
        text = b"".join(answer).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    def statement(self, month):
        reading = reading_of(self.project, month, AT, as_now=True)
        in_file = [row for row in self.rows("statement_csv", month, **{"as": "now"}) if row["CPU-seconds"]]
        sums = Counter({pool.account: pool.used for pool in reading.content.pools})
        assert sums.total() == -sum(int(row["GPU-seconds"]) for row in in_file)
        return +sums


def written(page, label):
    """What the project's page writes on the card of this name, and in the table of pools."""
    card = re.search(rf'<dt>{label}</dt>\s*<dd class="value">([\d,.]+)', page)
    [table] = re.findall(r"<table(?:(?!</table>).)*Where each GPU kind stands.*?</table>", page, re.DOTALL)
    return card[1], re.findall(rf'data-label="{label}">(?:<\w+>)?([\d,.]+)', table)


@pytest.mark.parametrize("seed", range(4))
def test_every_source_says_the_same_to_the_second(client, project, seed):
    runs = random_runs(seed, 15, Place(accounts=tuple(GRANTED), users=("kim", "lee", ""), longest=4 * 86_400))
    rows = [record(run) for run in runs]
    store_rows(rows[::2], at=AT)
    IngestMark.objects.update_or_create(cluster="pohang", defaults={"read_until": AT})
    operator = UserFactory(roles=["operator"])
    statement_close(project=project, month=FIRST, by=operator, at=AT, reason="before all of it was known")
    store_rows(rows, at=AT)

    true = Counter()
    by_month = {month: Counter() for month in MONTHS}
    for key, amount in truth(runs).items():
        if FIRST <= key.day <= LAST:
            true[key.account] += amount.gpu_seconds
            by_month[key.day.replace(day=1)][key.account] += amount.gpu_seconds
    true = +true
    assert true
    sources = Sources(client, project)

    # The cards: of the API, and as the page writes them.
    standing = sources.api("projects/p26001")["project"]
    assert +Counter({row["account"]: row["used"]["gpu_seconds"] for row in standing["pools"]}) == true
    for row in standing["pools"]:
        used, granted = true[row["account"]], GRANTED[row["account"]]
        assert (row["left"]["gpu_seconds"], row["overrun"]["gpu_seconds"]) == (
            max(0, granted - used), max(0, used - granted),
        )  # fmt: skip
    total = standing["total"]
    assert total["used"]["gpu_seconds"] == true.total()
    page = client.get(reverse("project", args=["p26001"]))
    assert +Counter({pool.account.name: pool.balance.used for pool in page.context["usage"].pools}) == true
    for label, name in (("Left", "left"), ("Used", "used")):
        card, by_pool = written(page.content.decode(), label)
        assert card == gpu_hours(total[name]["gpu_seconds"]), label
        assert by_pool == [gpu_hours(row[name]["gpu_seconds"]) for row in standing["pools"]], label

    # The whole period by everything it can be asked for, and each month of it beside its statement.
    for by in KINDS:
        assert sources.api_usage(by, FIRST, LAST) == true, by
    in_file = Counter()
    for row in sources.rows("project_usage_csv"):
        if FIRST.isoformat() <= row["Day"] <= LAST.isoformat():
            in_file[row["Pool"]] += int(row["GPU-seconds"])
    assert +in_file == Counter({f"{CODES[name].upper()} 80GB": amount for name, amount in true.items()})
    for month in MONTHS:
        last = min(LAST, (month + timedelta(days=31)).replace(day=1) - timedelta(days=1))
        assert sources.statement(month) == +by_month[month], month
        assert sources.api_usage("person", month, last) == +by_month[month], month

    # The usage page and each of its tables.
    period = {"period": "dates", "first": FIRST, "last": LAST}
    for by in ("person", "pool", "partition", "kind"):
        answer = client.get(reverse("project_use", args=["p26001"]), period | {"by": by})
        assert answer.context["breakdown"].total.gpu_seconds == true.total(), by
        for table in ("time", "groups"):
            shown = sources.rows("project_use_csv", table, **period, by=by)
            assert sum(int(row["GPU-seconds"]) for row in shown) == true.total(), (by, table)
    for table in ("days", "ends"):
        shown = sources.rows("project_use_csv", table, **period)
        assert sum(int(row["GPU-seconds"]) for row in shown) == true.total(), table
