"""The server against clients that are slow, gone, greedy or too many, over real sockets."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from api_server import EIGHT, ask, running

from api.door import KEPT_FOR

pytestmark = pytest.mark.slow

PATIENCE = 2  # seconds that the server gives a body
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(EIGHT) + EIGHT
LIMIT = 200_000  # bytes of a body
FOUR_PICTURES = json.dumps({"images": [base64.b64encode(EIGHT).decode()] * 4}).encode()
FOUR = HEAD.replace(b"image/png", b"application/json")
FOUR += b"Content-Length: %d\r\n\r\n" % len(FOUR_PICTURES) + FOUR_PICTURES
BUSY = json.dumps({"images": [base64.b64encode(EIGHT).decode()] * 64}).encode()


def chunked(*pieces: bytes) -> bytes:
    ended = [*pieces, b""]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in ended)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of the script with one worker, small limits and little patience."""
    with running(MAX_SECONDS=PATIENCE, MAX_BYTES=LIMIT, MAX_QUEUE=8, WORKERS=1) as port:
        yield port


def connect(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(sent)
    return connection


def answer_to(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and body that came, status 0 if the connection was closed instead."""
    content = b""
    try:
        while b"\r\n\r\n" not in content:
            piece = connection.recv(65536)
            if not piece:
                return 0, content
            content += piece
        head, _, body = content.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)
    except ConnectionResetError:
        return 0, content
    return int(head.split()[1]), body


def is_well(port: int, within: float = 1.5) -> bool:
    """Tell if a picture is read within so many seconds; 503 until then is an answer too."""
    begun = time.monotonic()
    status, answer = ask(port, EIGHT)
    while status == 503 and time.monotonic() - begun < within:
        time.sleep(0.05)
        status, answer = ask(port, EIGHT)
    return status == 200 and answer["digit"] == 8 and time.monotonic() - begun < within


class TestSlowClients:
    @pytest.mark.parametrize(
        "sent",
        [WHOLE[:-20], WHOLE[: -len(EIGHT)], chunked(EIGHT)[:-9]],
        ids=["most", "none", "chunk"],
    )
    def test_a_body_that_does_not_come_is_told_so(self, server: int, sent: bytes) -> None:
        begun = time.monotonic()
        with closing(connect(server, sent)) as connection:
            status, body = answer_to(connection)
        assert status == 408
        assert f"within {PATIENCE} seconds" in json.loads(body)["detail"]
        assert PATIENCE - 0.1 < time.monotonic() - begun < PATIENCE + 2

    @pytest.mark.parametrize("sent", [b"", HEAD, WHOLE[:-20]], ids=["nothing", "head", "body"])
    def test_many_of_them_keep_nobody_waiting(self, server: int, sent: bytes) -> None:
        slow = [connect(server, sent) for _ in range(150)]
        try:
            assert all(is_well(server) for _ in range(3))
        finally:
            for connection in slow:
                connection.close()
        assert is_well(server)

    def test_large_ones_keep_small_ones_from_nothing_and_take_no_more_than_their_memory(
        self, server: int
    ) -> None:
        head = HEAD + b"Content-Length: %d\r\n\r\n" % LIMIT
        slow = [connect(server, head + b"x" * 70_000) for _ in range(12)]
        try:
            time.sleep(0.3)
            assert is_well(server)
            # What has come of them is all that the large ones may hold.
            assert ask(server, b"x" * (LIMIT - 1))[0] == 503
            statuses = sorted(answer_to(connection)[0] for connection in slow)
        finally:
            for connection in slow:
                connection.close()
        assert statuses == [408] * 12  # those that were refused did not come to their end either
        assert ask(server, b"x" * (LIMIT - 1))[0] == 415

    def test_a_body_that_drips_in_is_answered(self, server: int) -> None:
        with closing(connect(server, WHOLE[:-60])) as connection:
            for first in range(-60, 0, 20):
                time.sleep(0.2)
                connection.sendall(WHOLE[first : first + 20 or None])
            status, body = answer_to(connection)
        assert (status, json.loads(body)["digit"]) == (200, 8)


class TestGoneClients:
    @pytest.mark.parametrize("sent", [WHOLE[:-20], WHOLE, chunked(EIGHT)[:-9], b"POST /pre"])
    def test_one_that_half_closes_leaves_nothing_behind(self, server: int, sent: bytes) -> None:
        with closing(connect(server, sent)) as connection:
            connection.shutdown(socket.SHUT_WR)
            status, _ = answer_to(connection)  # it returns at once: an answer, or the end
        assert status in (0, 200, 400)
        assert is_well(server)

    @pytest.mark.parametrize("sent", [WHOLE[:-20], WHOLE])
    def test_ones_that_go_leave_nothing_behind(self, server: int, sent: bytes) -> None:
        for _ in range(50):
            connect(server, sent).close()
        assert is_well(server, within=10)  # what they had asked for is still answered, to nobody


class TestBodies:
    def test_a_chunked_one_is_read(self, server: int) -> None:
        with closing(connect(server, chunked(EIGHT[:99], EIGHT[99:]))) as connection:
            status, body = answer_to(connection)
        assert (status, json.loads(body)["digit"]) == (200, 8)

    @pytest.mark.parametrize("size", [LIMIT + 1, 7 * LIMIT])
    def test_one_that_is_too_large_is_told_so(self, server: int, size: int) -> None:
        status, answer = ask(server, b"x" * size)
        assert status == 413
        assert f"at most {LIMIT:,} bytes" in answer["detail"]

    def test_a_chunked_one_too(self, server: int) -> None:
        with closing(connect(server, chunked(*[b"x" * 1000] * (LIMIT // 1000 + 1)))) as connection:
            status, body = answer_to(connection)
        assert status == 413
        assert f"at most {LIMIT:,} bytes" in json.loads(body)["detail"]

    def test_a_large_one_keeps_no_small_one_waiting(self, server: int) -> None:
        assert len(BUSY) > 64 * 1024
        asking = threading.Thread(target=ask, args=(server, BUSY, "application/json"))
        asking.start()
        assert is_well(server)
        asking.join()


def test_a_connection_is_kept_for_many_answers_and_its_end_is_told(server: int) -> None:
    with closing(connect(server, b"")) as connection:
        for number in range(1, KEPT_FOR + 1):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = connection.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert (b"\r\nconnection: close\r\n" in head.lower()) == (number == KEPT_FOR)
        assert connection.recv(1) == b""
    assert is_well(server)


def test_when_too_many_wait_the_next_is_told_at_once_when_to_come_back(server: int) -> None:
    outcomes: list[tuple[int, bytes]] = []

    def hurry() -> None:
        with closing(connect(server, b"")) as connection:
            ready.wait()
            connection.sendall(FOUR)
            status, body = answer_to(connection)
            outcomes.append((status, body))

    ready = threading.Barrier(60)
    hurrying = [threading.Thread(target=hurry) for _ in range(60)]
    for thread in hurrying:
        thread.start()
    for thread in hurrying:
        thread.join()
    statuses = [status for status, _ in outcomes]
    assert set(statuses) == {200, 503}
    assert len(statuses) == 60
    assert any(b"too many requests are waiting: try again" in body for _, body in outcomes)
    assert is_well(server, within=10)
