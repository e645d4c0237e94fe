"""What the API takes and gives. Amounts are exact in GPU-seconds; GPU-hours have two places, rounded down."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, Field, ValidationInfo, model_validator

from accounting.api.problems import bad_parameter
from portal.web.sheets import hours_cell

MOST_JOBS = 500
KEYS = ("day", "month", "person", "pool", "partition", "kind", "state")
_KEY = f"({'|'.join(KEYS)})"
# Far enough from where the calendar ends that a day's bounds and the next month are still days.
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(3000, 1, 1))]


class Asked(BaseModel):
    """What is asked for in the query string; an unknown name is refused rather than passed over."""

    @model_validator(mode="before")
    @classmethod
    def nothing_else(cls, values: Any, info: ValidationInfo) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for name in info.context["request"].GET if info.context else ():
            if name not in known:
                sentence = _("There is no such parameter here. Known are: %(names)s")
                raise bad_parameter(name, sentence % {"names": ", ".join(sorted(known))})
        return values


class Period(Asked):
    first: Day | None = Field(default=None, alias="from", description="First day, in Korea.")
    last: Day | None = Field(
        default=None, alias="to", description="Last day, itself included; today where it is left out."
    )


class UsageAsked(Period):
    by: str = Field(
        "day", pattern=f"^{_KEY}(,{_KEY})*$", description=f"What to sum by, with commas: {', '.join(KEYS)}."
    )


class JobsAsked(Period):
    state: str = Field(default="", pattern="^[A-Za-z_]*$", description="How it ended, in Slurm's word, such as FAILED.")
    user: str = Field(default="", pattern="^[A-Za-z0-9_.-]*$", description="User name on the cluster.")
    limit: int = Field(default=100, ge=1, le=MOST_JOBS)
    cursor: str = Field(default="", description="`next` of the answer before.")


class QueueAsked(Asked):
    project: str = Field(default="", pattern="^[a-z0-9-]*$", description="Code of one; else all of your own.")


class Hours(BaseModel):
    gpu_seconds: int
    gpu_hours: str = Field(description="With two places, rounded down; no separators.")


def hours(gpu_seconds: int) -> Hours:
    return Hours(gpu_seconds=gpu_seconds, gpu_hours=f"{hours_cell(gpu_seconds):f}")


def hours_or_none(gpu_seconds: int | None) -> Hours | None:
    return None if gpu_seconds is None else hours(gpu_seconds)


class Read(BaseModel):
    """How current figures are."""

    read_until: datetime | None = Field(description="Jobs that ended before are all counted.")
    queue_read_at: datetime | None = Field(description="When queue, reserved and startable were last read from Slurm.")


class TokenShown(BaseModel):
    name: str
    expires_at: datetime


class Me(BaseModel):
    name: str
    email: str
    institution: str | None
    cluster_username: str | None = Field(description="As approved by the center.")
    token: TokenShown


class Projected(BaseModel):
    """Where use goes if it goes on as of late."""

    rate: Hours = Field(description="A day.")
    runs_out_on: date | None = Field(description="Null: not before the grant ends.")
    earliest: date | None
    latest: date | None
    used_at_end: Hours


class Standing(BaseModel):
    """`granted` and `refunded` make up what may be used, of which `used` is the gross use and `left` the rest."""

    standing: str = Field(description="open, suspended, upcoming or ended.")
    starts_at: datetime
    ends_at: datetime = Field(description="Itself not included.")
    days_left: int
    granted: Hours
    refunded: Hours
    used: Hours
    used_percent: int | None = Field(description="Rounded down; null where nothing is granted.")
    left: Hours
    overrun: Hours = Field(description="Used beyond what was granted.")
    reserved: Hours | None = Field(description="Held by running jobs; null where Slurm was not asked yet.")
    startable: Hours | None = Field(description="What new jobs may ask for now: GPUs × time limit.")
    counted_at: datetime | None = Field(description="When Slurm was asked.")
    burn_7: Hours | None = Field(description="Use a day over the last 7 whole days.")
    burn_28: Hours | None = Field(description="Use a day over the last 28 whole days.")
    projection: Projected | None = Field(description="Null where there is not enough data, or no grant is open.")


class PoolStanding(Standing):
    pool: str
    pool_name: str
    account: str = Field(description="For --account of a job.")
    partitions: list[str]


class ProjectStanding(BaseModel):
    code: str
    title: str
    pi: str
    institution: str
    total: Standing | None = Field(description="Over the pools open now; null where nothing was ever granted.")
    pools: list[PoolStanding]


class Projects(BaseModel):
    figures: Read
    projects: list[ProjectStanding]


class Project(BaseModel):
    figures: Read
    project: ProjectStanding


class UsageRow(BaseModel):
    """Only what was asked to sum by is there besides the amounts."""

    day: date | None = None
    month: date | None = Field(default=None, description="Its first day.")
    person: str | None = Field(default=None, description="User name on the cluster.")
    person_name: str | None = None
    pool: str | None = None
    partition: str | None = None
    kind: str | None = Field(default=None, description="GPU kind as Slurm names it; empty where jobs named none.")
    state: str | None = None
    used: Hours
    cpu_seconds: int
    jobs: int = Field(description="Runs that started within.")


class Usage(BaseModel):
    figures: Read
    first: date
    last: date
    total: UsageRow
    rows: list[UsageRow]


class JobShown(BaseModel):
    job: str
    person: str
    person_name: str
    account: str
    pool: str
    partition: str
    state: str
    state_words: str
    gpus: int
    submitted_at: datetime
    eligible_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    time_limit_minutes: int | None
    exit_code: str
    used: Hours


class Jobs(BaseModel):
    figures: Read
    jobs: list[JobShown] = Field(description="That ended within the period, the last to end first.")
    next: str | None = Field(description="`cursor` of the next part; null where there is none.")


class QueueShown(BaseModel):
    job: str
    project: str
    account: str
    person: str
    partition: str
    running: bool
    state: str
    reason: str = Field(description="Slurm's own word.")
    reason_words: str
    cure: str
    gpus: int
    submitted_at: datetime
    started_at: datetime | None
    time_limit_minutes: int | None


class Queue(BaseModel):
    figures: Read
    jobs: list[QueueShown] = Field(description="Running ones first, then waiting ones.")
    more: bool = Field(description="There are more than are listed.")
