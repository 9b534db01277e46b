"""Several workers under load: one is killed, once or again and again; the server is told to end."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from api_server import EIGHT, ask, start, wait_until_ready
from conftest import free_port

import config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc"),
]
EIGHT_TEXT = base64.b64encode(EIGHT).decode()
FILES = ("mnist_cnn.keras", "mnist_cnn.json", "mnist_cnn.litert.tflite", "mnist_cnn.litert.json")


KEPT = 50  # requests that a client sends over one connection
PAUSE = 0.02  # seconds between two requests of a client: the server is busy, not the machine


class Load:
    """Clients that ask one request after another, each on a connection of its own, and count."""

    def __init__(self, port: int, clients: int = 6) -> None:
        self.port = port
        self.outcomes: Counter[str] = Counter()
        self.broken: list[float] = []  # when
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(clients)]

    def _ask_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        asked = 0
        while not self._stop.is_set():
            try:
                connection.request("POST", "/predict", EIGHT, {"Content-Type": "image/png"})
                response = connection.getresponse()
                answer = json.loads(response.read())
                right = response.status == 200 and answer["digit"] == 8
                self.outcomes["right" if right else f"{response.status}"] += 1
                time.sleep(PAUSE)
                asked += 1
                if asked % KEPT == 0:  # the next connection may come to another worker
                    connection.close()
            except (OSError, http.client.HTTPException):
                self.outcomes["broken"] += 1
                self.broken.append(time.monotonic())
                connection.close()
        connection.close()

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Return the process ids of the server's workers."""
    found = Path(f"/proc/{process.pid}/task").glob("*/children")
    return sorted(int(child) for file in found for child in file.read_text("utf-8").split())


def cpu_seconds(process: int) -> float:
    """Return for how long a process has used the processor."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(config.MODEL_PATH.parent / name, tmp_path)
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The script with two workers that serve a copy of the model, and its port."""
    port = free_port()
    process = start(port, "--workers", "2", "--model", str(folder / FILES[0]))
    try:
        wait_until_ready(process, port)
        yield process, port
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output


def metric(port: int, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    return float(line.split()[1])


def wait_until_it_serves(worker: int, port: int) -> None:
    """Wait until both workers have their model, and this one then works on the load as well."""
    version = json.loads((config.MODEL_PATH.with_suffix(".json")).read_text("utf-8"))["sha256"]
    both, until = f'mnist_model_workers{{version="{version[:12]}"}}', time.monotonic() + 120
    while metric(port, both) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    begin = cpu_seconds(worker)
    while cpu_seconds(worker) < begin + 0.05:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_killed_worker_is_replaced_and_takes_only_its_own_requests_along(
    served: tuple["subprocess.Popen[str]", int],
) -> None:
    process, port = served
    before = workers_of(process)
    assert len(before) == 2
    with Load(port) as load:
        time.sleep(1)
        killed = time.monotonic()
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 120
        while (len(workers_of(process)) < 2) or before[0] in workers_of(process):
            assert time.monotonic() < until
            time.sleep(0.1)
        (new,) = set(workers_of(process)) - set(before)
        wait_until_it_serves(new, port)
    assert before[1] in workers_of(process)
    assert load.outcomes["right"] > 20
    assert set(load.outcomes) <= {"right", "broken"}
    # Each client had one request there, and one more if it came back while the worker was dying.
    assert load.outcomes["broken"] <= 12
    assert all(at - killed < 10 for at in load.broken)
    # What the dead worker counted stays, what it had in flight does not.
    assert metric(port, "mnist_request_pictures_count") >= load.outcomes["right"]
    assert metric(port, "mnist_requests_in_flight") == 1


def test_told_to_end_it_answers_what_has_come(
    served: tuple["subprocess.Popen[str]", int],
) -> None:
    process, port = served
    answers: list[tuple[int, dict]] = []
    one, many = (json.dumps({"images": [EIGHT_TEXT] * count}).encode() for count in (1, 64))

    def keep(content: bytes) -> None:
        answers.append(ask(port, content, "application/json"))

    asking = [threading.Thread(target=keep, args=(content,)) for content in [many, one] * 4]
    for thread in asking:
        thread.start()
    time.sleep(0.1)
    process.terminate()
    for thread in asking:
        thread.join()
    assert process.wait(30) == 0
    assert [status for status, _ in answers] == [200] * 8


def test_workers_end_with_their_parent_however_it_ends(
    served: tuple["subprocess.Popen[str]", int],
) -> None:
    process, port = served
    process.kill()
    process.communicate(timeout=30)  # its workers hold its output, until they end too
    with pytest.raises(OSError):
        ask(port, EIGHT)


def test_a_worker_that_ends_again_and_again_stops_neither_the_others_nor_the_server(
    served: tuple["subprocess.Popen[str]", int],
) -> None:
    process, port = served
    survivor, victim = workers_of(process)
    with Load(port) as load:
        for _ in range(5):
            os.kill(victim, signal.SIGKILL)
            until = time.monotonic() + 60
            while not (others := set(workers_of(process)) - {survivor, victim}):
                assert time.monotonic() < until
                time.sleep(0.02)
            (victim,) = others
            right = load.outcomes["right"]
            while load.outcomes["right"] < right + 5:  # the other one serves meanwhile
                assert time.monotonic() < until
                time.sleep(0.02)
    assert survivor in workers_of(process)
    # The last one serves as well.
    with Load(port):
        wait_until_it_serves(victim, port)
    assert process.poll() is None
