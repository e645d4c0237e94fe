"""What an act may come to besides being done."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


class Refused(Exception):
    """A rule forbids the act; the message says which, to the person, in their language."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something an application lacks: the form field it is about, what to do, and the step where the field stands."""

    field: str
    message: str
    section: str = ""


class Incomplete(Refused):
    """An application that cannot be submitted yet, with every problem at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(_("The application is not complete."))
        self.problems = problems
