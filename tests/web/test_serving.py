"""Pages under ASGI: answered in threads of ours, closed in the end, and nothing odd that arrives becomes our error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse, StreamingHttpResponse

from portal import serving
from portal.serving import PART_BYTES, Pages

WAIT = 10


class Closing(HttpResponse):
    closed = 0

    def close(self) -> None:
        type(self).closed += 1
        super().close()


@pytest.fixture
def pages(monkeypatch):
    """Pages in front of a handler that answers as the test says."""

    def made(response: HttpResponse | StreamingHttpResponse) -> Pages:
        def handler(environ: Any, start_response: Any) -> Any:
            environ["wsgi.input"].read()
            start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
            return response

        monkeypatch.setattr(serving, "get_wsgi_application", lambda: handler)
        return Pages()

    return made


def scope(query: bytes = b"") -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/", "query_string": query, "headers": [],
    }  # fmt: skip


def ask(pages: Pages, *messages: dict[str, Any], query: bytes = b"", until_end: bool = True) -> list[dict[str, Any]]:
    """What is sent in answer to these messages."""

    async def conversation() -> list[dict[str, Any]]:
        asked = ApplicationCommunicator(pages, scope(query))
        for message in messages:
            await asked.send_input(message)
        sent: list[dict[str, Any]] = []
        while until_end and not (sent and sent[-1]["type"] == "http.response.body" and not sent[-1]["more_body"]):
            sent.append(await asked.receive_output(WAIT))
        await asked.wait(WAIT)
        return sent

    return asyncio.run(conversation())


WHOLE = {"type": "http.request", "body": b"a=1", "more_body": False}


def test_a_page_is_sent_whole_and_closed(pages):
    before = Closing.closed
    start, body = ask(pages(Closing("여기")), WHOLE)
    assert (start["status"], body["body"].decode(), Closing.closed) == (200, "여기", before + 1)


def test_a_stream_goes_out_in_large_parts(pages):
    def rows() -> Iterable[bytes]:
        yield from (b"x" * 1000 for _ in range(200))

    _start, *parts = ask(pages(StreamingHttpResponse(rows())), WHOLE)
    assert sum(len(part["body"]) for part in parts) == 200_000
    assert all(len(part["body"]) >= PART_BYTES for part in parts[:-1]) and len(parts) == 4


def test_bytes_no_browser_sends_are_refused(pages):
    start, _body = ask(pages(HttpResponse("never")), WHOLE, query=b"q=\xff")
    assert start["status"] == 400


def test_who_goes_away_while_writing_is_no_error(pages):
    begun = {"type": "http.request", "body": b"a=", "more_body": True}
    assert ask(pages(HttpResponse("never")), begun, {"type": "http.disconnect"}, until_end=False) == []


def test_what_the_handler_raises_is_the_servers_to_answer(monkeypatch):
    def handler(environ: Any, start_response: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(serving, "get_wsgi_application", lambda: handler)
    with pytest.raises(ZeroDivisionError):
        ask(Pages(), WHOLE)
