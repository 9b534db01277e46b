"""Request bodies, read piece by piece; what they hold of memory is counted as it comes."""

import asyncio
from dataclasses import dataclass

from granian.rsgi import HTTPProtocol, ProtocolClosed

import config
from api.problems import BUSY, MalformedRequest, Overloaded, slow_body

SMALL = 64 * 1024  # bytes: bodies up to it have memory that larger ones cannot take
AWAITED_WHOLE = 16 * 1024  # bytes of a stated length up to which a body is awaited in one step
DRAINED = 8  # times the largest body: as much of a refused one is read, so that its client listens
MEMORY = (
    4  # times the largest body: what the large bodies of a process may hold; the small, as much
)
UNKNOWN = -1  # the length of a body that comes in chunks


@dataclass(slots=True)
class Body:
    """What has come of one body. fault: for which its request is refused."""

    fault: config.ReaderError | None = None
    content: bytes = b""
    length: int = 0  # in bytes, also of one that is read to be thrown away
    held: int = 0  # bytes that are counted for it


class Bodies:
    """Reads the bodies of one process, within its limits of time and memory."""

    def __init__(self, settings: config.Settings) -> None:
        self._most = settings.max_bytes
        self._seconds = settings.max_seconds
        self.held = 0  # bytes, of all bodies

    async def read(self, protocol: HTTPProtocol, body: Body, stated: int) -> None:
        """Read a body to its end, into `body`; its fault if it is slow, or memory is short.

        stated: its length as its client says; UNKNOWN if it comes in chunks. A refused or too large
        body is read as well, and thrown away: its client might otherwise meet a closed connection
        before it reads why.
        """
        try:
            async with asyncio.timeout(self._seconds):
                if body.fault is None and 0 < stated <= min(AWAITED_WHOLE, self._most):
                    body.content = await protocol()
                    body.length = stated
                    self._hold(body, stated)
                elif stated:
                    await self._read_pieces(protocol, body, stated)
        except TimeoutError:
            self.release(body)
            body.length = 0
            body.fault = slow_body(self._seconds)
        except ProtocolClosed:
            self._end_early(body)
        else:
            if body.length < stated <= DRAINED * self._most:
                self._end_early(body)

    def _end_early(self, body: Body) -> None:
        self.release(body)
        body.length = 0
        body.fault = MalformedRequest("the body ended before its stated length: send all of it")

    def release(self, body: Body) -> None:
        """Forget a body's content, and what it holds of the memory."""
        self.held -= body.held
        body.held, body.content = 0, b""

    async def _read_pieces(self, protocol: HTTPProtocol, body: Body, stated: int) -> None:
        pieces: list[bytes] = []
        async for piece in protocol:
            body.length += len(piece)
            too_large = max(body.length, stated) > self._most
            if body.fault is None and not too_large and not self._fits(body, len(piece)):
                body.fault = Overloaded(BUSY)
            if body.fault is None and not too_large:
                self._hold(body, len(piece))
                pieces.append(piece)
            elif pieces:
                pieces.clear()
                self.release(body)
            if body.length > DRAINED * self._most:
                break
        body.content = b"".join(pieces)

    def _fits(self, body: Body, size: int) -> bool:
        share = 1 if body.held + size > SMALL else 2
        return self.held + size <= share * MEMORY * self._most

    def _hold(self, body: Body, size: int) -> None:
        body.held += size
        self.held += size
