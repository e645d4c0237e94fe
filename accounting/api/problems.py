"""What the API answers where it cannot give what was asked for: problem+json (RFC 9457) with a sentence that says what
to do, in the reader's language."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from ninja.errors import ValidationError

CONTENT_TYPE = "application/problem+json"
# Hangul as it is, so that an answer can be read where it arrives.
READABLE = {"ensure_ascii": False}


class Problem(Exception):
    """Answered as a problem. `parameter` names what of the request it is about."""

    def __init__(self, status: HTTPStatus, detail: str, parameter: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.parameter = status, detail, parameter


def answer(problem: Problem) -> JsonResponse:
    content = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.parameter:
        content["parameter"] = problem.parameter
    return JsonResponse(content, status=problem.status, content_type=CONTENT_TYPE, json_dumps_params=READABLE)


def bad_parameter(name: str, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"{name}: {detail}", name)


def not_found() -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        _("There is no such address or project, or it is not yours to see. See /api/ for what there is."),
    )


def answer_problem(request: HttpRequest, problem: Any) -> JsonResponse:
    return answer(problem)


def answer_invalid(request: HttpRequest, error: Any) -> JsonResponse:
    """The first parameter that cannot be read."""
    name = str(error.errors[0]["loc"][-1])
    return answer(bad_parameter(name, _how_to_write(name)))


def _how_to_write(name: str) -> str:
    """As the schemas of requests in accounting/api/schemas.py want it."""
    sentences = {
        "from": _("Write a day as 2026-03-01."),
        "to": _("Write a day as 2026-03-01."),
        "by": _("Write one or several of day, month, person, pool, partition, kind and state, with commas between."),
        "state": _("Write a state of Slurm's, such as COMPLETED or FAILED."),
        "user": _("Write a user name of the cluster."),
        "project": _("Write a project's code, such as p26001."),
        "limit": _("Write a number from 1 to 500."),
    }
    return sentences[name]


PROBLEMS = ((Problem, answer_problem), (ValidationError, answer_invalid))
