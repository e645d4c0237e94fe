"""Accounts that stood in Slurm before the portal: linked to a project, unlinked, handed over to the portal.

A linked account goes on as it is: its use is shown and charged to the project's grants, and nothing in Slurm changes.
Once it is handed over the portal sets its limit, people and QOS like any other leaf's. It stays where it hangs.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, Association, GrantLine, OperationRecord, Pool, Project, Rebase
from allocations.provisioning.desired import desired_state
from allocations.selectors.slurm_accounts import FoundAccount, found_account
from allocations.services.accounts import account_rebase
from allocations.services.guards import require_no_stake
from allocations.services.ledger import charged_gpu_seconds, leaf_name
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User

ADOPTED = gettext_noop("Slurm's counter and the charges at the hand-over")


@dataclass(frozen=True, slots=True)
class HandOver:
    """What handing an account over will change in Slurm. Limits in GPU-minutes, sums in GPU-seconds.

    `paused`: people in it who have no right in the project; `added`: members who are not in it yet. `parked`: no grant
    is open, so nothing new starts.
    """

    found: FoundAccount
    counter: int
    ledger: int
    gpu_minutes: int
    parked: bool
    qos: str
    paused: tuple[str, ...]
    kept: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def offset(self) -> int:
        return self.counter - self.ledger

    @property
    def left(self) -> int:
        """What jobs may still use under the new limit."""
        return max(0, self.limit_gpu_seconds - self.counter)

    @property
    def limit_gpu_seconds(self) -> int:
        return self.gpu_minutes * SECONDS_A_MINUTE


@transaction.atomic
def account_link(*, name: str, project: Project, pool: Pool, by: User, at: datetime) -> Account:
    """Make the account the project's in the pool, without changing anything in Slurm. It is not looked after.

    Takes the place of an account that the portal has planned for the project but never told Slurm of. Raises Refused
    where a rule forbids it, LostRace where it was linked meanwhile.
    """
    require_no_stake(by, project)
    found = _found(name)
    if found.account is not None:
        raise Refused(_("%(account)s is linked to %(code)s already.") % _words(found.account))
    if not found.usable_name:
        raise Refused(_("The portal can use account names of lower-case letters, digits, - and _ only, at most 31."))
    planned = Account.objects.select_for_update().filter(project=project, pool=pool).first()
    if planned is not None and _known_to_slurm(planned):
        raise Refused(_("The project has the account %(account)s in this pool already.") % {"account": planned.name})
    account = planned or Account(project=project, pool=pool)
    account.name, account.parent, account.managed = found.name, found.parent, False
    account.state, account.slurm_words = Account.State.APPLYING, ""
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError:
        raise LostRace("account_link") from None
    record("account.linked", target=account, by=by, at=at, **_words(account))
    return account


@transaction.atomic
def account_unlink(*, account: Account, by: User, at: datetime) -> None:
    """Take the link back; nothing changes in Slurm. Where the project has grants in the pool, an account of the
    portal's own takes its place. Raises LostRace where it was unlinked or handed over meanwhile."""
    require_no_stake(by, account.project)
    rows = Account.objects.filter(pk=account.pk, name=account.name, managed=False)
    if not rows.select_for_update().exists():
        raise LostRace("account_unlink")
    record("account.unlinked", target=account, by=by, at=at, **_words(account))
    if GrantLine.objects.filter(grant__project=account.project_id, pool=account.pool_id).exists():
        own = leaf_name(account.project, account.pool)
        rows.update(name=own, parent="", managed=True, state=Account.State.APPLYING)
    else:
        rows.delete()


def hand_over_preview(*, account: Account, counter: int, at: datetime) -> HandOver:
    """What handing it over at `at` would change; changes nothing. `counter`: slurmctld's, in GPU-seconds.

    Raises Refused where it cannot be handed over.
    """
    found = _found(account.name)
    if not found.below_root:
        raise Refused(_("%(account)s is not below the portal's root account.") % {"account": account.name})
    if found.children:
        raise Refused(_("Accounts hang below %(account)s: only a leaf can be handed over.") % {"account": account.name})
    ledger = charged_gpu_seconds(account)
    after = copy(account)
    after.offset_gpu_seconds, after.parent = counter - ledger, found.parent
    desired = desired_state(settings.SLURM_ROOT_ACCOUNT, at=at, accounts=[after])
    leaf = desired.accounts[account.name]
    members = {user for name, user in desired.people if name == account.name}
    present = set(found.people)
    return HandOver(
        found=found,
        counter=counter,
        ledger=ledger,
        gpu_minutes=leaf.gpu_minutes or 0,
        parked=leaf.parked,
        qos=leaf.default_qos,
        paused=tuple(sorted(present - members)),
        kept=tuple(sorted(present & members)),
        added=tuple(sorted(members - present)),
    )


@transaction.atomic
def account_hand_over(*, account: Account, counter: int, by: User, at: datetime) -> Account:
    """From now on the portal looks after the account. Its limit becomes Slurm's counter plus what is left of the open
    grants, so that nothing used before refills and nothing granted is cut.

    `counter`: slurmctld's, in GPU-seconds, as last read. Raises Refused where a rule forbids it, LostRace where it was
    handed over or unlinked meanwhile.
    """
    require_no_stake(by, account.project)
    if not Account.objects.select_for_update().filter(pk=account.pk, name=account.name, managed=False).exists():
        raise LostRace("account_hand_over")
    plan = hand_over_preview(account=account, counter=counter, at=at)
    account.managed, account.parent, account.state = True, plan.found.parent, Account.State.APPLYING
    account.save(update_fields=["managed", "parent", "state"])
    account_rebase(
        account=account,
        offset_gpu_seconds=plan.offset,
        cause=Rebase.Cause.ADOPTION,
        reason=ADOPTED,
        counter=counter,
        ledger=plan.ledger,
        by=by,
        at=at,
    )
    record("account.handed_over", target=account, by=by, at=at, **_words(account))
    return account


def _found(name: str) -> FoundAccount:
    found = found_account(name)
    if found is None:
        raise Refused(_("%(account)s is not among the accounts last read from Slurm.") % {"account": name})
    return found


def _known_to_slurm(account: Account) -> bool:
    """Whether Slurm has the account or may have been told of it: then it stays the project's."""
    told = OperationRecord.objects.filter(account=account.name).exists()
    return not account.managed or told or Association.objects.filter(account=account.name).exists()


def _words(account: Account) -> dict[str, Any]:
    return {"account": account.name, "code": account.project.code}
