"""What visitors can make the page's process and its folder of uploads hold."""

import http.client
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import event_loop
import pytest
from page_window import MAX_BYTES, Server

import config
from page import uploads
from page.request_limits import AROUND, REFERENCE, Message, RequestLimits

SETTINGS = config.Settings(max_bytes=1_000_000, page_pictures=10)
CALL = 10 * REFERENCE + AROUND
UPLOAD = 1_000_000 + AROUND
CHUNK = 16 * 1024


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """An application that keeps the whole body, and answers how many bytes it has."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def catching(scope: Any, receive: Any, send: Any) -> None:
    """An application that takes whatever goes wrong with a body for its client's fault."""
    try:
        await reading(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"bad"})


def sent(app: Any, path: str, length: int, stated: bool) -> tuple[int, bytes, int]:
    """Send a body; return the status and the answer, and how many bytes of the body were taken."""
    left, answers = length, []

    async def receive() -> Message:
        nonlocal left
        size = min(CHUNK, left)
        left -= size
        return {"type": "http.request", "body": bytes(size), "more_body": left > 0}

    async def send(message: Message) -> None:
        answers.append(message)

    headers = [(b"content-length", str(length).encode())] if stated else []
    scope = {"type": "http", "path": path, "headers": headers}
    event_loop.run(RequestLimits(app, SETTINGS)(scope, receive, send))
    start, body = answers
    return start["status"], body["body"], length - left


@pytest.mark.parametrize("app", [reading, catching])
@pytest.mark.parametrize(
    ("path", "most"),
    [("/gradio_api/queue/join", CALL), ("/gradio_api/upload", UPLOAD), ("/upload/", UPLOAD)],
)
def test_a_body_above_the_limit_is_refused_and_no_more_of_it_taken(
    app: Any, path: str, most: int
) -> None:
    for stated in (False, True):
        assert sent(app, path, most, stated) == (200, str(most).encode(), most)
        status, words, taken = sent(app, path, 10 * most, stated)
        assert status == 413
        assert words == f"The request is too large: at most {most:,} bytes are accepted.".encode()
        assert taken <= most + CHUNK
        assert stated <= (taken == 0)


def test_what_is_no_request_goes_by() -> None:
    heard: list[Any] = []

    async def app(*parts: Any) -> None:
        heard.extend(parts)

    parts: Any = ({"type": "lifespan"}, "receive", "send")
    event_loop.run(RequestLimits(app, SETTINGS)(*parts))
    assert heard == [*parts]


def upload(folder: Path, name: str, size: int, age: float) -> Path:
    path = folder / name / "picture.png"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_uploads_that_broke_off_and_the_oldest_of_too_many_are_deleted(tmp_path: Path) -> None:
    old = upload(tmp_path, "old", 10, uploads.OLDEST + 60)
    broken_off = tmp_path / "tmpabc"
    broken_off.write_bytes(b"part")
    os.utime(broken_off, (0, 0))
    files = [upload(tmp_path, str(age), 100_000, 60.0 * age) for age in range(5)]
    tiny = [upload(tmp_path, f"tiny{age}", 1, 1000.0 + age) for age in range(5)]
    uploads.sweep(tmp_path, 10**9)
    assert not old.parent.exists()
    assert not broken_off.exists()
    assert all(file.exists() for file in files + tiny)
    uploads.sweep(tmp_path, 500_000 + 2 * uploads.LEAST)
    assert [file.exists() for file in files + tiny] == [True] * 7 + [False] * 3
    uploads.sweep(tmp_path, 250_000)
    assert [file.exists() for file in files] == [True, True, False, False, False]
    assert not files[4].parent.exists()
    uploads.sweep(tmp_path / "nowhere", 0)


def posted(server: Server, path: str, body: bytes, stated: int | None = None) -> tuple[int, str]:
    """Post JSON, or only a part of it and state the length of all; return the status and answer."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    length = len(body) if stated is None else stated
    headers = {"Content-Type": "application/json", "Content-Length": str(length)}
    connection.request("POST", f"/gradio_api/{path}", body, headers)
    reply = connection.getresponse()
    words = reply.read().decode()
    connection.close()
    return reply.status, words


@pytest.mark.slow
def test_the_page_holds_requests_to_the_limits(page_server: Server) -> None:
    for path in ("queue/join", "call/predict", "component_server/", "call/v2/batch", "reset"):
        assert posted(page_server, path, b"{", 3_000_000)[0] == 413
    assert posted(page_server, "upload", b"--", MAX_BYTES + AROUND + 1)[0] == 413


@pytest.mark.slow
def test_no_route_skips_the_queue(page_server: Server) -> None:
    """Gradio's queue bounds how many batches are read at once; its other routes would not."""
    for path in ("run", "api"):
        for name in ("batch", "predict"):
            status, words = posted(page_server, f"{path}/{name}", b'{"data": [[], "enhanced"]}')
            assert status == 404
            assert "queue" in words
