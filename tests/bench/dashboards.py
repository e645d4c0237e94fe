"""Every dashboard over two years of a center's life: queries and server time of a request, then with ten times the
daily rows.

BENCH_JOBS and BENCH_PROJECTS set the size. Requests go through the whole of Django in this process: what a request
costs the server, without the network. Each page is asked for by many projects, those with most jobs among them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.bench import ground  # isort: skip
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounting.models import Job, UsageDay, UsageMonth
from accounting.usage import day_of
from allocations.models import Project
from portal.people.models import AccessToken, Institution, RoleAssignment, User
from portal.people.permissions import Role
from portal.people.tokens import beginning_of, digest_of, new_secret
from portal.serving import collect_rarely
from tests.bench.figures import median, seconds
from tests.bench.years import ten_times_the_days, two_years
from tests.factories import UserFactory

JOBS = int(os.environ.get("BENCH_JOBS", 1_000_000))
PROJECTS = int(os.environ.get("BENCH_PROJECTS", 2_000))
LARGEST, OTHERS, TIMES = 10, 30, 3
AIM_QUERIES, AIM_SECONDS, AIM_GROWTH = 12, 0.060, 1.20
# As the PI of a project asks for them. {code}: the project's; {first}, {last}: a year up to yesterday.
OF_PROJECT = {
    "project page": "/projects/{code}/",
    "its live part": "/projects/{code}/usage/",
    "usage, as it opens": "/projects/{code}/use/",
    "usage, a year by pool": "/projects/{code}/use/?period=dates&first={first}&last={last}&by=pool",
    "jobs, as it opens": "/projects/{code}/jobs/",
    "jobs, filtered": "/projects/{code}/jobs/?ended=lost&sort=hours&first={first}&last={last}",
    "alerts": "/projects/{code}/alerts/",
    "home of a PI": "/",
}
OF_API = {
    "API: projects": "/api/v1/projects",
    "API: project": "/api/v1/projects/{code}",
    "API: usage, a year": "/api/v1/projects/{code}/usage?from={first}&to={last}&by=person",
    "API: jobs": "/api/v1/projects/{code}/jobs?from={first}&to={last}",
}
OF_CENTER = {
    "home of an operator": "/",
    "center": "/center/",
    "center, a year": "/center/?period=dates&first={first}&last={last}",
    "operators' center": "/operations/center/",
    "its live part, center": "/operations/center/now/",
    "reports": "/reports/",
}


@dataclass(frozen=True)
class Measured:
    """Queries at the most, and seconds of server time; `own` is what of it this process computed itself, which a busy
    machine lengthens less."""

    queries: int
    own: float
    p50: float
    p95: float


def main() -> None:
    ground.migrate()
    print(f"{JOBS} jobs, {PROJECTS} projects, two years: made in {seconds(lambda: two_years(PROJECTS, JOBS)):.0f} s")
    collect_rarely()
    once = measure_all()
    print(f"the same with ten times the daily rows: made in {seconds(ten_times_the_days):.0f} s")
    tenfold = measure_all()
    print("compared")
    for name, before in once.items():
        growth = tenfold[name].p95 / before.p95
        print(f"  {name:<24}{growth:6.2f} times as long (p95); aim {AIM_GROWTH}: {met(growth <= AIM_GROWTH)}")


def measure_all() -> dict[str, Measured]:
    rows = f"{UsageDay.objects.count()} rows by day, {UsageMonth.objects.count()} by month"
    print(f"{Job.objects.count()} jobs, {rows}; a bare query {median(bare_query() for _ in range(50)) * 1e3:.2f} ms")
    measured = {name: measure(requests) for name, requests in pages()}
    for name, found in measured.items():
        verdict = met(found.queries <= AIM_QUERIES and found.p95 <= AIM_SECONDS)
        print(
            f"  {name:<24}{found.queries:3d} queries, p50 {found.p50 * 1e3:6.1f} ms ({found.own * 1e3:.1f} own), "
            f"p95 {found.p95 * 1e3:6.1f} ms; "
            f"aim {AIM_QUERIES} and {AIM_SECONDS * 1e3:.0f} ms: {verdict}",
            flush=True,
        )
    return measured


def pages() -> Iterator[tuple[str, list[tuple[Client, str]]]]:
    """What is measured, each with who asks for which address."""
    dice = random.Random(2026)  # noqa: S311  (no secret)
    yesterday = day_of(timezone.now()) - timedelta(days=1)
    year = {"first": yesterday - timedelta(days=364), "last": yesterday}
    codes = list(Project.objects.order_by("code").values_list("code", flat=True))
    chosen = codes[:LARGEST] + dice.sample(codes[LARGEST:], OTHERS)
    projects = Project.objects.filter(code__in=chosen).select_related("pi").order_by("code")
    clients = [(client_of(row.pi), script_of(row.pi), row.code) for row in projects]
    operator = client_of(an_operator())
    for name, address in OF_PROJECT.items():
        yield name, [(client, address.format(code=code, **year)) for client, _, code in clients]
    for name, address in OF_API.items():
        yield name, [(script, address.format(code=code, **year)) for _, script, code in clients]
    for name, address in OF_CENTER.items():
        yield name, [(operator, address.format(**year))] * len(clients)


def client_of(user: User) -> Client:
    client = Client(SERVER_NAME="localhost")
    client.force_login(user, backend="portal.people.backend.PortalBackend")
    return client


def script_of(user: User) -> Client:
    """A script with a token of the person's."""
    AccessToken.objects.filter(user=user).delete()
    secret, now = new_secret(), timezone.now()
    AccessToken.objects.create(
        user=user, name="bench", digest=digest_of(secret), beginning=beginning_of(secret), created_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    return Client(SERVER_NAME="localhost", headers={"authorization": f"Bearer {secret}"})


def an_operator() -> User:
    user = User.objects.filter(email="operator@bench.example").first()
    user = user or UserFactory(email="operator@bench.example", institution=Institution.objects.first())
    RoleAssignment.objects.get_or_create(user=user, role=Role.OPERATOR)
    return user


def measure(requests: list[tuple[Client, str]]) -> Measured:
    """Every request once to warm up and to count its queries, then some times."""
    queries, took, own = 0, [], []
    for client, address in requests:
        with ground.counted() as counted:
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
        queries = max(queries, counted.number)
    for _ in range(TIMES):
        for client, address in requests:
            start = time.thread_time()
            took.append(seconds(lambda client=client, address=address: client.get(address).content))
            own.append(time.thread_time() - start)
    took.sort()
    return Measured(queries, median(own), median(took), took[int(len(took) * 0.95)])


def bare_query() -> float:
    start = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return time.perf_counter() - start


def met(reached: bool) -> str:
    return "met" if reached else "not met"


if __name__ == "__main__":
    main()
