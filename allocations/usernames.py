"""Where a person's name on the cluster stands: asked for, approved, made there, ready; in words for the person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from allocations.standing import Step
from portal.people.models import User


class Stage(StrEnum):
    NONE = "none"
    REFUSED = "refused"
    ASKED = "asked"
    APPROVED = "approved"
    READY = "ready"
    LOST = "lost"


BADGES = {
    Stage.NONE: "warning",
    Stage.REFUSED: "danger",
    Stage.ASKED: "pending",
    Stage.APPROVED: "pending",
    Stage.READY: "success",
    Stage.LOST: "danger",
}


def stage_of(user: User) -> Stage:
    if not user.cluster_username:
        return Stage.REFUSED if user.cluster_username_refusal else Stage.NONE
    if user.cluster_username_approved_at is None:
        return Stage.ASKED
    if user.cluster_username_found_at is None:
        return Stage.APPROVED
    return Stage.LOST if user.cluster_username_lost_at else Stage.READY


def badge_of(user: User) -> tuple[str, str]:
    """Kind of badge and word."""
    words = {
        Stage.NONE: _("Not chosen yet"),
        Stage.REFUSED: _("Refused"),
        Stage.ASKED: _("Waiting for approval"),
        Stage.APPROVED: _("Being made on the cluster"),
        Stage.READY: _("Ready"),
        Stage.LOST: _("Missing on the cluster"),
    }
    stage = stage_of(user)
    return BADGES[stage], words[stage]


def sentence_of(user: User) -> str:
    """What it means for the person now, and what happens next."""
    name = {"name": user.cluster_username, "reason": user.cluster_username_refusal}
    sentences = {
        Stage.NONE: _("Choose your name on the cluster; without it you cannot submit jobs."),
        Stage.REFUSED: _("The name you asked for was refused: %(reason)s Choose another one."),
        Stage.ASKED: _("You asked for %(name)s. The center approves it, as a rule within a working day."),
        Stage.APPROVED: _("%(name)s is approved. As soon as the center has made it on the cluster, you can start."),
        Stage.READY: _("On the cluster you are %(name)s."),
        Stage.LOST: _("%(name)s is not found on the cluster at present. The center's operators see this and will act."),
    }
    return sentences[stage_of(user)] % name


@dataclass(frozen=True, slots=True)
class OwnName:
    """What keeps a member from submitting jobs; `to_choose`: it is theirs to act."""

    badge: str
    words: str
    sentence: str
    to_choose: bool


def own_name(user: User) -> OwnName | None:
    """None where the name is ready."""
    stage = stage_of(user)
    if stage == Stage.READY:
        return None
    return OwnName(*badge_of(user), sentence_of(user), stage in {Stage.NONE, Stage.REFUSED})


def steps_of(user: User) -> list[Step]:
    """The way of the name that was asked for; empty where none is."""
    stage = stage_of(user)
    if stage in {Stage.NONE, Stage.REFUSED}:
        return []
    moments = [
        (_("Name asked for"), user.cluster_username_asked_at),
        (_("Approved by the center"), user.cluster_username_approved_at),
        (_("Made on the cluster"), user.cluster_username_found_at if stage != Stage.ASKED else None),
    ]
    place = {Stage.ASKED: 1, Stage.APPROVED: 2}.get(stage, 3)
    states = ["done"] * place + ["current"] + ["ahead"] * 3
    steps = [
        Step(label, state, at if state == "done" else None) for (label, at), state in zip(moments, states, strict=False)
    ]
    return [*steps, Step(_("Ready for jobs"), "done" if stage == Stage.READY else states[3])]
