"""`make run`, as a newcomer types it; that it serves and ends is tried in test_readme.py."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import free_port

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.name != "posix" or not shutil.which("make"), reason="needs make and POSIX signals"
    ),
]


def start(**environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["make", "run"],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that Ctrl-C, which goes to the group, spares the tests
    )


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        return str(response.read().decode())


def wait_for(port: int, running: "subprocess.Popen[str]", seconds: float = 120) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and running.poll() is None:
        try:
            return page(port)
        except OSError:
            time.sleep(0.3)
    os.killpg(running.pid, signal.SIGKILL)
    pytest.fail(f"nothing answers on {port}: {running.communicate()[0]}")


def test_if_one_cannot_start_both_end_and_it_says_why() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        running = start(MNIST_PORT=str(port), MNIST_PAGE_PORT=str(free_port()))
        printed, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert f"127.0.0.1:{port} is in use" in printed
    assert "Traceback" not in printed
