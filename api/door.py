"""The way from the network to the application: bodies read, requests queued, responses sent.

An RSGI application (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md),
one a worker process. The event loop reads bodies, answers health checks, and answers what costs
no more than a few milliseconds; everything else is answered in threads, so that it keeps nobody
waiting.
"""

import asyncio
import io
import sys
from time import perf_counter
from typing import Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope

import config
from api import stages
from api.bodies import SMALL, UNKNOWN, Bodies, Body
from api.front import REFUSED, Environ, WsgiApp, is_one_picture
from api.guard import OPEN
from api.problems import BUSY, Overloaded
from api.replies import Headers
from api.worker_threads import WorkerThreads
from containers import pixels_of
from decoding_process import LARGE_PIXELS

LAST = "mnist.last"  # of a WSGI environment: whether the connection ends with its answer
KEPT_FOR = 500  # answers that a connection is kept for
KNOWN = 8192  # connections whose answers are counted


class Door:
    """Lets requests in to a WSGI application, and its responses out."""

    def __init__(
        self, app: WsgiApp, settings: config.Settings, queue: int, threads: WorkerThreads
    ) -> None:
        """queue: how many requests may wait, for the event loop and for the threads each."""
        self._app = app
        self._queue = queue
        self._threads = threads
        self._bodies = Bodies(settings)
        self._waiting = {True: 0, False: 0}  # by whether the event loop answers them
        self._turn = asyncio.Lock()
        self._answers: dict[str, int] = {}  # by connection

    async def answer(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        if scope.proto != "http":
            return
        if scope.path in OPEN and scope.method in ("GET", "HEAD"):
            protocol.response_bytes(*self._call(self._environ(scope, Body())))
            return
        body = Body()
        try:
            await self._bodies.read(protocol, body, _stated_length(scope))
            await self._queued(self._environ(scope, body), body, protocol)
        except ProtocolClosed:  # its client has gone
            pass
        finally:
            self._bodies.release(body)

    async def _queued(self, environ: Environ, body: Body, protocol: HTTPProtocol) -> None:
        """Answer a request in its turn, or refuse it at once."""
        is_quick = body.fault is None and _is_quick(environ, body.content)
        if body.fault is None and self._waiting[is_quick] >= self._queue:
            environ[REFUSED] = Overloaded(BUSY)
        if environ[REFUSED] is not None:
            protocol.response_bytes(*self._call(environ))
            return
        self._waiting[is_quick] += 1
        try:
            if is_quick:
                async with self._turn:
                    protocol.response_bytes(*self._call(environ))
                    await asyncio.sleep(0)  # who has come meanwhile is let in, or sent away
            else:
                is_large = len(body.content) > SMALL
                response = await self._threads.run(is_large, self._call, environ)
                protocol.response_bytes(*response)
        finally:
            self._waiting[is_quick] -= 1

    def _call(self, environ: Environ) -> tuple[int, Headers, bytes]:
        started: list[Any] = []
        content = self._app(environ, lambda *response: started.extend(response))
        if environ[LAST]:
            started[1].append(("Connection", "close"))
        return int(started[0][:3]), started[1], b"".join(content)

    def _is_last(self, scope: Scope) -> bool:
        """Count an answer to a client's connection; tell if it is the last one on it.

        Connections gather at the workers that live longest. A client that has to connect anew
        may come to another one.
        """
        count = self._answers.pop(scope.client, 0) + 1
        if count >= KEPT_FOR and scope.http_version != "1":
            return True  # in HTTP/1.0 a connection is kept by a header that would contradict this
        if len(self._answers) >= KNOWN:  # of many it is not known that they have ended
            self._answers.clear()
        self._answers[scope.client] = count
        return False

    def _environ(self, scope: Scope, body: Body) -> Environ:
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
            "wsgi.input": io.BytesIO(body.content),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            stages.ARRIVED: perf_counter(),
            REFUSED: body.fault,
            LAST: self._is_last(scope),
        }
        for name, value in scope.headers.items():
            if "_" in name:  # CGI's names do not tell it from one with hyphens (RFC 3875, 4.1.18)
                continue
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if f"HTTP_{name}" in environ:
                environ[name] = environ.pop(f"HTTP_{name}")
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if body.length:
            environ["CONTENT_LENGTH"] = str(body.length)
        return environ


def _is_quick(environ: Environ, content: bytes) -> bool:
    """Tell if a request is answered in a few milliseconds: one small picture in a raw body."""
    return is_one_picture(environ) and len(content) <= SMALL and pixels_of(content) <= LARGE_PIXELS


def _stated_length(scope: Scope) -> int:
    """Return the body's length as its client states it; UNKNOWN if one comes in chunks."""
    stated: str | None = scope.headers.get("content-length")
    if stated is not None:
        return int(stated) if stated.isdecimal() else 0
    return UNKNOWN if "transfer-encoding" in scope.headers else 0
