"""The way from the network to the application: bodies awaited, a bounded queue, one at a time.

An RSGI application (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md),
one a worker process. While bodies come in, however slowly, no thread waits for them. Requests that
are all there are answered one after another: the work is the processor's, and would not be done
sooner side by side. Large ones are answered in a thread, so that small ones need not wait.
"""

import asyncio
import io
import sys
from time import perf_counter
from typing import Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope

import config
from api import stages
from api.front import BUSY, REFUSED, Environ, WsgiApp
from api.problems import Overloaded, SlowBody
from api.replies import Headers

SMALL = 64 * 1024  # bytes of a body: it needs no leave to be held, and is answered at once
DRAINED = 8  # times the largest body: as much of a larger one is read, so that its client listens
LAST = "mnist.last"  # of a WSGI environment: whether the connection ends with its answer
UNKNOWN = -1  # the length of a body that comes in chunks
BODIES = 8  # times the largest body: memory for the large bodies of one process
KEPT_FOR = 500  # answers that a connection is kept for
KNOWN = 8192  # connections whose answers are counted


class Door:
    """Lets requests in to a WSGI application, and its responses out."""

    def __init__(self, app: WsgiApp, settings: config.Settings, queue: int) -> None:
        """Queue: how many requests may wait for this process."""
        self._app = app
        self._settings = settings
        self._queue = queue
        self._waiting = 0  # requests that are all there, and not answered yet
        self._held = 0  # bytes of large bodies that are awaited or at work
        self._small, self._large = asyncio.Lock(), asyncio.Lock()
        self._answers: dict[str, int] = {}  # by connection

    async def answer(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        if scope.proto != "http":
            return
        stated, held = _stated_length(scope), 0
        fault: config.ReaderError | None = self._overload(scope)
        if fault is None:
            held = self._to_hold(stated)
            if held and self._held + held > BODIES * self._settings.max_bytes:
                fault, held = Overloaded(BUSY), 0
        self._held += held
        try:
            body, length, fault = await self._body(protocol, stated, fault)
            fault = fault or self._overload(scope)  # others may have come before the body did
            environ = _environ(scope, body, length, fault)
            environ[LAST] = self._is_last(scope.client)
            if fault is None:
                await self._take_turn(environ, length > SMALL, protocol)
            else:
                protocol.response_bytes(*self._call(environ))
        except ProtocolClosed:  # its client has gone
            pass
        finally:
            self._held -= held

    async def _body(
        self, protocol: HTTPProtocol, stated: int, fault: config.ReaderError | None
    ) -> tuple[bytes, int, config.ReaderError | None]:
        """Return the body, its length, and the fault for which the request is refused, if any.

        Of a refused or too large one the body is read too, and thrown away: its client might
        otherwise meet a closed connection before it reads why.
        """
        most = self._settings.max_bytes
        if stated == 0:
            return b"", 0, fault
        try:
            async with asyncio.timeout(self._settings.max_seconds):
                if fault is None and 0 < stated <= most:
                    return await protocol(), stated, None
                body, length = await _read(protocol, 0 if fault else most, DRAINED * most)
        except TimeoutError:
            seconds = self._settings.max_seconds
            slow = f"the body did not come within {seconds} seconds: send it faster, or less of it"
            return b"", 0, SlowBody(slow)
        if length < stated <= DRAINED * most:
            raise ProtocolClosed
        return body, length, fault

    def _is_last(self, client: str) -> bool:
        """Count an answer to a client's connection; tell if it is the last one on it.

        Connections gather at the workers that live longest. A client that has to connect anew
        may come to another one.
        """
        count = self._answers.pop(client, 0) + 1
        if count >= KEPT_FOR:
            return True
        if len(self._answers) >= KNOWN:  # of many it is not known that they have ended
            self._answers.clear()
        self._answers[client] = count
        return False

    def _overload(self, scope: Scope) -> Overloaded | None:
        full = scope.method == "POST" and self._waiting >= self._queue
        return Overloaded(BUSY) if full else None

    def _to_hold(self, stated: int) -> int:
        """Return the memory that a body may take; 0 for a small one, or one to be thrown away."""
        most = self._settings.max_bytes
        if stated == UNKNOWN:
            return most
        return stated if SMALL < stated <= most else 0

    async def _take_turn(self, environ: Environ, large: bool, protocol: HTTPProtocol) -> None:
        """Wait for the request's turn, and answer it."""
        self._waiting += 1
        try:
            if large:
                async with self._large:
                    loop = asyncio.get_running_loop()
                    protocol.response_bytes(*await loop.run_in_executor(None, self._call, environ))
            else:
                async with self._small:
                    protocol.response_bytes(*self._call(environ))
                    await asyncio.sleep(0)  # who has come meanwhile is let in, or sent away
        finally:
            self._waiting -= 1

    def _call(self, environ: Environ) -> tuple[int, Headers, bytes]:
        started: list[Any] = []
        content = self._app(environ, lambda *given: started.extend(given))
        if environ[LAST]:
            started[1].append(("Connection", "close"))
        return int(started[0][:3]), started[1], b"".join(content)


def _stated_length(scope: Scope) -> int:
    """Return the body's length as its client states it; UNKNOWN if one comes in chunks."""
    stated: str | None = scope.headers.get("content-length")
    if stated is not None:
        return int(stated) if stated.isdecimal() else 0
    return UNKNOWN if "transfer-encoding" in scope.headers else 0


async def _read(protocol: HTTPProtocol, kept: int, most: int) -> tuple[bytes, int]:
    """Read a body piece by piece, to its end or to `most` bytes.

    Returns it, or nothing if it is longer than `kept` bytes; and its length.
    """
    pieces, length = [], 0
    async for piece in protocol:
        length += len(piece)
        if length <= kept:
            pieces.append(piece)
        if length > most:
            break
    return b"".join(pieces) if length <= kept else b"", length


def _environ(scope: Scope, body: bytes, length: int, fault: config.ReaderError | None) -> Environ:
    """Return the request as PEP 3333 describes it."""
    host, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        stages.ARRIVED: perf_counter(),
        REFUSED: fault,
    }
    for name, value in scope.headers.items():
        key = f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if f"HTTP_{name}" in environ:
            environ[name] = environ.pop(f"HTTP_{name}")
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    return environ
