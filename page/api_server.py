"""A running API as the page asks it: requests on kept connections, faults as clear sentences."""

import http.client
import logging
import queue
import socket
import ssl
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

import config

CONNECTS_WITHIN = 3.0  # seconds
MOST_ANSWERED = 4 * 1024 * 1024  # bytes of a response
KEPT = 8  # connections that wait for their next request
LONGEST_DETAIL = 400  # characters of what the server says
PIECE = 64 * 1024  # bytes read at a time

BUSY = "the server that reads the digits has too much to do"
NO_SERVER = "the server that reads the digits does not answer at the moment: try again in a while"
TOO_SLOW = "the server that reads the digits takes too long: try again in a while"
WRONG_KEY = (
    "the server that reads the digits asks for another key than this page has: who runs the page "
    "must set MNIST_API_KEY to that server's"
)
NO_READER = "at the address that this page asks there is no reader of digits"
GARBAGE = "the server that reads the digits gave an answer that makes no sense: try again"
FAILED = "the server that reads the digits failed at this picture"
TOO_LARGE = "the picture is larger than the server that reads the digits takes"

log = logging.getLogger(__name__)


class ServerFault(config.ReaderError):
    """The API could not answer, or refused to; says so to a visitor."""


class Unreachable(ServerFault):
    """Nothing, or nothing that is understood, answers at the API's address, or not in time."""


class Busy(ServerFault):
    """The API has too much to do. retry_after: seconds after which to ask again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooMuch(ServerFault):
    """The request holds more than the API takes."""


class Response(NamedTuple):
    """A response of success: its headers, by lower-case name, and its body."""

    headers: dict[str, str]
    body: bytes


class ApiServer:
    """The API at an address; from any thread."""

    def __init__(self, url: str, key: str = "", seconds: float = 30) -> None:
        """Take the key that it asks for, if any; seconds: that one answer may take."""
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self._host, self._port = parts.hostname or "", parts.port
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._seconds = seconds
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue(KEPT)

    def get(self, path: str) -> Response:
        """Ask for what is at a path; raises ServerFault."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Response:
        """Send a body to a path; raises ServerFault."""
        return self._ask("POST", path, body, headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Response:
        try:
            return self._asked(method, path, body, headers)
        except TimeoutError:
            self._log("no answer in time")
            raise Unreachable(TOO_SLOW) from None
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self._log(f"{type(fault).__name__}: {fault}")
            raise Unreachable(NO_SERVER) from None

    def _asked(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Response:
        """Ask on a kept connection; if that was closed meanwhile, on a new one."""
        until = time.monotonic() + self._seconds
        while True:
            connection, kept = self._connection()
            try:
                connection.request(method, self._path + path, body, {**self._headers, **headers})
                response = connection.getresponse()
                content = _read(response, until)
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()
                if kept:
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            self._keep(connection, response)
            return self._checked(response, content)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it has been used before."""
        try:
            return self._idle.get_nowait(), True
        except queue.Empty:
            pass
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, CONNECTS_WITHIN)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=CONNECTS_WITHIN, context=self._context
            )
        connection.connect()
        connection.sock.settimeout(self._seconds)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, False

    def _keep(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        try:
            if response.will_close or not response.isclosed():
                raise queue.Full
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()

    def _checked(self, response: http.client.HTTPResponse, content: bytes | None) -> Response:
        """Return a response of success; raises what it means otherwise."""
        status = response.status
        if content is None:
            self._log(f"more than {MOST_ANSWERED:,} bytes answered")
            raise Unreachable(GARBAGE)
        if status == 200:
            return Response({name.lower(): value for name, value in response.getheaders()}, content)
        if status != 422:
            self._log(f"status {status}: {content[:200]!r}")
        raise _fault(status, response.getheader("Retry-After", ""), _detail(content))

    def _log(self, what: str) -> None:
        log.warning("%s: %s", self.url, what)


def _read(response: http.client.HTTPResponse, until: float) -> bytes | None:
    """Return a response's body, None for one too long; raises TimeoutError if it is late."""
    pieces, length = [], 0
    while piece := response.read1(PIECE):
        pieces.append(piece)
        length += len(piece)
        if length > MOST_ANSWERED:
            return None
        if time.monotonic() > until:
            raise TimeoutError
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    response.close()  # all is read: its connection can be asked again
    return b"".join(pieces)


def _detail(content: bytes) -> str:
    """Return what a problem (RFC 9457) or an error says, as one line; empty if it says nothing."""
    try:
        said = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return ""
    told: Any = said.get("detail", said.get("error")) if isinstance(said, dict) else None
    if not isinstance(told, str):
        return ""
    return " ".join(told.split())[:LONGEST_DETAIL]


def _fault(status: int, retry_after: str, detail: str) -> ServerFault:
    """Return the fault that a status means."""
    if status in (429, 503):
        seconds = (
            min(int(retry_after), 3600) if retry_after.isascii() and retry_after.isdecimal() else 1
        )
        again = "in a second" if seconds <= 1 else f"in {seconds} seconds"
        return Busy(f"{BUSY}: try again {again}", max(seconds, 1))
    if status in (401, 403):
        return ServerFault(WRONG_KEY)
    if status in (404, 405) or 300 <= status < 400:
        return Unreachable(NO_READER)
    if status == 413:
        return TooMuch(f"{TOO_LARGE}: {detail}" if detail else TOO_LARGE)
    if 400 <= status < 500 and detail:
        return ServerFault(detail)
    if status in (502, 504):
        return Unreachable(NO_SERVER)
    return ServerFault(FAILED)
