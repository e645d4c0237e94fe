"""Slurm's states and reasons in plain words, with the cure where there is one."""

from __future__ import annotations

import re
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from allocations.budget import SECONDS_A_MINUTE

Text = str | Promise


class StateWords(NamedTuple):
    """`kind` is the badge it wears (templates: `{% badge kind words %}`)."""

    kind: str
    words: Text


STATES: dict[str, StateWords] = {
    "PENDING": StateWords("pending", _("Waiting")),
    "RUNNING": StateWords("info", _("Running")),
    "SUSPENDED": StateWords("warning", _("Paused while running")),
    "CONFIGURING": StateWords("info", _("Starting")),
    "COMPLETING": StateWords("info", _("Ending")),
    "COMPLETED": StateWords("success", _("Completed")),
    "FAILED": StateWords("danger", _("Ended with an error")),
    "TIMEOUT": StateWords("warning", _("Reached its time limit")),
    "DEADLINE": StateWords("warning", _("Missed its deadline")),
    "OUT_OF_MEMORY": StateWords("danger", _("Ran out of memory")),
    "CANCELLED": StateWords("neutral", _("Cancelled")),
    "NODE_FAIL": StateWords("danger", _("Node failed")),
    "BOOT_FAIL": StateWords("danger", _("Node did not start")),
    "LAUNCH_FAILED": StateWords("danger", _("Could not be started")),
    "RECONFIG_FAIL": StateWords("danger", _("Node could not be reconfigured")),
    "PREEMPTED": StateWords("warning", _("Made way for another job")),
    "REQUEUED": StateWords("neutral", _("Put back into the queue")),
    "RESIZING": StateWords("neutral", _("Changed its size")),
    "REVOKED": StateWords("neutral", _("Cancelled")),
}


class ReasonWords(NamedTuple):
    """Why a job waits, and what its owner can do about it ("" where only time helps)."""

    words: Text
    cure: Text

    def of(self, job: str) -> ReasonWords:
        """With the job's number in the commands of the cure; an array's `10_[4-5%2]` without how many run at once."""
        return self._replace(cure=str(self.cure).replace("JOBID", re.sub(r"%\d+", "", job)))


_LIMIT = ReasonWords(
    _("It would pass the project's limit: GPUs × time limit is more than what can start now."),
    _("Ask for fewer GPUs or a shorter --time, or wait until running jobs have ended."),
)
_USED_UP = ReasonWords(
    _("The project's hours are used up."),
    _("It starts by itself once there are hours again: the PI or the delegate can ask for a supplement."),
)
_MORE_THAN_LEFT = ReasonWords(
    _("It asks for more than the project has left: GPUs × time limit."),
    _("Ask for fewer GPUs or a shorter --time."),
)
_RESERVED = ReasonWords(
    _("The hours it asks for are reserved by running jobs at present."),
    _("It starts once they have ended. With fewer GPUs or a shorter --time it may start sooner."),
)
_OWN_CAP = ReasonWords(
    _("It would pass the member's own cap in the project; the project itself has hours left."),
    _("Ask for fewer GPUs or a shorter --time, or ask the PI to raise the cap."),
)
_CLOSED = ReasonWords(
    _("The project or the person is paused: nothing starts at present."),
    _("See whether the grant is open; otherwise ask the PI or the center."),
)
_TOO_BIG = ReasonWords(
    _("It asks for more than one job may have here."),
    _("Ask for fewer GPUs, CPUs or nodes, then submit again."),
)
_OWN_MOST = ReasonWords(
    _("The person or the project holds as many GPUs or jobs at once as are allowed here."),
    _("It starts by itself once one of their jobs has ended."),
)
_NOT_HERE = ReasonWords(
    _("The partition does not take jobs of this account or QOS."),
    _("Cancel it and submit again with the line shown on this page."),
)
_BROKEN = ReasonWords(
    _("It could not be started, and Slurm holds it back."),
    _("Look at the script and at its output file, then release it (scontrol release JOBID) or submit it again."),
)
_DOWN = ReasonWords(_("The nodes it needs are down, reserved or in maintenance."), "")
_ACCOUNT = ReasonWords(
    _("Its account or QOS is not valid any more."),
    _("Cancel it and submit again with the line shown on this page."),
)
_LATER = ReasonWords(_("Its start time has not come yet (--begin, or it was just put back into the queue)."), "")
_HELD = ReasonWords(_("It was held."), _("Release it with: scontrol release JOBID"))
_TIME = ReasonWords(_("Its time limit is longer than the partition allows."), _("Submit again with a shorter --time."))

