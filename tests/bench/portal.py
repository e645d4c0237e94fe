"""The portal as it runs for people, beside a real Slurm.

The bare things are Slurm's own `sacctmgr show assoc` for what goes to Slurm, and a plain database round trip for what
does not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playwright.sync_api import Page

from tests.bench.figures import median, seconds, tell
from tests.rig import Person, Rig, browser, wait_until

if TYPE_CHECKING:
    from allocations.models import Account

APPROVALS = 10
JOBS = 5
EVENTS = 50


def main() -> None:
    rig = Rig("bench")
    os.environ["DATABASE_URL"] = rig.stack.environment["DATABASE_URL"]
    # Playwright keeps an event loop in this thread; nothing here is served from it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    import tests.ready  # noqa: F401  (models, on the rig's database)

    try:
        rig.start("--base")
        bare_slurm = median(rig_seconds(rig, ["sacctmgr", "-n", "-P", "show", "assoc"]) for _ in range(10))
        bare_database = median(seconds(lambda: rig.query("SELECT 1")) for _ in range(10))
        print(f"{'bare sacctmgr show assoc':<44}{bare_slurm:8.3f} s")
        print(f"{'bare database connection and query':<44}{bare_database:8.3f} s")
        with browser() as chromium:
            accounts, approvals = approve(rig)
            tell("agreement to in force, read back from Slurm", approvals, bare_slurm, "sacctmgr calls", aim=5)
            account = accounts[0]
            page = open_dashboard(rig, Person(rig, chromium), account)
            tell("job end to the open dashboard", list(jobs(rig, page, account)), bare_slurm, "sacctmgr calls", aim=15)
            tell("Event to the browser", list(events(page, account)), bare_database, "database queries", aim=1)
        tell_verified(rig)
    finally:
        rig.close()


def approve(rig: Rig) -> tuple[list[Account], list[float]]:
    """New projects, each from the PI's agreement to the moment its account is in force."""
    from django.utils import timezone

    from allocations.models import Account, Grant
    from allocations.services.usernames import username_ask
    from portal.demo.proposals import PROPOSALS
    from portal.demo.seed import person
    from portal.demo.work import accept, apply, assess, call_titled, check, give_name

    applicant = person("seoyeon")
    rig.sandbox.person("seoyeon")
    username_ask(user=applicant, name="seoyeon", by=applicant, at=timezone.now())
    give_name(applicant, timezone.now())
    # 100 GPU-hours: one technical check decides.
    measured = replace(PROPOSALS["defects"], gpus=1, hours=1, runs=100, minimum=0, members=())
    accounts, took = [], []
    for _ in range(APPROVALS):
        at = timezone.now()
        application = apply(call_titled("2026년 하반기"), measured, at, starts_on=timezone.localdate())
        check(application, at)
        assess(application, at)
        start = time.monotonic()
        accept(application, timezone.now())
        project = Grant.objects.get(application=application).project
        accounts.append(wait_until("in force", lambda project=project: in_force(project), every=0.02))
        took.append(time.monotonic() - start)
    assert all(isinstance(account, Account) for account in accounts)
    return accounts, took


def in_force(project: object) -> Account | None:
    from allocations.models import Account

    return Account.objects.filter(project=project, state=Account.State.IN_FORCE).select_related("project").first()


def open_dashboard(rig: Rig, someone: Person, account: Account) -> Page:
    from portal.demo.texts import PASSWORD

    page = someone.log_in("seoyeon@demo.postech.ac.kr", PASSWORD).page
    page.goto(f"/projects/{account.project.code}/")
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => {
            window.heardAt = (action) => new Promise((resolve) => {
                const hear = (event) => event.detail.action === action && resolve(Date.now() / 1000);
                document.body.addEventListener("live", hear);
            });
            window.seenAt = (text) => new Promise((resolve) => {
                const isIt = (row) => row.querySelector(".badge") && row.innerText.includes(text);
                const rows = () => [...document.querySelectorAll("#project-ended tr")];
                const look = () => rows().some(isIt) && resolve(Date.now() / 1000);
                new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
                look();
            });
        }"""
    )
    return page


def jobs(rig: Rig, page: Page, account: Account) -> Iterator[float]:
    """From a job's end by slurmdbd to its row among the ended ones on the open page."""
    for _ in range(JOBS):
        job = rig.sandbox.submit(
            "seoyeon", f"--account={account.name}", "--gpus=1", "--time=1", script="#!/bin/sh\nsleep 2\n"
        )
        ended = wait_until("its end", lambda job=job: end_of(rig, job))
        yield page.evaluate("(job) => window.seenAt(job)", str(job)) - ended


def end_of(rig: Rig, job: int) -> float:
    """When slurmdbd says that the job ended; 0 while it has not."""
    command = ["sacct", "-n", "-X", "-P", "-j", str(job), "-o", "end"]
    told = rig.sandbox.run(command, env={"TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}).stdout.strip()
    return float(told) if told.isdigit() else 0.0


def events(page: Page, account: Account) -> Iterator[float]:
    from portal.events.services import record

    for number in range(EVENTS):
        page.evaluate("window.next = heardAt('account.in_force'); undefined")
        sent = time.time()
        hours = str(number)
        record("account.in_force", target=account, by=None, at=datetime.now(UTC), account=account.name, gpu_hours=hours)
        yield page.evaluate("window.next") - sent


def tell_verified(rig: Rig) -> None:
    rows = rig.query("SELECT count(*), coalesce(sum(gpu_seconds), 0) FROM accounting_usageday")
    print(f"usage rows and GPU-seconds in the portal: {rows[0][0]} and {rows[0][1]}")


def rig_seconds(rig: Rig, command: list[str]) -> float:
    return seconds(lambda: rig.sandbox.run(command))


if __name__ == "__main__":
    main()
