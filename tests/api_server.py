"""What the tests of the HTTP server need: the script started and awaited, pictures, questions."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import free_port

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "tests" / "pictures"
EIGHT = (PICTURES / "eight.png").read_bytes()
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def check_answer(answer: dict, digit: int) -> None:
    assert answer["digit"] == digit
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"])
    assert answer["top"][0] == {"digit": digit, "confidence": answer["confidence"]}
    assert len(answer["top"]) == 3
    assert 0 <= answer.get("is_digit", 1) <= 1  # absent from a model that does not say it
    assert answer["preprocessing"] in ("enhanced", "basic", "none")
    assert answer["model"]["name"] == "mnist_cnn"
    assert len(answer["model"]["version"]) == 12


def start(
    port: int, *flags: str, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "flask_deploy.py", "--port", str(port), *flags],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until_ready(process: "subprocess.Popen[str]", port: int, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    process.kill()
    pytest.fail(f"the server did not start: {process.communicate()[0]}")


@contextmanager
def running(*flags: str, at: int = 0, **settings: int) -> Iterator[int]:
    """Run the script as a person would, and give its port; it must end well when told to.

    at: a port, or a free one; settings: without their MNIST_.
    """
    port = at or free_port()
    given = {f"MNIST_{name}": str(value) for name, value in settings.items()}
    process = start(port, *flags, environment=os.environ | given)
    try:
        wait_until_ready(process, port)
        yield port
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert "Traceback" not in output
    assert process.returncode == 0 or os.name != "posix"


def ask(port: int, body: bytes, kind: str = "image/png") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
