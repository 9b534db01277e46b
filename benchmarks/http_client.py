"""HTTP/1.1 as far as load scripts need it: requests as bytes, responses read from a stream."""

import asyncio
from typing import NamedTuple

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Response(NamedTuple):
    """A response that was read whole."""

    status: int
    headers: dict[str, str]  # by lower-case name
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return "close" in self.headers.get("connection", "").lower()

    @property
    def outcome(self) -> str:
        """The status as text; a 503 that lacks its Retry-After says so."""
        lacks = self.status == 503 and "retry-after" not in self.headers
        return f"{self.status} without Retry-After" if lacks else str(self.status)


def head(method: str, path: str, *lines: str, version: str = "1.1") -> bytes:
    """Return a request's head; lines: further headers, as they are sent."""
    first = (f"{method} {path} HTTP/{version}", "Host: 127.0.0.1")
    return "\r\n".join((*first, *lines, "", "")).encode()


def post(path: str, body: bytes, content_type: str, *lines: str) -> bytes:
    """Return a whole POST request."""
    stated = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    return head("POST", path, *stated, *lines) + body


def in_chunks(body: bytes, size: int = 1000) -> list[bytes]:
    """Return a body in chunks of at most `size` bytes, and the chunk that ends it."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]


def multipart(files: list[bytes], field: str = "file") -> tuple[bytes, str]:
    """Return a form with these files, and its content type."""
    name = f'Content-Disposition: form-data; name="{field}"; filename="a.png"\r\n\r\n'.encode()
    body = b"".join(b"--parts\r\n" + name + file + b"\r\n" for file in files) + b"--parts--\r\n"
    return body, "multipart/form-data; boundary=parts"


async def connect(port: int) -> Streams:
    """Open a connection to 127.0.0.1."""
    return await asyncio.open_connection("127.0.0.1", port)


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Read one response. Raises EOFError if the connection ends within it, OSError if it breaks."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Response(int(lines[0].split(" ")[1]), headers, body)
