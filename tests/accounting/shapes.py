"""Histories of jobs of every shape, with all that is known of them: what tests/accounting/truth.py adds up.

A history is a list of shapes, each with a number that its details follow from, so that Hypothesis can make it short
and the same list gives the same jobs everywhere. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

from hypothesis import strategies as st

HOUR, DAY = 3600, 86_400
# Korea has had one offset, without summer time, since 1988.
SEOUL_AHEAD = 9 * HOUR
ENDS = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "DEADLINE")
KINDS = ("h100", "a100", "a100_1g.5gb", "h100_7g.80gb", "b200")
ROWS_A_SHAPE = 8


def seoul(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) - SEOUL_AHEAD


# Where sums go wrong: a year's end, a month's, a leap day's two, a day's in UTC, an hour's.
BORDERS = (
    seoul(2028, 1, 1),
    seoul(2028, 2, 1),
    seoul(2028, 2, 29),
    seoul(2028, 3, 1),
    seoul(2028, 2, 29, 9),
    seoul(2028, 3, 1, 17),
)
SEEN = seoul(2028, 3, 20, 13) + 17


@dataclass(frozen=True, slots=True)
class TrueRun:
    """One run of a job, in seconds since 1970; `end` None: it has not ended, `start` None: it never began.

    `kinds` are of the `gpus`, in alphabetical order; what they leave is of no kind.
    """

    number: int
    job_id: int
    display_id: str
    account: str
    user: str
    partition: str
    state: str
    submit: int
    start: int | None
    end: int | None
    gpus: int
    kinds: tuple[tuple[str, int], ...]
    cpus: int
    suspended: int = 0
    array: tuple[int, int] | None = None
    het: tuple[int, int] | None = None

    @property
    def open(self) -> bool:
        return self.end is None


@dataclass(frozen=True)
class Place:
    """Where and when the jobs of a history are: nothing ended after `seen`, up to which running ones are charged.

    `real`: only what a slurmdbd can be made to hold and knows what to do with.
    """

    accounts: Sequence[str] = ("p26001-h100", "p26001-a100", "p26002-h100", "physics", "gone-h100")
    users: Sequence[str] = ("kim", "lee", "", "nobody")
    borders: Sequence[int] = BORDERS
    seen: int = SEEN
    first_job: int = 1000
    longest: int = 12 * DAY
    real: bool = False


# --- Shapes ---


@dataclass
class Job:
    """A job in the making: what its runs have in common, and the dice for what is its own."""

    dice: Random
    place: Place
    number: int
    account: str = field(init=False)
    user: str = field(init=False)
    rows: list[TrueRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account, self.user = self.dice.choice(self.place.accounts), self.dice.choice(self.place.users)

    @property
    def id(self) -> int:
        return self.place.first_job + self.number

    def moment(self) -> int:
        """On a border, within a second or an hour of one, or within days."""
        roll = self.dice.random
        off = self.dice.choice(
            (0, 0, 1, -1, -HOUR, HOUR, int(roll() * HOUR), -int(roll() * DAY), int(roll() * 3 * DAY))
        )
        return self.dice.choice(self.place.borders) + off

    def length(self) -> int:
        roll = self.dice.random
        exact = self.dice.choice((0, 1, 2, 59, 60, HOUR - 1, HOUR, HOUR + 1, DAY - 1, DAY, DAY + 1))
        some = self.dice.choice((120, 2 * HOUR, DAY, self.place.longest))
        return min(self.dice.choice((exact, int(roll() * some))), self.place.longest)

    def held(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """GPUs of one kind, of several, of MIG slices, of kinds nobody has named; or none at all."""
        gpus = self.dice.choice((0, 1, 1, 2, 4, 8, 64))
        form = self.dice.randrange(6)
        if not gpus or form == 0:
            return gpus, ()
        if form < 4 or gpus == 1:
            return gpus, ((self.dice.choice(KINDS), gpus),)
        one, other = sorted(self.dice.sample(KINDS, 2))
        first = self.dice.randrange(1, gpus)
        second = gpus - first if form == 4 else self.dice.randrange(gpus - first)
        return gpus, ((one, first), *(((other, second),) if second else ()))

    def run(self, start: int | None, end: int | None, **changes: object) -> TrueRun:
        gpus, kinds = self.held()
        if end is not None:
            end = min(end, self.place.seen)
        values: dict[str, object] = {
            "number": self.number + len(self.rows),
            "job_id": self.id,
            "display_id": str(changes.get("job_id", self.id)),
            "account": self.account,
            "user": self.user,
            "partition": self.dice.choice(("h100", "a100")),
            "state": self.dice.choice(ENDS),
            "submit": (start if start is not None else end or 0) - self.dice.choice((0, 1, 30, 2 * HOUR)),
            "start": start,
            "end": end,
            "gpus": gpus,
            "kinds": kinds,
            "cpus": self.dice.choice((1, 2, 8, 96)),
            **changes,
        }
        self.rows.append(TrueRun(**values))  # type: ignore[arg-type]
        return self.rows[-1]


def plain(job: Job) -> None:
    start = job.moment()
    job.run(start, start + job.length())


def without_gpus(job: Job) -> None:
    start = job.moment()
    job.run(start, start + job.length(), gpus=0, kinds=())


def requeued(job: Job) -> None:
    """Ended by Slurm and begun again under the same id, each time two minutes later or more."""
    start = job.moment()
    for state in job.dice.choices(("REQUEUED", "PREEMPTED", "NODE_FAIL"), k=job.dice.randrange(1, 4)):
        end = job.run(start, start + job.length(), state=state, submit=start - 120).end
        start = (end or start) + 121 + job.dice.randrange(HOUR)
    if start < job.place.seen:
        job.run(start, start + job.length(), submit=start - 120)


def suspended(job: Job) -> None:
    """Held its GPUs all the same."""
    start, length = job.moment(), job.length()
    job.run(start, start + length, suspended=job.dice.randrange(length + 1))


def array(job: Job) -> None:
    """Each task with an id of its own, and the last one with the array's."""
    start, tasks = job.moment(), job.dice.randrange(2, 6)
    gpus, kinds = job.held()
    for task in range(1, tasks + 1):
        number = job.id + (task % tasks)
        begun = start + job.dice.randrange(90)
        same = {"gpus": gpus, "kinds": kinds, "array": (job.id, task)}
        job.run(begun, begun + job.length(), job_id=number, display_id=f"{job.id}_{task}", **same)


