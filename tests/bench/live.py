"""Many open dashboards and many Events a second, on the portal as it runs: from an Event's commit until the dashboard
has the refreshed part, and what the web server needs of memory meanwhile.

BENCH_SECONDS, BENCH_DASHBOARDS, BENCH_EVENTS (a second) and BENCH_WEB (web processes behind the one address) set the
sizes. Browsers, writer, database and web server share this machine.
"""

from __future__ import annotations

import asyncio
import bisect
import multiprocessing
import os
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from tests.bench import ground  # isort: skip
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction
from django.utils import timezone

from accounting.models import QueueJob
from allocations.models import Account
from portal import postgres
from portal.demo.stack import Stack
from portal.events.services import record
from portal.people.models import User
from tests.bench.browsers import Dashboard
from tests.bench.figures import median
from tests.bench.years import two_years
from tests.rig import free_port

SECONDS = int(os.environ.get("BENCH_SECONDS", 60))
DASHBOARDS = int(os.environ.get("BENCH_DASHBOARDS", 200))
EVENTS = int(os.environ.get("BENCH_EVENTS", 50))
PROCESSES = int(os.environ.get("BENCH_WEB", 2))
JOBS_A_PROJECT = 500
MARKED = 700_000_000
AIM_SECONDS, AIM_GROWTH = 1.0, 1.05
# The last Events have so long to reach their dashboards.
PATIENCE = 5.0


def main() -> None:
    ground.migrate()
    two_years(DASHBOARDS, DASHBOARDS * JOBS_A_PROJECT)
    var = Path(os.environ["PORTAL_VAR"])
    stack = Stack(
        port=free_port(),
        sockets=var / "postgres",
        database=postgres.DATABASE,
        var=var,
        sandbox=None,
        secret_key=settings.SECRET_KEY,
        environment={"ALLOWED_HOSTS": "*", "LOG_LEVEL": "WARNING"},
        web_processes=PROCESSES,
    )
    leaves = list(Account.objects.filter(pool__code="h100").select_related("project__pi").order_by("name"))
    try:
        stack.start_web()
        print(f"{DASHBOARDS} dashboards of {DASHBOARDS} projects, {PROCESSES} web process(es)")
        run(stack, leaves, leaves)
        print("reconnecting after a restart of the web server")
        storm(stack, leaves)
        print(f"{DASHBOARDS} dashboards of one project")
        run(stack, leaves[:1] * DASHBOARDS, leaves[:1])
    finally:
        stack.stop()


def run(stack: Stack, opened: Sequence[Account], written: Sequence[Account]) -> None:
    """Dashboards of the projects of `opened`, one each, while things happen to `written` in turn."""
    dashboards = open_ones(stack, opened)
    forking = multiprocessing.get_context("fork")
    ours, theirs = forking.Pipe()
    connection.close()
    # Forked before there is an event loop or a thread.
    writer = forking.Process(target=write, args=(theirs, [leaf.pk for leaf in written]))
    writer.start()
    theirs.close()
    committed = asyncio.run(watch(stack, dashboards, ours))
    writer.join()
    seen_by: defaultdict[int, list[Dashboard]] = defaultdict(list)
    for leaf, dashboard in zip(opened, dashboards, strict=True):
        seen_by[leaf.pk].append(dashboard)
    told_late([later for mark, pk, at in committed for later in lateness(seen_by[pk], mark, at)])
    asked, messages = (sum(getattr(row, name) for row in dashboards) for name in ("asked", "messages"))
    print(f"  {len(committed)} Events, {messages} messages, {asked} parts asked for, {asked / SECONDS:.0f} a second")


def open_ones(stack: Stack, opened: Sequence[Account]) -> list[Dashboard]:
    cookies = {leaf.project.pi: cookie(leaf.project.pi) for leaf in opened}
    return [Dashboard(stack.port, cookies[leaf.project.pi], f"/projects/{leaf.project.code}/") for leaf in opened]


def write(pipe: Pipe, accounts: list[int]) -> None:
    """In a process of its own: EVENTS a second for SECONDS. Answers with (mark, account, moment of its commit)."""
    leaves = [Account.objects.select_related("project").get(pk=pk) for pk in accounts]
    pipe.recv()
    committed = []
    newest = QueueJob.objects.filter(display_id__startswith="7").order_by("-display_id").first()
    first = int(newest.display_id) + 1 if newest else MARKED
    start = time.time()
    for number in range(SECONDS * EVENTS):
        time.sleep(max(0.0, start + number / EVENTS - time.time()))
        leaf, mark = leaves[number % len(leaves)], first + number
        with transaction.atomic():
            running = QueueJob.objects.filter(account=leaf).exclude(state="PENDING").order_by("pk")[:1]
            QueueJob.objects.filter(pk__in=running).update(display_id=str(mark))
            record("account.in_force", target=leaf, by=None, at=timezone.now(), account=leaf.name, gpu_hours=1)
        committed.append((mark, leaf.pk, time.time()))
    pipe.send(committed)
    connection.close()


