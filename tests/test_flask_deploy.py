"""The HTTP contract: every form of request, every kind of fault, on the app and a real server."""

import base64
import http.client
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import free_port
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

import config
from classifier import Classifier
from flask_deploy import create_app
from load_mnist_local import Mnist

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "tests" / "pictures"
EIGHT = (PICTURES / "eight.png").read_bytes()
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
POSIX = os.name == "posix"


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> FlaskClient:
    return create_app(classifier, config.Settings(max_bytes=500_000, max_batch=4)).test_client()


def png(width: int, height: int, grey: int = 255) -> bytes:
    """Return the bytes of an even grey PNG without holding its pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    packer = zlib.compressobj(9)
    row = bytes([0]) + bytes([grey]) * width
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def post_raw(client: FlaskClient, body: bytes, query: str = "") -> TestResponse:
    return client.post(f"/predict{query}", data=body, content_type="image/png")


def problem(response: TestResponse, status: int) -> str:
    """Check that a response is a problem of this status, and return its detail."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    body = json.loads(response.get_data())
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in body["detail"]
    return str(body["detail"])


def check_answer(answer: dict, digit: int) -> None:
    assert answer["digit"] == digit
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"])
    assert answer["top"][0] == {"digit": digit, "confidence": answer["confidence"]}
    assert len(answer["top"]) == 3
    assert answer["preprocessing"] in ("enhanced", "basic", "none")
    assert answer["model"]["name"] == "mnist_cnn"
    assert len(answer["model"]["version"]) == 12


class TestForms:
    @pytest.mark.parametrize("field", ["file", "image"])
    def test_multipart(self, client: FlaskClient, field: str) -> None:
        response = client.post("/predict", data={field: (io.BytesIO(EIGHT), "eight.png")})
        check_answer(response.get_json(), 8)

    def test_multipart_batch_is_answered_in_order(self, client: FlaskClient) -> None:
        names = ["three", "eight", "zero"]
        files = [(io.BytesIO((PICTURES / f"{n}.png").read_bytes()), n) for n in names]
        answers = client.post("/predict", data={"file": files}).get_json()["predictions"]
        assert [a["digit"] for a in answers] == [3, 8, 0]

    @pytest.mark.parametrize("kind", ["image/png", "image/x-any", "application/octet-stream"])
    def test_raw_body(self, client: FlaskClient, kind: str) -> None:
        check_answer(client.post("/predict", data=EIGHT, content_type=kind).get_json(), 8)

    @pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
    def test_json_image(self, client: FlaskClient, prefix: str) -> None:
        text = prefix + base64.b64encode(EIGHT).decode()
        check_answer(client.post("/predict", json={"image": text}).get_json(), 8)

    def test_json_batch_of_one_is_a_batch(self, client: FlaskClient) -> None:
        text = base64.b64encode(EIGHT).decode()
        answers = client.post("/predict", json={"images": [text]}).get_json()["predictions"]
        assert len(answers) == 1
        check_answer(answers[0], 8)

    @pytest.mark.parametrize("white", [1, 255])
    def test_json_pixels(self, client: FlaskClient, mnist: Mnist, white: int) -> None:
        index = int(np.flatnonzero(mnist.test.labels == 7)[0])
        pixels = mnist.test.images[index, ..., 0] * white
        if white == 255:
            pixels = pixels.astype(int)
        check_answer(client.post("/predict", json={"pixels": pixels.tolist()}).get_json(), 7)

    @pytest.mark.parametrize("method", ["enhanced", "basic"])
    def test_preprocessing_is_chosen_by_query(self, client: FlaskClient, method: str) -> None:
        answer = post_raw(client, EIGHT, f"?preprocessing={method}").get_json()
        assert answer["preprocessing"] == method

    def test_every_picture_of_a_digit_is_read(self, client: FlaskClient) -> None:
        for digit, word in enumerate(WORDS):
            check_answer(
                post_raw(client, (PICTURES / f"{word}.png").read_bytes()).get_json(), digit
            )

    @pytest.mark.parametrize(
        "name", ["eight_inverted.png", "eight_transparent.png", "eight_white_transparent.png",
                 "eight_rotated_exif.jpg", "eight_shaded.jpg"],
    )  # fmt: skip
    def test_an_eight_is_an_eight_however_it_comes(self, client: FlaskClient, name: str) -> None:
        check_answer(post_raw(client, (PICTURES / name).read_bytes()).get_json(), 8)


