"""The application behind Ray Serve: a request's body held to the API's limits, without Ray."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import event_loop
import pytest
from api_server import EIGHT
from conftest import ROOT
from flask import Flask
from stub_reader import stub_app
from werkzeug.test import run_wsgi_app

import config
from api.problems import BUSY

sys.path[:0] = [str(ROOT / "deploy" / "ray_cluster")]
import bodies  # noqa: E402
from bodies import Bodies, Body  # noqa: E402

MOST = 100_000  # bytes of a body
HEADERS = [(b"host", b"x"), (b"content-type", b"image/png")]
SETTINGS = config.Settings(max_bytes=MOST)


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return the scope of a POST to /predict, as uvicorn makes it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/predict",
        "query_string": b"",
        "server": ("127.0.0.1", 5000),
        "client": ("127.0.0.2", 40_000),
        "headers": [*HEADERS, *headers],
    }


async def in_pieces(content: bytes, size: int = 4_096) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def never(begun: bytes = b"") -> AsyncIterator[bytes]:
    if begun:
        yield begun
    await asyncio.Event().wait()


def answer(app: Flask, body: Body) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return the status, JSON and headers that the application gives a body."""
    content, status, headers = run_wsgi_app(app, bodies.environ_of(scope(), body), True)
    return int(status[:3]), json.loads(b"".join(content)), dict(headers)


def test_a_body_within_the_limits_is_answered() -> None:
    async def ask() -> Body:
        async with Bodies(SETTINGS).read(str(len(EIGHT)), in_pieces(EIGHT, 100)) as body:
            return body

    body = event_loop.run(ask())
    status, content, _ = answer(stub_app(max_bytes=MOST), body)
    assert (status, content["digit"]) == (200, 8)


def test_a_body_that_is_stated_too_large_is_refused_before_any_of_it_is_awaited() -> None:
    async def ask() -> Body:
        async with Bodies(SETTINGS).read(str(MOST + 1), never()) as body:
            return body

    app = stub_app(max_bytes=MOST)
    status, content, headers = answer(app, event_loop.run(ask()))
    of_the_api = app.test_client().post("/predict", data=bytes(MOST + 1), content_type="image/png")
    assert (status, headers["Content-Type"]) == (413, "application/problem+json")
    assert content["detail"] == of_the_api.get_json()["detail"]


@pytest.mark.parametrize("stated", ["", "12", "x", "9" * 5_000])
def test_of_a_body_without_a_true_length_no_more_is_read_than_the_limit(stated: str) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 30_000
            yield bytes(30_000)

    async def ask(reader: Bodies) -> Body:
        async with reader.read(stated, endless()) as body:
            return body

    reader = Bodies(SETTINGS)
    body = event_loop.run(ask(reader))
    assert read == 120_000
    assert not body.content.getvalue()
    assert answer(stub_app(max_bytes=MOST), body)[0] == 413


def test_a_body_that_does_not_come_in_time_is_told_so() -> None:
    async def ask() -> Body:
        settings = config.Settings(max_seconds=0, max_bytes=MOST)
        async with Bodies(settings).read(str(MOST), never(EIGHT)) as body:
            return body

    status, content, headers = answer(stub_app(max_bytes=MOST), event_loop.run(ask()))
    assert (status, headers["Content-Type"]) == (408, "application/problem+json")
    assert "did not arrive within 0 seconds: send it faster" in content["detail"]


def test_memory_is_taken_by_what_has_come_and_given_back() -> None:
    """Requests that only claim a body take none; a small one is always read."""

    async def ask() -> tuple[Body, Body, Body]:
        reader, whole = Bodies(SETTINGS), bytes(MOST)

        async def silent() -> None:
            async with reader.read("", never(b"begun")):
                pass

        waiting = [asyncio.create_task(silent()) for _ in range(50)]
        await asyncio.sleep(0)
        async with AsyncExitStack() as held:
            for _ in range(bodies.BODIES):
                body = await held.enter_async_context(reader.read("", in_pieces(whole)))
                assert body.fault is None
            async with reader.read("", in_pieces(whole)) as ninth:
                pass
            async with reader.read("", in_pieces(EIGHT)) as small:
                assert small.fault is None
        async with reader.read("", in_pieces(whole)) as after:
            pass
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert reader._reserved == 0
        return ninth, small, after

    ninth, small, after = event_loop.run(ask())
    assert small.fault is after.fault is None
    status, content, headers = answer(stub_app(max_bytes=MOST), ninth)
    assert (status, content["detail"], headers["Retry-After"]) == (503, BUSY, "1")


def test_a_header_with_an_underscore_is_no_other_header() -> None:
    environ = bodies.environ_of(
        scope((b"x_forwarded_for", b"10.0.0.1"), (b"accept", b"a"), (b"accept", b"b")), Body()
    )
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["REMOTE_ADDR"] == "127.0.0.2"