async def watch(stack: Stack, dashboards: list[Dashboard], pipe: Pipe) -> list[tuple[int, int, float]]:
    """All open and current; then the Events, and beside them what the web server holds and does."""
    for start in range(0, len(dashboards), 10):
        await asyncio.gather(*(dashboard.open() for dashboard in dashboards[start : start + 10]))
    await until_current(dashboards, since=0.0)
    for dashboard in dashboards:
        dashboard.asked = dashboard.messages = 0
    pipe.send("go")
    busy, held = processor_seconds(stack), []
    for _ in range(3):
        await asyncio.sleep(SECONDS / 3)
        held.append(memory(stack))
    busy = processor_seconds(stack) - busy
    committed: list[tuple[int, int, float]] = await asyncio.to_thread(pipe.recv)
    await asyncio.sleep(PATIENCE)
    await asyncio.gather(*(dashboard.close() for dashboard in dashboards))
    growth = held[2] / held[0]
    megabytes = ", ".join(f"{amount / 1024**2:.0f}" for amount in held)
    print(f"  memory after each third {megabytes} MB; aim: grows less than {AIM_GROWTH}: {met(growth < AIM_GROWTH)}")
    print(f"  the web server was busy for {busy / SECONDS:.2f} of one processor; load {os.getloadavg()[0]:.1f}")
    return committed


async def until_current(dashboards: list[Dashboard], since: float) -> None:
    """Every dashboard is connected, and has asked for its parts since."""
    while not all(row.connected_at > since and row.current_at > row.connected_at for row in dashboards):
        await asyncio.sleep(0.05)


def lateness(dashboards: Sequence[Dashboard], mark: int, at: float) -> list[float]:
    """Seconds until each dashboard showed the mark or a later one of the project; without end where it never did."""
    late = []
    for dashboard in dashboards:
        moments = [moment for moment, newest in dashboard.seen if newest >= mark]
        late.append(moments[0] - at if moments else float("inf"))
    return late


def told_late(late: list[float]) -> None:
    late.sort()
    in_time = bisect.bisect_right(late, AIM_SECONDS) / len(late)
    p95, p99 = (late[int(len(late) * share)] for share in (0.95, 0.99))
    print(
        f"  from commit to the refreshed part: {median(late):.2f} s median, {p95:.2f} s p95, {p99:.2f} s p99, "
        f"{late[-1]:.2f} s worst; {in_time:.1%} within {AIM_SECONDS:.0f} s: {met(in_time == 1)}"
    )


def storm(stack: Stack, opened: Sequence[Account]) -> None:
    dashboards = open_ones(stack, opened)

    async def restart() -> tuple[float, float]:
        for start in range(0, len(dashboards), 10):
            await asyncio.gather(*(dashboard.open() for dashboard in dashboards[start : start + 10]))
        await until_current(dashboards, since=0.0)
        down_at = time.time()
        await asyncio.to_thread(stack.stop_web)
        stack.spawn_web()
        await asyncio.to_thread(stack.wait_for_web)
        up_at = time.time()
        await until_current(dashboards, since=down_at)
        await asyncio.gather(*(dashboard.close() for dashboard in dashboards))
        return down_at, up_at

    down_at, up_at = asyncio.run(restart())
    connects = [row.connected_at - up_at for row in dashboards]
    most = Counter(int(moment) for moment in connects).most_common(1)[0][1]
    current = max(row.current_at for row in dashboards) - up_at
    print(
        f"  away for {up_at - down_at:.1f} s; at most {most} of {len(dashboards)} came back in one second, the last "
        f"after {max(connects):.1f} s; all were current {current:.1f} s after the server was there"
    )


def processor_seconds(stack: Stack) -> float:
    ticks = 0
    for process in stack.web:
        after_name = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(stack: Stack) -> int:
    """Bytes that the web processes hold."""
    pages = sum(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) for process in stack.web)
    return pages * os.sysconf("SC_PAGE_SIZE")


def met(reached: bool) -> str:
    return "met" if reached else "not met"


def cookie(user: User) -> str:
    """Signed in, without the form."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


if __name__ == "__main__":
    main()
