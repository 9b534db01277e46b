"""The server's event loop: what it answers itself, what it leaves to threads, what bodies hold."""

import asyncio
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import event_loop
import pytest
from granian.rsgi import ProtocolClosed

import config
from api.bodies import MEMORY, SMALL, UNKNOWN, Bodies, Body
from api.door import KEPT_FOR, Door
from api.front import Environ
from api.problems import MalformedRequest, Overloaded, SlowBody
from api.worker_threads import Turn, WorkerThreads
from decoding_process import LARGE_PIXELS

LIMIT = 1_000_000
SETTINGS = config.Settings(max_bytes=LIMIT, max_seconds=30)


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """Return the header of a picture file: by it the event loop judges what the file costs."""
    if kind == "WebP":
        bits = width - 1 | height - 1 << 14
        return b"RIFF\x20\0\0\0WEBPVP8L\x05\0\0\0\x2f" + struct.pack("<I", bits) + b"\0"
    if kind == "GIF":
        size = struct.pack("<HH", width, height)
        return b"GIF89a" + size + b"\0\0\0," + b"\0\0\0\0" + size + b"\0"
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\0\0\0\0"


class Scope:
    """What Granian says of a request."""

    proto, http_version, scheme = "http", "1.1", "http"
    server, client = "127.0.0.1:5000", "127.0.0.1:40000"

    def __init__(self, method: str, path: str, headers: dict[str, str]) -> None:
        self.method, self.path, self.query_string = method, path, ""
        self.headers = headers


