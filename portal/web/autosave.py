"""Saving a form by itself while it is written: what a view answers to static/js/autosave.js.

A `<form data-autosave>` is posted to its own address with `action=autosave` and without files. The view saves what it
can, complete or not, and answers `saved(…)`; where that is no longer possible (written in another window meanwhile,
submitted, closed) it answers `not_saved(…)` and changes nothing. Who is signed out gets 401 from portal.web.session.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.forms import BaseForm, BaseFormSet
from django.http import HttpRequest, JsonResponse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

HEADER = "autosave"  # of X-Requested-With


def is_autosave(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == HEADER


def saved(
    revision: int,
    *,
    at: datetime | None = None,
    meter: int | None = None,
    problems: int | None = None,
    message: str = "",
    unsaved: Collection[str] = (),
) -> JsonResponse:
    """200: stored as `revision`, which the page sends with its next save.

    `at` is the moment of saving (now, if left out), `meter` the completeness in percent, `problems` how many things
    still keep the form from being submitted; `message` replaces the sentence the page shows by itself. `unsaved` are
    the fields that could not be stored as they are written (see `left_out`): the page says which, and keeps a copy.
    """
    told = {
        "revision": revision,
        "saved_at": formats.time_format(timezone.localtime(at), "H:i"),
        "meter": meter,
        "problems": problems,
        "message": message,
        "unsaved": list(unsaved),
    }
    return JsonResponse({name: value for name, value in told.items() if value not in (None, "", [])})


def left_out(*parts: BaseForm | BaseFormSet[Any] | None) -> list[str]:
    """The names of the fields in which something invalid is written, which a draft therefore does not hold."""
    names = []
    for part in parts:
        if isinstance(part, BaseFormSet):
            names += left_out(*part.forms)
        elif part is not None:
            names += [part.add_prefix(name) for name in part.errors if name in part.fields and part[name].data]
    return names


def not_saved(message: str = "") -> JsonResponse:
    """409: what is written cannot be stored here any more; the page keeps it in the browser and says why."""
    told = message or _("Not saved: this was changed in another window.")
    return JsonResponse({"message": told}, status=HTTPStatus.CONFLICT)
