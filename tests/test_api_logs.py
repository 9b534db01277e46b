"""Logs: one line a request, as JSON or as text, with an id that the client sees too."""

import base64
import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_server import EIGHT, ask, start, wait_until_ready
from conftest import ROOT, free_port
from flask import Flask
from samples import blank_png
from stub_reader import fail, overloaded, stub_app
from werkzeug.test import TestResponse

from api import logs

Lines = Callable[[], list[dict[str, Any]]]
README = (ROOT / "README.md").read_text("utf-8")
HEX = set("0123456789abcdef")


@pytest.fixture
def lines() -> Iterator[Lines]:
    """A function that returns the JSON lines of all that was logged since."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logs.JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def post(app: Flask, body: bytes = EIGHT, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post("/predict", data=body, content_type="image/png", headers=named)


class TestLines:
    def test_a_request_is_one_line_that_tells_all(self, lines: Lines) -> None:
        response = post(stub_app(before=lambda: time.sleep(0.05)))
        (line,) = lines()
        assert {name: line[name] for name in ("level", "method", "path", "status", "problem")} == {
            "level": "INFO", "method": "POST", "path": "/predict", "status": 200, "problem": None,
        }  # fmt: skip
        assert line["request_id"] == response.headers["X-Request-ID"]
        assert line["bytes_in"] == len(EIGHT)
        assert line["pictures"] == 1
        assert line["preprocessing"] == "enhanced"
        assert line["digits"] == [8]
        assert line["confidences"] == [0.97]
        assert list(line["stages_ms"]) == ["decode", "preprocess", "infer"]
        assert line["stages_ms"]["infer"] >= 50
        assert sum(line["stages_ms"].values()) <= line["duration_ms"]
        at = datetime.fromisoformat(line["time"])
        assert at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - at) < timedelta(seconds=30)

    def test_the_readme_shows_one_as_it_is(self, lines: Lines) -> None:
        post(stub_app())
        (line,) = lines()
        (shown,) = re.findall(r"^```json\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
        assert list(json.loads(shown)) == list(line)
        # A request that came by the server has waited too; here none is before the application.
        assert list(json.loads(shown)["stages_ms"]) == ["queue", *line["stages_ms"]]

    def test_a_batch_is_one_line_too(self, lines: Lines) -> None:
        text = base64.b64encode(EIGHT).decode()
        client = stub_app(digit=2).test_client()
        client.post("/predict?preprocessing=basic", json={"images": [text, text]})
        (line,) = lines()
        assert (line["pictures"], line["digits"]) == (2, [2, 2])
        assert line["preprocessing"] == "basic"

    @pytest.mark.parametrize(
        ("body", "status", "problem"),
        [(b"no picture", 415, "UnsupportedPicture"), (blank_png(50, 50), 422, "NoInk")],
    )
    def test_a_refused_request_tells_why(
        self, lines: Lines, body: bytes, status: int, problem: str
    ) -> None:
        post(stub_app(), body)
        (line,) = lines()
        assert (line["status"], line["problem"], line["digits"]) == (status, problem, [])

    def test_no_picture_is_in_them(self, lines: Lines) -> None:
        text, app = base64.b64encode(EIGHT).decode(), stub_app()
        client = app.test_client()
        statuses = [
            client.post("/predict", json=body).status_code
            for body in ({"image": text}, {"image": text[:40]}, {"images": [text, "!" + text]})
        ]
        assert statuses == [200, 422, 400]
        found = json.dumps(lines())
        assert len(lines()) == 3
        for first in range(0, len(text) - 12, 4):
            assert text[first : first + 12] not in found

    def test_a_fault_is_a_record_with_its_traceback_and_its_request(self, lines: Lines) -> None:
        response = post(stub_app(before=fail))
        fault, request = lines()
        assert fault["level"] == "ERROR"
        assert "ZeroDivisionError: on purpose" in fault["traceback"]
        assert (request["level"], request["status"]) == ("WARNING", 500)
        given = {fault["request_id"], request["request_id"], response.headers["X-Request-ID"]}
        assert len(given) == 1
        assert fault["message"] == f"unexpected fault in request {fault['request_id']}"

    def test_a_long_path_is_cut(self, lines: Lines) -> None:
        stub_app().test_client().get("/" + "x" * 100_000)
        (line,) = lines()
        assert len(line["path"]) == logs.LONGEST_PATH


class TestRequestId:
    @pytest.mark.parametrize("given", ["a", "x" * 128, "7f3c.A_b-1", "0"])
    def test_a_sane_one_is_the_clients(self, lines: Lines, given: str) -> None:
        assert post(stub_app(), X_Request_ID=given).headers["X-Request-ID"] == given
        assert [line["request_id"] for line in lines()] == [given]

    @pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a/b", "a,b", "é", "<script>", "٣"])
    def test_another_is_replaced(self, lines: Lines, given: str) -> None:
        made = post(stub_app(), X_Request_ID=given).headers["X-Request-ID"]
        assert len(made) == 32
        assert set(made) <= HEX
        assert [line["request_id"] for line in lines()] == [made]

    def test_each_request_has_its_own(self) -> None:
        app = stub_app()
        assert len({post(app).headers["X-Request-ID"] for _ in range(5)}) == 5

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [("GET", "/nowhere", b"", 404), ("GET", "/predict", b"", 405),
         ("POST", "/predict", b"x" * 60_000, 413), ("POST", "/predict", b"x", 415),
         ("POST", "/predict", blank_png(50, 50), 422), ("POST", "/predict", EIGHT, 500)],
    )  # fmt: skip
    def test_a_problem_names_it(self, method: str, path: str, body: bytes, status: int) -> None:
        client = stub_app(before=fail, max_bytes=50_000).test_client()
        response = client.open(
            path, method=method, data=body, content_type="image/png",
            headers={"X-Request-ID": "mine"},
        )  # fmt: skip
        assert response.status_code == status
        assert response.headers["X-Request-ID"] == "mine"
        assert json.loads(response.get_data())["request_id"] == "mine"

    def test_a_key_that_is_missing_and_too_many_waiting_name_it_too(self) -> None:
        for client, status in (
            (stub_app(api_key="k").test_client(), 401),
            (overloaded(stub_app()), 503),
        ):
            response = client.post("/predict", headers={"X-Request-ID": "mine"})
            assert response.status_code == status
            assert response.headers["X-Request-ID"] == "mine"
            assert json.loads(response.get_data())["request_id"] == "mine"


# Sets logging up as the script does, and logs of each kind.
LOGGING = """
import logging, os, sys, warnings
sys.path[:0] = [sys.argv[1], os.path.join(sys.argv[1], "tests")]
from api import logs
from stub_reader import overloaded, stub_app
logs.set_up(sys.argv[2])
logs.tell("it begins", sys.argv[2])
stub_app().test_client().get("/")
overloaded(stub_app()).get("/a%0Ab%1B[31m")
logging.getLogger("elsewhere").warning("two\\nlines of %s", "é")
warnings.warn("soon gone", stacklevel=1)
"""


def logged(log_format: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", LOGGING, str(ROOT), log_format],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )


def test_every_record_is_json_if_that_is_asked_for() -> None:
    done = logged("json")
    assert done.stdout == ""
    begun, index, request, other, warning = [json.loads(line) for line in done.stderr.splitlines()]
    assert begun["message"] == "it begins"
    assert (index["path"], index["status"]) == ("/", 200)
    assert request["path"] == "/a\nb\x1b[31m"
    assert (other["logger"], other["level"]) == ("elsewhere", "WARNING")
    assert other["message"] == "two\nlines of é"
    assert "request_id" not in other
    assert "soon gone" in warning["message"]


def test_text_is_a_line_a_failed_request_that_no_client_can_break() -> None:
    done = logged("text")
    assert done.stdout == "it begins\n"
    request, *_ = done.stderr.splitlines()
    time_and_level, _, rest = request.partition(" WARNING ")
    assert datetime.strptime(time_and_level, "%Y-%m-%d %H:%M:%S,%f")
    assert rest.startswith(r"GET /a\nb\x1b[31m 503 ")
    assert rest.endswith(" ms")
    assert "\x1b" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("chosen_by", ["flag", "variable"])
def test_the_script_logs_json_alone(chosen_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if chosen_by == "variable":
        monkeypatch.setenv("MNIST_LOG_FORMAT", "json")
    port = free_port()
    process = start(port, *(["--log-format", "json"] if chosen_by == "flag" else []))
    wait_until_ready(process, port)
    ask(port, EIGHT)
    ask(port, b"no picture")
    process.terminate()
    output, _ = process.communicate(timeout=30)
    found = [json.loads(line) for line in output.splitlines()]
    assert f"serving on http://127.0.0.1:{port}" in json.dumps(found)
    requests = [line for line in found if "path" in line]
    assert [line["status"] for line in requests] == [200, 415]
    assert requests[0]["digits"] == [8]