class Protocol:
    """A connection whose body comes in pieces, and that keeps the response."""

    def __init__(
        self,
        *pieces: bytes,
        then: asyncio.Event | None = None,
        fault: Exception | None = None,
    ) -> None:
        """then: for which the end of the body waits; fault: that is raised in place of it."""
        self.pieces, self.then, self.fault = pieces, then, fault
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []

    async def __call__(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.then:
            await self.then.wait()
        if self.fault:
            raise self.fault

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers = status, headers


class App:
    """A WSGI application that answers 503 where refused, and waits at the path /wait."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []
        self.threads: list[int] = []
        self.go_on = threading.Event()

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        self.environs.append(environ)
        self.threads.append(threading.get_ident())
        if environ["PATH_INFO"] == "/wait":
            assert self.go_on.wait(60)
        start("503 Busy" if environ["mnist.refused"] else "200 OK", [])
        return [b""]


def door_of(app: App, queue: int = 4) -> Door:
    return Door(app, SETTINGS, queue, WorkerThreads())


async def ask(door: Door, method: str, path: str, body: bytes = b"", **headers: str) -> Protocol:
    protocol = Protocol(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["content-length"] = str(len(body))
    await door.answer(Scope(method, path, sent), protocol)  # type: ignore[arg-type]
    return protocol


def post(door: Door, body: bytes, kind: str = "image/png", path: str = "/predict") -> Any:
    return ask(door, "POST", path, body, content_type=kind)


class TestWhoAnswers:
    @pytest.mark.parametrize(
        ("body", "kind", "path", "quick"),
        [
            (picture(28, 28), "image/png", "/predict", True),
            (picture(512, 512), "image/png", "/predict", True),
            (b"not a picture", "image/png", "/predict", True),
            (picture(513, 512), "image/png", "/predict", False),
            (picture(6000, 6000), "image/png", "/predict", False),
            (picture(6000, 6000, "WebP"), "image/png", "/predict", False),
            (picture(6000, 6000, "GIF"), "image/gif", "/predict", False),
            (picture(28, 28) + b"x" * SMALL, "image/png", "/predict", False),
            (picture(28, 28), "application/json", "/predict", False),
            (picture(28, 28), "image/png", "/v1/models/mnist_cnn:predict", False),
        ],
    )
    def test_the_event_loop_answers_only_what_its_header_says_is_small(
        self, body: bytes, kind: str, path: str, quick: bool
    ) -> None:
        app = App()
        assert LARGE_PIXELS == 512 * 512

        async def run() -> int:
            await post(door_of(app), body, kind, path)
            return threading.get_ident()

        assert (app.threads == [event_loop.run(run())]) == quick
        assert len(app.threads) == 1

    def test_health_and_small_pictures_are_answered_while_threads_are_at_work(self) -> None:
        app = App()
        door = door_of(app)

        async def run() -> None:
            slow = [asyncio.create_task(post(door, b"{}", path="/wait")) for _ in range(4)]
            while not app.environs:
                await asyncio.sleep(0.001)
            for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
                assert (await ask(door, "GET", path)).status == 200
            assert (await post(door, picture(28, 28))).status == 200
            # The threads' queue is full by now, for GET as for POST.
            assert (await ask(door, "GET", "/metrics")).status == 503
            assert (await post(door, b"{}", "application/json")).status == 503
            assert not any(task.done() for task in slow)
            app.go_on.set()
            assert [answer.status for answer in await asyncio.gather(*slow)] == [200] * 4

        event_loop.run(run())

    def test_threads_work_one_at_a_time_unless_one_waits(self) -> None:
        threads, order = WorkerThreads(), []
        waits, may_go_on = threading.Event(), threading.Event()

        def wait() -> None:
            with threads.waiting():
                waits.set()
                assert may_go_on.wait(60)
            order.append("waited")

        async def run() -> None:
            waiting = asyncio.create_task(threads.run(False, wait))
            while not waits.is_set():
                await asyncio.sleep(0.001)
            await threads.run(False, order.append, "worked")
            may_go_on.set()
            await waiting

        event_loop.run(run())
        assert order == ["worked", "waited"]

    def test_turns_are_in_the_order_in_which_they_are_asked_for(self) -> None:
        turn, order = Turn(), list[int]()
        turn.acquire()

        def wait(number: int) -> None:
            turn.acquire()
            order.append(number)
            turn.release()

        threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(turn._gates) < number:
                time.sleep(0.001)
        turn.release()
        for thread in threads:
            thread.join()
        assert order == list(range(8))

    def test_a_large_body_keeps_no_small_one_waiting(self) -> None:
        threads, go_on = WorkerThreads(), threading.Event()

        async def run() -> None:
            large = asyncio.create_task(threads.run(True, go_on.wait, 60))
            assert await threads.run(False, str, 1) == "1"
            go_on.set()
            assert await large

        event_loop.run(run())


class TestHeaders:
    def test_names_with_underscores_are_dropped(self) -> None:
        app = App()
        scope = Scope("GET", "/", {"x_request_id": "forged", "x-request-id": "own", "a_b": "c"})
        event_loop.run(door_of(app).answer(scope, Protocol()))  # type: ignore[arg-type]
        assert app.environs[0]["HTTP_X_REQUEST_ID"] == "own"
        assert "HTTP_A_B" not in app.environs[0]

    @pytest.mark.parametrize(("version", "ended"), [("1.1", True), ("1", False)])
    def test_only_a_connection_of_http_1_1_is_ended_after_many_answers(
        self, version: str, ended: bool
    ) -> None:
        door = door_of(App())

        async def run() -> list[Protocol]:
            answers = []
            for _ in range(KEPT_FOR):
                scope, protocol = Scope("GET", "/healthz", {}), Protocol()
                scope.http_version = version
                await door.answer(scope, protocol)  # type: ignore[arg-type]
                answers.append(protocol)
            return answers

        *earlier, last = event_loop.run(run())
        assert not any(answer.headers for answer in earlier)
        assert last.headers == ([("Connection", "close")] if ended else [])


class TestBodies:
    def read(self, *pieces: bytes, stated: int, bodies: Bodies | None = None) -> Body:
        body = Body()
        reader = bodies or Bodies(SETTINGS)
        event_loop.run(reader.read(Protocol(*pieces), body, stated))  # type: ignore[arg-type]
        return body

    @pytest.mark.parametrize("stated", [UNKNOWN, 5])
    def test_one_is_read_whole(self, stated: int) -> None:
        body = self.read(b"ab", b"cde", stated=stated)
        assert (body.content, body.length, body.held, body.fault) == (b"abcde", 5, 5, None)

    @pytest.mark.parametrize("stated", [UNKNOWN, 3 * LIMIT])
    def test_of_one_that_is_too_large_nothing_is_kept(self, stated: int) -> None:
        bodies = Bodies(SETTINGS)
        body = self.read(*[b"x" * (LIMIT // 2)] * 6, stated=stated, bodies=bodies)
        assert (body.content, body.held, bodies.held) == (b"", 0, 0)
        assert body.length == 3 * LIMIT  # by which the application refuses it

    def test_what_may_come_counts_for_nothing(self) -> None:
        bodies = Bodies(SETTINGS)

        async def run() -> None:
            never = asyncio.Event()
            idle = [
                asyncio.create_task(bodies.read(Protocol(b"x", then=never), Body(), stated))  # type: ignore[arg-type]
                for stated in [UNKNOWN, LIMIT, 3 * LIMIT] * 20
            ]
            await asyncio.sleep(0)
            assert bodies.held <= len(idle)
            body = Body()
            await bodies.read(Protocol(b"y" * LIMIT), body, LIMIT)  # type: ignore[arg-type]
            assert body.fault is None and len(body.content) == LIMIT
            for task in idle:
                task.cancel()

        event_loop.run(run())

    def test_large_ones_leave_memory_to_small_ones(self) -> None:
        bodies = Bodies(SETTINGS)
        large = [self.read(b"x" * LIMIT, stated=LIMIT, bodies=bodies) for _ in range(MEMORY)]
        assert all(body.fault is None for body in large)
        assert isinstance(self.read(b"x" * LIMIT, stated=LIMIT, bodies=bodies).fault, Overloaded)
        assert isinstance(
            self.read(*[b"x" * 1000] * 70, stated=UNKNOWN, bodies=bodies).fault, Overloaded
        )
        assert self.read(*[b"x" * 1000] * 60, stated=UNKNOWN, bodies=bodies).fault is None
        assert self.read(b"x" * 60_000, stated=60_000, bodies=bodies).fault is None
        bodies.release(large[0])
        assert self.read(b"x" * 60_000, stated=60_000, bodies=bodies).fault is None

    def test_one_that_does_not_come_holds_nothing_in_the_end(self) -> None:
        bodies = Bodies(config.Settings(max_bytes=LIMIT, max_seconds=0))
        body = Body()
        slow = Protocol(b"x" * 70_000, then=asyncio.Event())
        event_loop.run(bodies.read(slow, body, LIMIT))  # type: ignore[arg-type]
        assert isinstance(body.fault, SlowBody)
        assert (body.content, bodies.held) == (b"", 0)

    @pytest.mark.parametrize("stated", [15_000, 30_000])
    def test_one_that_ends_early_is_refused(self, stated: int) -> None:
        bodies = Bodies(SETTINGS)
        gone = Protocol(b"x" * 10_000, fault=ProtocolClosed() if stated < SMALL // 4 else None)
        body = Body()
        event_loop.run(bodies.read(gone, body, stated))  # type: ignore[arg-type]
        assert isinstance(body.fault, MalformedRequest)
        assert (body.content, bodies.held) == (b"", 0)
