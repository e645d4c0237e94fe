"""Refunds by rule: jobs that the center itself broke are refunded without being asked for.

Every version of the rule is kept. A job is judged by the newest version that concerns the moment it ended.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounting.models import Job, Refund, RefundRule
from accounting.refunds import mails
from accounting.refunds.charges import Charge, capped, charges_of, run_time_cap
from accounting.refunds.follow import refund_enter
from allocations.models import Account, Project
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours

log = logging.getLogger(__name__)

DELIVERED = ("NODE_FAIL", "BOOT_FAIL")
# A program that fails, runs out of memory or time, or is cancelled may always be its own doing: those are asked for.
POSSIBLE = (*DELIVERED, "LAUNCH_FAILED", "RECONFIG_FAIL", "PREEMPTED")
# Each look goes over what changed since; the daily one over everything that the rule concerns.
LOOK_BACK = timedelta(days=1)
JOBS_AT_ONCE = 500


def rules() -> list[RefundRule]:
    """Every version, the newest first, each with who wrote it."""
    return list(RefundRule.objects.select_related("by").order_by("-pk"))


def rule_ensure(at: datetime) -> RefundRule:
    """The newest version; as delivered, and from now on, where there is none yet."""
    return RefundRule.objects.first() or RefundRule.objects.create(states=list(DELIVERED), since=at, at=at)


@transaction.atomic
def rule_set(
    *, states: Sequence[str], most_hours: int | None, since: datetime, seen: int | None, by: User, at: datetime
) -> RefundRule:
    """Write a new version; jobs that it concerns are refunded at the worker's next look.

    `seen`: the version that the operator was shown. Raises LostRace where there is a newer one, Refused for an end
    that is never refunded by rule and for a version that begins in the future.
    """
    newest = RefundRule.objects.select_for_update().first()
    if (newest.pk if newest else None) != seen:
        raise LostRace("rule_set")
    if set(states) - set(POSSIBLE):
        raise Refused(_("Jobs that end so are refunded on request only."))
    if since > at:
        raise Refused(_("Choose a beginning that is not in the future."))
    rule = RefundRule.objects.create(states=list(states), most_hours=most_hours, since=since, by=by, at=at)
    record("refund.rule_set", target=rule, by=by, at=at, topics=("operations",), states=", ".join(states) or "–")
    return rule


def refund_by_rule(at: datetime, *, thorough: bool = False) -> int:
    """Refund what the rule says; how many jobs. `thorough` goes over all jobs that it concerns, not only those that
    were read or corrected of late; so does every look on the day on which the rule was changed."""
    rule = rule_ensure(at)
    since = None if thorough or at - rule.at < LOOK_BACK else at - LOOK_BACK
    refunded: defaultdict[Project, list[int]] = defaultdict(list)
    for charge, by_rule in due_by_rule(rules(), changed_since=since):
        try:
            refunded[charge.project].append(_refund(charge, by_rule, at))
        except IntegrityError:  # somebody asked for it a moment ago
            continue
        except Exception:
            log.exception("The job %s could not be refunded by rule.", charge.job.display_id)
    for project, amounts in refunded.items():
        try:
            mails.by_rule(project, sum(amounts), len(amounts))
        except Exception:
            log.exception("The project %s could not be told of its refunds.", project.code)
    return sum(len(amounts) for amounts in refunded.values())


def due_by_rule(
    versions: Sequence[RefundRule], changed_since: datetime | None = None
) -> Iterator[tuple[Charge, RefundRule]]:
    """What these versions, the newest first, refund and what has not been refunded, asked for or declined yet."""
    jobs, last = _candidates(versions, changed_since), 0
    while batch := list(jobs.filter(pk__gt=last)[:JOBS_AT_ONCE]):
        for charge in charges_of(batch):
            rule = next((rule for rule in versions if charge.job.end and rule.since <= charge.job.end), None)
            if rule and charge.job.state in rule.states:
                yield charge, rule
        last = batch[-1].pk


def due_gpu_seconds(charge: Charge, rule: RefundRule) -> int:
    return capped(charge.gpu_seconds, _most(rule, charge.job))


def _candidates(versions: Sequence[RefundRule], changed_since: datetime | None) -> QuerySet[Job]:
    states = {state for rule in versions for state in rule.states}
    since = min(rule.since for rule in versions)
    settled = Refund.objects.filter(job=OuterRef("pk")).exclude(status=Refund.Status.WITHDRAWN)
    ours = Account.objects.values("name")
    jobs = Job.objects.filter(final=True, state__in=states, end__gte=since, gpus__gt=0, account__in=ours)
    if changed_since is not None:
        jobs = jobs.filter(changed_at__gte=changed_since)
    return jobs.filter(~Exists(settled)).order_by("pk")


def _most(rule: RefundRule, job: Job) -> int | None:
    return run_time_cap(rule.most_hours, job.gpus)


@transaction.atomic
def _refund(charge: Charge, rule: RefundRule, at: datetime) -> int:
    """GPU-seconds refunded. `reason` keeps how the job ended, so that it is seen when that is corrected."""
    job = charge.job
    refund = Refund.objects.create(
        job=job,
        line_id=charge.line,
        origin=Refund.Origin.RULE,
        status=Refund.Status.GRANTED,
        most_gpu_seconds=_most(rule, job),
        asked_at=at,
        decided_at=at,
        reason=job.state,
    )
    amount = refund_enter(refund=refund, reason=job.state, by=None, at=at)
    told: dict[str, Any] = {"job": job.display_id, "state": job.state, "gpu_hours": gpu_hours(amount)}
    record("refund.by_rule", target=refund, by=None, at=at, **told)
    return amount
