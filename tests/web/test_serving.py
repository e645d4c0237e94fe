"""Pages under ASGI: answered in threads that stay, streamed as they come, closed in the end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from portal import serving

SCOPE = {"type": "http", "method": "POST", "path": "/한글/", "query_string": b"a=1", "http_version": "1.1",
         "headers": [(b"host", b"localhost"), (b"content-length", b"6")]}  # fmt: skip


def ask(view, *, body=(b"abc", b"def")):
    """What the server is sent where `view` answers: as the WSGI handler, it returns a response."""
    sent = []

    def wsgi(environ, start_response):
        response = view(environ)
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return response

    parts = [{"type": "http.request", "body": part, "more_body": part != body[-1]} for part in body]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(serving._Request(wsgi, threads, send)(dict(SCOPE), receive, send))
    return sent


def test_a_page_is_answered_whole_and_closed():
    closed = []

    def view(environ):
        response = HttpResponse(environ["wsgi.input"].read() + environ["QUERY_STRING"].encode())
        response._resource_closers.append(lambda: closed.append(threading.current_thread().name))
        return response

    start, body = ask(view)
    assert (start["status"], start["headers"][0]) == (200, (b"content-type", b"text/html; charset=utf-8"))
    assert body == {"type": "http.response.body", "body": b"abcdefa=1", "more_body": False}
    assert len(closed) == 1


def test_a_file_is_streamed_in_parts_of_a_bounded_size():
    def rows():
        for _ in range(40):
            yield b"x" * 10_000

    start, *parts = ask(lambda environ: StreamingHttpResponse(rows()))
    assert start["status"] == 200
    assert sum(len(part["body"]) for part in parts) == 400_000
    assert max(len(part["body"]) for part in parts) < serving.PART_BYTES + 10_000
    assert [part["more_body"] for part in parts] == [True] * (len(parts) - 1) + [False]


def test_what_the_handler_raises_is_the_servers_to_answer():
    def view(environ):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(view)
