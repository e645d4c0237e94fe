"""What a call still has to give, read under a lock, and whether an award may be given (allocations/awards.py).

Every act that takes hours of a call locks in one order: application, then person, then call, then the call's pools.
So two decisions of a call never read the same hours as left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from allocations.awards import Asked, Breach, Budget, Room, Rule, breach
from allocations.models import Application, Call, CallPool, DecisionLine, Pool
from allocations.services.outcomes import Refused
from allocations.workflow import HOLDS_HOURS
from portal.web.templatetags.figures import gpu_hours_unit


def lock_call(call: Call) -> list[CallPool]:
    """Hold back everybody else who wants hours of the call until this transaction ends."""
    Call.objects.select_for_update(no_key=True).get(pk=call.pk)
    return list(CallPool.objects.select_for_update(of=("self",), no_key=True).filter(call=call).order_by("pk"))


def asked_of(application: Application) -> dict[int, Asked]:
    """By pool id; reads `application.lines`, which lists prefetch."""
    return {
        line.pool_id: Asked(line.requested_gpu_seconds, line.minimum_gpu_seconds or 0)
        for line in application.lines.all()
        if line.requested_gpu_seconds
    }


@dataclass(frozen=True, slots=True)
class Held:
    """An award that takes its hours from a call's pool."""

    application: int
    applicant: int
    institution: int
    pool: int
    gpu_seconds: int


def held_awards(call: Call) -> list[Held]:
    """Everything a call has promised or given, in one query."""
    rows = DecisionLine.objects.filter(
        decision__application__call=call, decision__application__status__in=HOLDS_HOURS
    ).values_list(
        "decision__application_id",
        "decision__application__applicant_id",
        "decision__application__institution_id",
        "pool_id",
        "awarded_gpu_seconds",
    )
    return [Held(*row) for row in rows]


def budget_of(call: Call, offers: Iterable[CallPool], held: Iterable[Held]) -> Budget:
    """What the call has left after `held`."""
    budget = Budget(
        pools={offer.pool_id: offer.gpu_seconds for offer in offers},
        most_per_person=call.most_gpu_seconds_per_person,
        most_per_institution=call.most_gpu_seconds_per_institution,
    )
    for award in held:
        budget.pools.setdefault(award.pool, 0)
        budget.take(award.applicant, award.institution, {award.pool: award.gpu_seconds})
    return budget


def room_for(application: Application, offers: Iterable[CallPool]) -> Room:
    """What can be given to the application, whatever it has been given itself left out."""
    others = [award for award in held_awards(application.call) if award.application != application.pk]
    room = budget_of(application.call, offers, others).room(application.applicant_id, application.institution_id)
    return Room({pool: room.pools[pool] for pool in [offer.pool_id for offer in offers]}, room.person, room.institution)


def require_allowed(application: Application, awards: Mapping[Pool, int]) -> None:
    """Raises Refused with the rule that the awards would break. Binding only after `lock_call`."""
    offers = lock_call(application.call)
    found = breach(
        {pool.pk: seconds for pool, seconds in awards.items()}, asked_of(application), room_for(application, offers)
    )
    if found is not None:
        raise Refused(breach_sentence(found, {pool.pk: pool for pool in awards}))


SENTENCES = {
    Rule.NOTHING: lambda: _("Award an amount in at least one GPU kind."),
    Rule.WHOLE_MINUTES: lambda: _("Award %(pool)s in whole GPU-minutes."),
    Rule.NOT_ASKED: lambda: _("The application asks for no %(pool)s."),
    Rule.OVER_REQUEST: lambda: _("Award no more of %(pool)s than is requested: %(bound)s."),
    Rule.UNDER_MINIMUM: lambda: _(
        "Less than %(bound)s of %(pool)s would be of no use to the applicant: award nothing of it, or more."
    ),
    Rule.NOT_OFFERED: lambda: _("This call gives no %(pool)s."),
    Rule.POOL: lambda: _("Of %(pool)s this call has %(bound)s left to award."),
    Rule.PERSON: lambda: _("The call's cap per applicant leaves %(bound)s for this applicant."),
    Rule.INSTITUTION: lambda: _("The call's cap per institution leaves %(bound)s for this institution."),
}


def breach_sentence(found: Breach, pools: Mapping[int, Pool]) -> str:
    pool = pools.get(found.pool) if found.pool is not None else None
    return SENTENCES[found.rule]() % {"pool": pool or "", "bound": gpu_hours_unit(max(0, found.bound))}
