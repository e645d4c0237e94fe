"""The question before every act on an application: is the step open, and is it this person's to take?"""

from __future__ import annotations

from django.utils.translation import gettext as _

from allocations.models import Application, Project
from allocations.permissions import has_stake, has_stake_in_project, may_act
from allocations.services.outcomes import Refused
from allocations.workflow import Action, Actor, LostRace, transition
from portal.people.models import User


def hold_to_act(application: Application, action: Action, by: User) -> Application:
    """Lock the application as it stands now until the transaction ends, and return it.

    Raises LostRace where the step is not open any more, Refused where it is not this person's to take.
    """
    rows = Application.objects.select_for_update(of=("self",), no_key=True).select_related("call", "tier")
    locked = rows.get(pk=application.pk)
    if transition(action, locked.status) is None:
        raise LostRace(action)
    if not may_act(by, action, locked):
        raise Refused(_why_not(action, by, locked))
    return locked


def _why_not(action: Action, by: User, application: Application) -> str:
    row = transition(action, application.status)
    for_the_center = row is not None and Actor.APPLICANT not in row.actors
    if for_the_center and has_stake(by, application):
        return _("Nobody acts for the center on an application of their own, their institution or their team.")
    return _("This step is not yours to take.")


def require_no_stake(by: User, project: Project) -> None:
    """Raises Refused where `by` would credit, waive or correct for a project of their own or of their institution."""
    if has_stake_in_project(by, project):
        raise Refused(_("Nobody decides for a project of their own or of their institution."))
