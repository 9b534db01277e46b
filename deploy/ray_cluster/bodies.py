"""An ASGI request as a WSGI environment, its body read piece by piece within limits.

Serve's own `request.body()` keeps whatever comes. Here a body above `max_bytes` is not read to its
end, one that takes longer than `max_seconds` is given up, and the memory of all bodies is bounded.
"""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import config
from api import stages
from api.front import REFUSED, Environ
from api.problems import BUSY, Overloaded, slow_body

SMALL = 64 * 1024  # bytes: a body up to this size is read however much memory others hold
BODIES = 8  # times max_bytes: memory for the larger bodies of one replica
LONGEST_LENGTH = 18  # digits of a Content-Length that is looked at


@dataclass
class Body:
    """What was read of a body.

    length: bytes, as stated if that is too large, otherwise as received. Above `max_bytes` the
    application answers 413 by it. fault: another reason to refuse the request.
    """

    content: io.BytesIO = field(default_factory=io.BytesIO)
    length: int = 0
    reserved: int = 0  # bytes of the replica's memory for bodies
    fault: config.ReaderError | None = None


class Bodies:
    """The bodies of one replica's requests, and the memory that they take."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._reserved = 0

    @asynccontextmanager
    async def read(self, stated: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[Body]:
        """Give a request's body; its memory counts until the block ends.

        stated: the Content-Length header, empty if there is none.
        """
        body, seconds = Body(), self._settings.max_seconds
        try:
            try:
                async with asyncio.timeout(seconds):
                    await self._receive(body, stated, pieces)
            except TimeoutError:
                self._discard(body, slow_body(seconds))
            yield body
        finally:
            self._reserved -= body.reserved

    async def _receive(self, body: Body, stated: str, pieces: AsyncIterator[bytes]) -> None:
        most = self._settings.max_bytes
        if stated.isdecimal() and len(stated) <= LONGEST_LENGTH and int(stated) > most:
            body.length = int(stated)
            return
        async for piece in pieces:
            body.length += len(piece)
            if body.length > most:
                self._discard(body)
                return
            if body.length > SMALL:
                growth = body.length - body.reserved
                if self._reserved + growth > BODIES * most:
                    self._discard(body, Overloaded(BUSY))
                    return
                self._reserved += growth
                body.reserved = body.length
            body.content.write(piece)
        body.content.seek(0)

    def _discard(self, body: Body, fault: config.ReaderError | None = None) -> None:
        self._reserved -= body.reserved
        body.content, body.reserved, body.fault = io.BytesIO(), 0, fault


def environ_of(scope: dict[str, Any], body: Body) -> Environ:
    """Return an ASGI HTTP request as PEP 3333 describes it.

    A header whose name has an underscore is left out: in WSGI it would pass for one with a hyphen.
    """
    host, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body.content,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        stages.ARRIVED: perf_counter(),
        REFUSED: body.fault,
    }
    for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]):
        if "_" not in name:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    for name in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH"):
        environ.pop(name, None)
    if "HTTP_CONTENT_TYPE" in environ:
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
    if body.length:
        environ["CONTENT_LENGTH"] = str(body.length)
    return environ