class TestFaults:
    def test_text_as_png(self, client: FlaskClient) -> None:
        detail = problem(post_raw(client, b"this is no picture"), 415)
        assert "not a picture" in detail
        assert "PNG" in detail

    def test_empty_body(self, client: FlaskClient) -> None:
        assert "empty" in problem(post_raw(client, b""), 415)

    def test_truncated(self, client: FlaskClient) -> None:
        assert "whole file" in problem(post_raw(client, EIGHT[: len(EIGHT) // 2]), 422)

    def test_bomb(self, client: FlaskClient) -> None:
        begun = time.monotonic()
        problem(post_raw(client, png(20_000, 1)), 422)  # blank, within the limits
        detail = problem(post_raw(client, png(9_000, 9_000)), 422)
        assert "81,000,000 pixels" in detail
        assert time.monotonic() - begun < 20

    @pytest.mark.parametrize("grey", [0, 128, 255])
    def test_blank_page(self, client: FlaskClient, grey: int) -> None:
        assert "no ink" in problem(post_raw(client, png(200, 300, grey)), 422)

    def test_too_large(self, client: FlaskClient) -> None:
        assert "at most 500,000 bytes" in problem(post_raw(client, b"x" * 600_000), 413)

    def test_too_many(self, client: FlaskClient) -> None:
        text = base64.b64encode(EIGHT).decode()
        response = client.post("/predict", json={"images": [text] * 5})
        assert "at most 4" in problem(response, 413)

    def test_one_bad_picture_of_a_batch_is_named(self, client: FlaskClient) -> None:
        files = [(io.BytesIO(EIGHT), "a.png"), (io.BytesIO(png(50, 50)), "b.png")]
        assert "picture 2 of 2: no ink" in problem(
            client.post("/predict", data={"file": files}), 422
        )

    def test_unknown_preprocessing(self, client: FlaskClient) -> None:
        assert "enhanced, basic, none" in problem(post_raw(client, EIGHT, "?preprocessing=x"), 400)

    @pytest.mark.parametrize(
        "body",
        ["{", "[]", "{}", '{"image": 3}', '{"image": "!!"}', '{"image": "data:image/png,x"}',
         '{"images": []}', '{"images": "x"}', '{"image": "", "pixels": []}', '{"pixels": 5}',
         '{"pixels": [[1]]}', '{"pixels": [[1], [2, 3]]}', '{"pixels": [["a"]]}', "nul",
         '{"pixels": ' + "[" * 2000 + "]" * 2000 + "}",
         json.dumps({"pixels": [[-1] * 28] * 28}), json.dumps({"pixels": [[256] * 28] * 28}),
         json.dumps({"pixels": [[True] * 28] * 28})],
    )  # fmt: skip
    def test_malformed_json(self, client: FlaskClient, body: str) -> None:
        detail = problem(client.post("/predict", data=body, content_type="application/json"), 400)
        assert len(detail) > 20

    def test_form_without_a_picture(self, client: FlaskClient) -> None:
        response = client.post(
            "/predict", data={"picture": (io.BytesIO(EIGHT), "x.png")},
            content_type="multipart/form-data",
        )  # fmt: skip
        detail = problem(response, 400)
        assert "picture" in detail
        assert "'file'" in detail

    def test_content_type_that_is_not_read(self, client: FlaskClient) -> None:
        response = client.post("/predict", data=EIGHT, content_type="text/plain")
        assert "text/plain" in problem(response, 415)

    def test_wrong_method_and_address(self, client: FlaskClient) -> None:
        response = client.get("/predict")
        assert "POST" in problem(response, 405)
        assert "POST" in response.headers["Allow"]
        problem(client.get("/nowhere"), 404)

    def test_overload_is_told_with_a_time_to_come_back(self, classifier: Classifier) -> None:
        app = create_app(classifier, config.Settings(max_queue=2), waiting=lambda: 3)
        response = post_raw(app.test_client(), EIGHT)
        problem(response, 503)
        assert int(response.headers["Retry-After"]) >= 1

    def test_unexpected_fault_is_logged_and_not_shown(
        self, classifier: Classifier, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = Classifier(lambda images: 1 / 0, classifier.card)  # type: ignore[arg-type,return-value]  # a fault on purpose
        response = post_raw(create_app(broken).test_client(), EIGHT)
        assert "division" not in problem(response, 500)
        assert "ZeroDivisionError" in caplog.text


class TestOtherRoutes:
    def test_index_tells_how_to_call(self, client: FlaskClient) -> None:
        body = client.get("/").get_json()
        assert "POST /predict" in body["routes"]
        assert "curl" in body["example"]

    def test_health(self, client: FlaskClient) -> None:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").get_json()["status"] == "ready"

    def test_model_is_the_card(self, client: FlaskClient, classifier: Classifier) -> None:
        assert client.get("/model").get_json() == classifier.card


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """Run the script as a person would, and return its port."""
    port = free_port()
    process = start(port)
    try:
        wait_until_ready(process, port)
        yield port
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert "Traceback" not in output
    if POSIX:
        assert process.returncode == 0


def start(port: int, *flags: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "flask_deploy.py", "--port", str(port), *flags],
        cwd=ROOT,
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


def ask(port: int, body: bytes, kind: str = "image/png") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.slow
class TestServer:
    def test_the_first_request_after_the_port_opens_is_answered_soon(self, server: int) -> None:
        begun = time.monotonic()
        status, answer = ask(server, EIGHT)
        assert status == 200
        check_answer(answer, 8)
        assert time.monotonic() - begun < 5  # the model was loaded and warmed before

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"no picture", 415), (png(20_000, 20_000), 422), (png(300, 300), 422), (b"", 415),
         (EIGHT[:100], 422), (b"x" * (17 * 1024 * 1024), 413)],
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


def test_a_picture_of_any_pixel_kind_is_read(client: FlaskClient) -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I", "F"):
        kind = "TIFF" if mode in ("CMYK", "F") else "PNG"
        picture = Image.open(io.BytesIO(EIGHT)).convert("L").convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        check_answer(post_raw(client, buffer.getvalue()).get_json(), 8)
