"""What a check of the cluster comes to: one sentence each, and what to change where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.slurm.sentences import Sentence

SLURM_CONF = "slurm.conf"
SACCTMGR = "sacctmgr"


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `file` and `line`: what to write where, empty where all is well.

    A danger means that limits may not hold, or that the portal cannot do its work.
    """

    level: Level
    code: str
    sentence: Sentence
    file: str = ""
    line: str = ""

    @property
    def message(self) -> str:
        """English msgid: shown as gettext(finding.message) % finding.params."""
        return self.sentence.message

    @property
    def params(self) -> dict[str, str]:
        return dict(self.sentence.params)


@dataclass(frozen=True, slots=True)
class PoolSetup:
    """What the portal expects of one pool: its QOS, the partitions that belong to it alone, and its kind of GPU."""

    name: str
    qos: str
    partitions: tuple[str, ...]
    gpu_kind: str = ""


def danger(code: str, sentence: Sentence, file: str = "", line: str = "") -> Finding:
    return Finding(Level.DANGER, code, sentence, file, line)


def warning(code: str, sentence: Sentence, file: str = "", line: str = "") -> Finding:
    return Finding(Level.WARNING, code, sentence, file, line)


def fine(code: str, sentence: Sentence) -> Finding:
    return Finding(Level.OK, code, sentence)
