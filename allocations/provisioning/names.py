"""Which names of people exist where Slurm is, asked by the worker."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from allocations.services.default_accounts import default_accounts_seen
from allocations.services.usernames import usernames_found, usernames_missed
from portal.people.models import User
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sentences import noop as _

# So many names at once do not vanish one by one: the directory does not answer.
MOST_MISSED = 10


def look_for_new_names(gateway: SlurmGateway, *, at: datetime) -> None:
    """Ask for the names that were not found yet, those not yet approved included: whoever approves one should know that
    it exists already. Asks nothing where there are none."""
    names = _names(Q(cluster_username_found_at=None))
    if names:
        usernames_found(found=gateway.known_people(names), at=at)


def look_for_all_names(gateway: SlurmGateway, *, at: datetime) -> None:
    """Ask for every name, and note which are not there any more; and which default account Slurm has for each.

    Raises SlurmUnavailable, and notes nothing, where most are missing: then the directory of people is.
    """
    default_accounts_seen(defaults=gateway.snapshot().defaults)
    names = _names(Q())
    if not names:
        return
    found = gateway.known_people(names)
    held = _names(Q(cluster_username_found_at__isnull=False))
    missed = held - found
    if len(missed) > max(MOST_MISSED, len(held) // 2):
        raise SlurmUnavailable(
            _("Of %(asked)s user names %(missed)s were not found: the cluster's directory of people does not answer."),
            asked=len(held),
            missed=len(missed),
        )
    usernames_found(found=found, at=at)
    usernames_missed(missed=missed, at=at)


def _names(which: Q) -> frozenset[str]:
    rows = User.objects.filter(which, cluster_username__isnull=False, is_active=True)
    return frozenset(str(name) for name in rows.values_list("cluster_username", flat=True))