def heterogeneous(job: Job) -> None:
    """Components that start and end together, each with GPUs of its own."""
    start, length = job.moment(), job.length()
    state = job.dice.choice(ENDS)
    for offset in range(job.dice.randrange(2, 4)):
        ids = {"job_id": job.id + offset, "display_id": f"{job.id}+{offset}", "het": (job.id, offset)}
        job.run(start, start + length, state=state, submit=start - 5, **ids)


def resized(job: Job) -> None:
    """Two rows of one run: the second, submitted at the moment of the change, with fewer GPUs."""
    start = job.moment()
    change = min(start + 1 + job.length(), job.place.seen)
    kind = job.dice.choice(KINDS)
    job.run(start, change, state="RESIZING", gpus=4, kinds=((kind, 4),), submit=start - 1)
    job.run(change, change + job.length(), gpus=1, kinds=((kind, 1),), submit=change)


def cancelled_before_start(job: Job) -> None:
    job.run(None, job.moment(), state="CANCELLED", gpus=0, kinds=(), cpus=0)


def failed_at_once(job: Job) -> None:
    start = job.moment()
    job.run(start, start, state=job.dice.choice(("FAILED", "BOOT_FAIL", "NODE_FAIL")))


def node_failed(job: Job) -> None:
    start = job.moment()
    job.run(start, start + job.length(), state="NODE_FAIL")


def reused_id(job: Job) -> None:
    """The job ids began again from 1: another job, of another account, under the same id."""
    for _ in range(2):
        start = job.moment()
        job.run(start, start + job.length(), submit=start - 10 - len(job.rows), account=job.account, user=job.user)
        job.account, job.user = job.dice.choice(job.place.accounts), job.dice.choice(job.place.users)


def runaway(job: Job) -> None:
    """Has no end, and never will."""
    job.run(job.moment(), None, state=job.dice.choice(("RUNNING", "RUNNING", "SUSPENDED")))


def end_not_yet_known(job: Job) -> None:
    """Seen while slurmdbd catches up: its state is there before its end."""
    job.run(job.moment(), None, state="COMPLETED")


def runs_now(job: Job) -> None:
    job.run(job.place.seen - 1 - job.length(), None, state="RUNNING")


def clocks_ran_backwards(job: Job) -> None:
    start = job.moment()
    job.run(start, start - 1 - job.dice.randrange(2 * DAY))


Shape = Callable[[Job], None]
REAL: tuple[Shape, ...] = (
    plain,
    without_gpus,
    requeued,
    suspended,
    array,
    heterogeneous,
    resized,
    cancelled_before_start,
    failed_at_once,
    node_failed,
    reused_id,
    runaway,
    runs_now,
)
SHAPES = (*REAL, end_not_yet_known, clocks_ran_backwards)


# --- Histories ---

# A shape and the number from which its details follow.
Recipe = tuple[Shape, int]


def runs_of(recipes: Iterable[Recipe], place: Place = Place()) -> list[TrueRun]:
    runs: list[TrueRun] = []
    for position, (shape, seed) in enumerate(recipes):
        job = Job(Random(seed), place, position * ROWS_A_SHAPE)  # noqa: S311  (no secret)
        shape(job)
        runs += job.rows
    return runs


def random_runs(seed: int, size: int, place: Place = Place()) -> list[TrueRun]:
    """`size` jobs, the same ones for the same seed."""
    dice = Random(seed)  # noqa: S311  (no secret)
    shapes = REAL if place.real else SHAPES
    return runs_of([(dice.choice(shapes), dice.getrandbits(30)) for _ in range(size)], place)


# One number each: it is drawn twice as fast as a pair, and shrinks as well.
_recipe = st.integers(0, len(SHAPES) * 2**16).map(lambda number: (SHAPES[number % len(SHAPES)], number // len(SHAPES)))
# Hypothesis keeps lists short unless it is told not to: every tenth history is a long one.
histories = (
    st.sampled_from((0,) * 9 + (100,))
    .flatmap(lambda least: st.lists(_recipe, min_size=least, max_size=200))
    .map(runs_of)
)


def as_seen(runs: Iterable[TrueRun], moment: int) -> Iterator[TrueRun]:
    """The rows as slurmdbd had them at that moment: what ended later still ran."""
    for run in runs:
        first = run.start if run.start is not None else run.end
        if first is None or first > moment:
            continue
        ended = run.end is not None and max(run.end, first) <= moment
        yield run if ended or run.open else replace(run, end=None, state="RUNNING")