REASONS: dict[str, ReasonWords] = {
    "None": ReasonWords(_("Slurm is about to look at it."), ""),
    "": ReasonWords(_("Slurm is about to look at it."), ""),
    "Priority": ReasonWords(_("Other jobs are ahead of it in the queue."), ""),
    "Resources": ReasonWords(_("It is next in turn and waits for free GPUs."), ""),
    "AssocGrpGRESMinutes": _LIMIT,
    "AssocGrpBillingMinutes": _LIMIT,
    "AssocGrpJobsLimit": _CLOSED,
    "AssocGrpSubmitJobsLimit": _CLOSED,
    "AssocMaxJobsLimit": _CLOSED,
    "AssocMaxSubmitJobLimit": _CLOSED,
    "BeginTime": _LATER,
    "Dependency": ReasonWords(_("It waits for another job to end first."), ""),
    "DependencyNeverSatisfied": ReasonWords(
        _("It waits for a job that can never fulfil its condition."), _("Cancel it: scancel JOBID")
    ),
    "JobHeldUser": _HELD,
    "JobHeldAdmin": ReasonWords(_("The center has held it."), _("Ask the center.")),
    "JobArrayTaskLimit": ReasonWords(_("As many tasks of the array run as it allows at once."), ""),
    "ReqNodeNotAvail": _DOWN,
    "NodeDown": _DOWN,
    "PartitionDown": _DOWN,
    "PartitionInactive": _DOWN,
    "Reservation": ReasonWords(_("It waits for its reservation to begin."), ""),
    "PartitionTimeLimit": _TIME,
    "PartitionNodeLimit": _TOO_BIG,
    "BadConstraints": _TOO_BIG,
    "QOSMaxGRESPerJob": _TOO_BIG,
    "QOSMinGRES": ReasonWords(_("It asks for no GPU."), _("Submit again with --gpus=1 or more.")),
    "InvalidAccount": _ACCOUNT,
    "InvalidQOS": _ACCOUNT,
    "AccountNotAllowed": _NOT_HERE,
    "QOSNotAllowed": _NOT_HERE,
    "AccountingPolicy": _NOT_HERE,
    "AssocMaxWallDurationPerJobLimit": _TIME,
    "QOSMaxWallDurationPerJobLimit": _TIME,
    "QOSTimeLimit": _TIME,
    "QOSGrpGRESMinutes": ReasonWords(
        _("The hours that jobs of this kind may use in all are used up or reserved."), _("Ask the center.")
    ),
    "QOSMaxSubmitJobPerUserLimit": _OWN_MOST,
    "AssocGrpGRES": _OWN_MOST,
    "Licenses": ReasonWords(_("It waits for a licence that other jobs hold."), ""),
    "Cleaning": ReasonWords(_("Its last run is still being cleared away."), ""),
    "Prolog": ReasonWords(_("Its nodes are being prepared."), ""),
    "Nodes required for job are DOWN": _DOWN,
    "ReservationDeleted": ReasonWords(
        _("The reservation it was to run in is gone."), _("Cancel it and submit again without --reservation.")
    ),
    "launch failed requeued held": _BROKEN,
    "JobHoldMaxRequeue": _BROKEN,
    "JobLaunchFailure": _BROKEN,
    "MaxMemPerLimit": ReasonWords(
        _("It asks for more memory than is allowed here."), _("Submit again with a smaller --mem.")
    ),
    "DeadLine": ReasonWords(_("It can no longer end before the deadline it was given."), _("Cancel it: scancel JOBID")),
}
# Limits of all that a person or account has at once, not of one job, are told by their end.
LIMITS = ("QOSMax", "AssocMax", "MaxGRES", "MaxJobs")
# Families of reasons whose members differ by resource only (slurm-facts section 2).
PREFIXES: tuple[tuple[str, ReasonWords], ...] = (
    ("AssocGrp", _LIMIT),
    ("AssocMax", _TOO_BIG),
    ("QOSMax", _TOO_BIG),
    ("QOSGrp", ReasonWords(_("All GPUs of this kind that jobs may hold at once are in use."), "")),
    ("ReqNodeNotAvail", _DOWN),
)


def state_words(state: str) -> StateWords:
    """Slurm's own word where there is no better one."""
    return STATES.get(state, StateWords("neutral", state))


def reason_words(reason: str) -> ReasonWords:
    """Slurm adds details to some reasons: `ReqNodeNotAvail, UnavailableNodes:h1`."""
    word = reason.strip("() ").split(",")[0].strip()
    if word in REASONS:
        return REASONS[word]
    if word.startswith(LIMITS) and ("PerUser" in word or "PerAccount" in word):
        return _OWN_MOST
    return next((words for prefix, words in PREFIXES if word.startswith(prefix)), ReasonWords(reason, ""))


def limit_words(needed: int, *, startable: int, left: int, capped: bool) -> ReasonWords:
    """Whose limit a job meets that Slurm holds back with AssocGrpGRESMinutes, the word for the project's and for a
    person's alike. `needed` is GPUs × time limit; all in GPU-seconds. `capped`: the person has a cap of their own."""
    if needed <= startable:
        return _OWN_CAP if capped else _LIMIT
    if left < SECONDS_A_MINUTE:
        return _USED_UP
    return _MORE_THAN_LEFT if needed > left else _RESERVED


def is_about_a_limit(reason: str) -> bool:
    """Whether Slurm's word is that of a budget: the project's, or a person's own."""
    return reason_words(reason) is _LIMIT
