"""The API as a person starts it: the script itself, over real HTTP."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import EIGHT, PICTURES, WORDS, ask, check_answer, running, start, wait_until_ready
from conftest import free_port
from samples import blank_png

POSIX = os.name == "posix"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The script's port, as a person would start it."""
    with running() as port:
        yield port


class TestServer:
    def test_the_first_request_after_the_port_opens_is_answered_soon(self, server: int) -> None:
        begun = time.monotonic()
        status, answer = ask(server, EIGHT)
        assert status == 200
        check_answer(answer, 8)
        assert time.monotonic() - begun < 5  # the model was loaded and warmed before

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"no picture", 415), (blank_png(20_000, 20_000), 422), (blank_png(300, 300), 422),
         (b"", 415), (EIGHT[:100], 422), (b"x" * (17 * 1024 * 1024), 413)],
        ids=["text", "bomb", "blank", "empty", "truncated", "too large"],
    )  # fmt: skip
    def test_a_bad_request_is_told_and_the_next_is_answered(
        self, server: int, body: bytes, status: int
    ) -> None:
        given, answer = ask(server, body)
        assert given == status
        assert answer["detail"]
        assert ask(server, EIGHT)[1]["digit"] == 8

    def test_many_at_once_get_each_their_own_answer(self, server: int) -> None:
        bodies = [(PICTURES / f"{word}.png").read_bytes() for word in WORDS]
        wrong: list[tuple[int, dict]] = []

        def ask_all(first: int) -> None:
            for i in range(10):
                digit = (first + i) % 10
                status, answer = ask(server, bodies[digit])
                if status != 200 or answer["digit"] != digit:
                    wrong.append((digit, answer))

        threads = [threading.Thread(target=ask_all, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_a_busy_port_is_one_clear_line(self, server: int) -> None:
        process = start(server)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert len(output.strip().splitlines()) == 1
        assert f"127.0.0.1:{server} is in use" in output
        assert f"--port {server + 1}" in output

    @pytest.mark.parametrize("content", [None, b"", b"not a model", b"PK\x03\x04 nor this"])
    def test_a_bad_model_file_is_one_clear_line(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        path = tmp_path / "broken.keras"
        if content is not None:
            path.write_bytes(content)
        process = start(free_port(), "--model", str(path))
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert len(output.strip().splitlines()) == 1
        assert "broken" in output
        assert "python train_model.py" in output

    @pytest.mark.skipif(not POSIX, reason="Ctrl-C is sent to a process group on POSIX only")
    def test_ctrl_c_ends_it_quietly(self) -> None:
        port = free_port()
        process = start(port)
        wait_until_ready(process, port)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode in (0, 130)
        assert "Traceback" not in output
