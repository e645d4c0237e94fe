"""What a run of the alerts' chore costs over all projects of a center: the first one, which has the most to say, and
those after it."""

from __future__ import annotations

import os
import time

from tests.bench import ground  # isort: skip
from django.utils import timezone

from accounting.alerts.evaluate import Round
from allocations.models import Project
from tests.bench.years import two_years

JOBS = int(os.environ.get("BENCH_JOBS", 1_000_000))
PROJECTS = int(os.environ.get("BENCH_PROJECTS", 2_000))
AIM_SECONDS = 2.0


def main() -> None:
    ground.migrate()
    two_years(PROJECTS, JOBS)
    print(f"{Project.objects.count():,} projects, {JOBS:,} jobs; aim: no piece longer than {AIM_SECONDS} s")
    for what in ("first round", "second", "third"):
        tell(what)


def tell(what: str) -> None:
    """The first has a mail for every project; nothing is new in those after it."""
    through, took, more = Round(), [], True
    with ground.counted() as queries:
        while more:
            start = time.monotonic()
            more = through.go_on(timezone.now())
            took.append(time.monotonic() - start)
    aim = "met" if max(took) < AIM_SECONDS else "not met"
    print(
        f"  {what:<12}{sum(took):7.2f} s in {len(took)} pieces, longest {max(took):.2f} s, {queries.number} queries, "
        f"{through.raised} alerts new: {aim}"
    )


if __name__ == "__main__":
    main()
