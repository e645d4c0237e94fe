"""The way onto the cluster for somebody who never saw Slurm: which steps there are, and a first job to submit.

Pure: what is known of a person comes in as Facts, sentences go out. Steps the portal cannot see are ticked by the
person (`SELF_TICKED`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils.translation import gettext as _


class Code(StrEnum):
    AGREEMENT = "agreement"
    USERNAME = "username"
    CLUSTER = "cluster"
    KEY = "key"
    LOGIN = "login"
    JOB = "job"


SELF_TICKED = frozenset({Code.KEY, Code.LOGIN})


class State(StrEnum):
    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the portal knows of a person in a project. `has_name`: their name on the cluster is ready, with where it
    stands in words; `usable`: some account is in force and a grant is open; `trouble`: what Slurm or the cluster's
    state keeps it from, in words."""

    agreed: bool
    has_name: bool
    name_words: str
    usable: bool
    trouble: str
    ticked: frozenset[str]
    first_job_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    code: Code
    title: str
    words: str
    state: State

    @property
    def self_ticked(self) -> bool:
        return self.code in SELF_TICKED

    @property
    def done(self) -> bool:
        return self.state is State.DONE


def checklist(facts: Facts) -> list[Step]:
    """Every step in order: those done, the first that is not (`now`), and what follows."""
    ran = facts.first_job_at is not None
    done = {
        Code.AGREEMENT: facts.agreed,
        Code.USERNAME: ran or facts.has_name,
        Code.CLUSTER: ran or (facts.usable and facts.has_name),
        # Whoever has run a job has logged in, whatever was ticked.
        Code.KEY: ran or Code.KEY in facts.ticked,
        Code.LOGIN: ran or Code.LOGIN in facts.ticked,
        Code.JOB: ran,
    }
    present = next((code for code in Code if not done[code]), None)
    steps = []
    for code in Code:
        state = State.DONE if done[code] else State.NOW if code is present else State.LATER
        title, words = _words(code, facts, done[code])
        steps.append(Step(code, title, words, state))
    return steps


def _words(code: Code, facts: Facts, done: bool) -> tuple[str, str]:
    match code:
        case Code.AGREEMENT:
            words = _("GPU time is granted.") if done else _("The PI has yet to accept the agreement.")
            return _("Agreement made"), words
        case Code.USERNAME:
            return _("User name"), facts.name_words
        case Code.CLUSTER:
            waits = facts.usable and not facts.has_name
            words = _("It follows by itself as soon as your user name is ready.") if waits else facts.trouble
            return _("Known to the cluster"), _("The cluster knows you and takes your jobs.") if done else words
        case Code.KEY:
            return _("Key or password"), ""
        case Code.LOGIN:
            return _("Log in"), ""
        case Code.JOB:
            words = _("You have run a job here.") if done else _("Submit the script below.")
            return _("First job"), words


# --- The first job ---

CHECK, TRAIN = "check", "train"


@dataclass(frozen=True, slots=True)
class Job:
    """What a script asks Slurm for: `minutes` is the longest it may run."""

    account: str
    partition: str
    gpus: int
    minutes: int
    body: str = CHECK


def job_script(job: Job) -> str:
    """A whole script for sbatch. No QOS is named: the account's own is the right one."""
    hours, minutes = divmod(job.minutes, 60)
    return "\n".join(
        [
            "#!/bin/bash",
            "#SBATCH --job-name=first-job",
            f"#SBATCH --account={job.account}",
            f"#SBATCH --partition={job.partition}",
            "#SBATCH --nodes=1",
            f"#SBATCH --gpus={job.gpus}",
            f"#SBATCH --time={hours:02d}:{minutes:02d}:00",
            "#SBATCH --output=%x-%j.out",
            "",
            *(_TRAINING if job.body == TRAIN else _CHECKING),
            "",
        ]
    )


_CHECKING = ["set -e", "hostname", "nvidia-smi"]
_TRAINING = [
    "set -e",
    "nvidia-smi",
    "python3 - <<'PYTHON'",
    "import torch",
    "",
    'device = "cuda"',
    'print(torch.cuda.device_count(), "GPU:", torch.cuda.get_device_name())',
    "model = torch.nn.Linear(1024, 1).to(device)",
    "optimizer = torch.optim.Adam(model.parameters())",
    "for step in range(1, 1001):",
    "    inputs = torch.randn(4096, 1024, device=device)",
    "    loss = (model(inputs).squeeze() - inputs.mean(dim=1)).pow(2).mean()",
    "    optimizer.zero_grad()",
    "    loss.backward()",
    "    optimizer.step()",
    "    if step % 100 == 0:",
    '        print(f"step {step}: loss {loss.item():.6f}")',
    "PYTHON",
]
