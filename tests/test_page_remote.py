"""The page that asks a running API: its answers are the API's, and every failure is a sentence."""

import http.server
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES, check_answer, running
from conftest import free_port
from page_window import Server, client_of, start
from scripted_api import saying, served
from stub_reader import CARD, stub_app

import config
import gradio_interface
import litert_runtime
import model_files
import utils
from api.app import create_app
from classifier import Classifier
from outputs import Outputs
from page import api_server
from page.api_server import ApiServer, Busy, ServerFault, Unreachable
from page.reader import Reader
from page.remote import RemoteReader

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = np.random.default_rng(1).random((5, 28, 28, 1), np.float32)
ANSWER = {
    "digit": 8,
    "confidence": 1.0,
    "probabilities": [0.0] * 8 + [1.0, 0.0],
    "is_digit": 0.9,
    "model": {"name": "mnist_cnn", "version": "0123456789ab"},
}


def reader_of(url: str, uploads: Path, **settings: Any) -> RemoteReader:
    key = settings.pop("key", "")
    server = ApiServer(url, key, seconds=settings.pop("seconds", 5))
    return RemoteReader(server, config.Settings(**settings), uploads)


def upload(folder: Path, content: bytes = EIGHT) -> dict[str, str]:
    (folder / "picture.png").write_bytes(content)
    return {"path": str(folder / "picture.png")}


def test_answers_are_those_of_the_api_and_the_image_is_made_here(
    tmp_path: Path, classifier: Classifier
) -> None:
    app = stub_app(digit=8, confidence=0.97, is_digit=0.25)
    with served(app) as url:
        reader = reader_of(f"{url}/", tmp_path)
        reading = reader.read(upload(tmp_path), "basic")
        many = reader.answers(IMAGES, "basic")
        shares = reader.probabilities(IMAGES)
    check_answer(reading.answer, 8)
    assert reading.answer["confidence"] == pytest.approx(0.97)
    assert reading.answer["is_digit"] == 0.25
    assert reading.answer["preprocessing"] == "basic"
    assert reading.answer["model"] == {"name": "mnist_cnn", "version": "0123456789ab"}
    assert many == [reading.answer] * len(IMAGES)
    assert shares.shape == (5, 10)
    here = Reader(classifier, config.Settings(), tmp_path).read(upload(tmp_path), "basic")
    assert np.array_equal(reading.image, here.image)


def test_at_its_start_the_page_says_whose_model_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(stub_app()) as url:
        gradio_interface._asking(config.Settings(api_url=url))(tmp_path)
    assert f"model mnist_cnn 0123456789ab of {url} answers" in capsys.readouterr().out


def test_a_model_that_does_not_say_is_digit_is_asked_too(tmp_path: Path) -> None:
    with served(stub_app(is_digit=None)) as url:
        reader = reader_of(url, tmp_path)
        assert "is_digit" not in reader.read(upload(tmp_path), "enhanced").answer
        assert "is_digit" not in reader.answers(IMAGES, "enhanced")[0]
        assert reader.answers(IMAGES[:0], "enhanced") == []


def test_the_key_is_sent_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    with served(stub_app(api_key="secret")) as url:
        right, wrong = reader_of(url, tmp_path, key="secret"), reader_of(url, tmp_path, key="no")
        check_answer(right.read(upload(tmp_path), "enhanced").answer, 8)
        for ask in (
            lambda: wrong.read(upload(tmp_path), "enhanced"),
            lambda: wrong.answers(IMAGES, "enhanced"),
            wrong.card,
        ):
            with pytest.raises(ServerFault, match="must set MNIST_API_KEY"):
                ask()


def test_many_images_are_sent_in_requests_as_large_as_the_api_takes(tmp_path: Path) -> None:
    images = np.random.default_rng(2).random((23, 28, 28, 1), np.float32)
    seen: list[np.ndarray] = []

    def first_pixel(batch: np.ndarray) -> Outputs:
        seen.append(batch)
        shares = np.zeros((len(batch), 10), np.float32)
        shares[:, 0], shares[:, 1] = batch[:, 0, 0, 0], 1 - batch[:, 0, 0, 0]
        return Outputs(shares, batch[:, 1, 0, 0])

    app = create_app(Classifier(first_pixel, CARD), config.Settings(max_batch=4))
    with served(app) as url:
        reader = reader_of(url, tmp_path)
        shares = reader.probabilities(images)
        answers = reader.answers(images, "enhanced")
    assert np.array_equal(shares[:, 0], images[:, 0, 0, 0])
    assert [answer["is_digit"] for answer in answers] == images[:, 1, 0, 0].tolist()
    assert np.array_equal(np.concatenate(seen)[:23], images)
    assert max(map(len, seen)) <= 4


def test_connections_are_kept_and_one_that_was_closed_is_made_anew(tmp_path: Path) -> None:
    clients = []

    class Keeping(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            clients.append(self.client_address)
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(ANSWER).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keeping) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        reader = reader_of(f"http://127.0.0.1:{server.server_port}", tmp_path)
        for _ in range(5):
            reader.read(upload(tmp_path), "enhanced")
        assert len(set(clients)) == 1
        kept = reader._server._idle.queue[0]
        kept.sock.shutdown(socket.SHUT_RDWR)
        check_answer(reader.read(upload(tmp_path), "enhanced").answer, 8)
        assert len(set(clients)) == 2
        server.shutdown()
        thread.join()
        while not reader._server._idle.empty():
            reader._server._idle.get().close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "words"),
    [
        (422, b'{"detail": "no ink:\\n the <b>"}', {}, ServerFault, "^no ink: the <b>$"),
        (400, b'{"detail": ["no"]}', {}, ServerFault, "failed at this picture"),
        (401, b"{}", {}, ServerFault, "MNIST_API_KEY"),
        (413, b"no JSON", {}, ServerFault, "larger than the server"),
        (429, b"", {"Retry-After": "40"}, Busy, "try again in 40 seconds"),
        (503, b"", {"Retry-After": "1"}, Busy, "too much to do: try again in a second"),
        (503, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Busy, "in a second"),
        (404, b"<html>", {}, Unreachable, "there is no reader of digits"),
        (302, b"", {"Location": "http://192.0.2.1/"}, Unreachable, "there is no reader"),
        (502, b"<html>", {}, Unreachable, "does not answer at the moment"),
        (500, b"<html>", {}, ServerFault, "failed at this picture"),
        (200, b"<html>hello</html>", {}, Unreachable, "makes no sense"),
        (200, b"[]", {}, Unreachable, "makes no sense"),
        (200, b"null", {}, Unreachable, "makes no sense"),
        (200, b"x" * (api_server.MOST_ANSWERED + 1), {}, Unreachable, "makes no sense"),
        (200, b"{}", {"Content-Length": "200"}, Unreachable, "does not answer|too long"),
    ],
)
def test_every_failure_is_a_sentence(
    tmp_path: Path,
    status: int,
    body: bytes,
    headers: dict[str, str],
    kind: type[Exception],
    words: str,
) -> None:
    with served(saying(status, body, headers)) as url:
        reader = reader_of(url, tmp_path, seconds=0.5)
        with pytest.raises(kind, match=words) as told:
            reader.read(upload(tmp_path), "enhanced")
        if isinstance(told.value, Busy):
            assert told.value.retry_after >= 1
        with pytest.raises(ServerFault):
            reader.answers(IMAGES, "enhanced")
        with pytest.raises(ServerFault):
            reader.card()
    assert "http" not in str(told.value)  # where the API is, is no visitor's business


@pytest.mark.parametrize(
    "wrong",
    [
        {"probabilities": [0.1] * 9},
        {"probabilities": [0.5] * 10},
        {"probabilities": ["1"] + [0.0] * 9},
        {"probabilities": [2.0, -1.0] + [0.0] * 8},
        {"probabilities": None},
        {"is_digit": 1.5},
        {"is_digit": "<img src=x>"},
        {"model": {"name": "<script>", "version": "0123456789ab"}},
        {"model": {"name": "mnist_cnn", "version": 7}},
        {"model": "mnist_cnn"},
    ],
)
def test_an_answer_that_no_model_gives_is_not_believed(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with served(saying(200, json.dumps(ANSWER).encode(), {})) as url:
        check_answer(reader_of(url, tmp_path).read(upload(tmp_path), "enhanced").answer, 8)
    with (
        served(saying(200, json.dumps(ANSWER | wrong).encode(), {})) as url,
        pytest.raises(Unreachable, match="makes no sense"),
    ):
        reader_of(url, tmp_path).read(upload(tmp_path), "enhanced")


def test_nobody_there_and_one_who_is_silent_are_told_in_time(tmp_path: Path) -> None:
    reader = reader_of(f"http://127.0.0.1:{free_port()}", tmp_path)
    with pytest.raises(Unreachable, match="does not answer at the moment"):
        reader.read(upload(tmp_path), "enhanced")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reader = reader_of(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, seconds=0.3)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="takes too long"):
            reader.read(upload(tmp_path), "enhanced")
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "ftp://x", "http://", "http://x:70000", " "])
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_an_address_that_cannot_be_one_is_refused(
    url: str, by: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "environment":
        monkeypatch.setenv("MNIST_API_URL", url)
        assert gradio_interface.main([]) == 2
    else:
        with pytest.raises(SystemExit) as ended:
            gradio_interface.main(["--api-url", url])
        assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "http" in said
    assert "MNIST_API_URL" in said or "--api-url" in said


def test_what_is_decoded_here_is_refused_before_the_api_is_asked(tmp_path: Path) -> None:
    reader = reader_of(f"http://127.0.0.1:{free_port()}", tmp_path)
    with pytest.raises(utils.UnsupportedPicture):
        reader.read(upload(tmp_path, b"text"), "enhanced")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page that asks an API, as a deployment would run them; the page starts first.

    The API's model is the shipped one in LiteRT's form: to the page another than the shipped file.
    """
    folder, port = tmp_path_factory.mktemp("pair"), free_port()
    server = start(folder, "--api-url", f"http://127.0.0.1:{port}", "--model", "none.keras")
    try:
        assert "does not answer at the moment" in server.printed
        content = litert_runtime.derived_path(config.MODEL_PATH).read_bytes()
        model = folder / "mnist_cnn.tflite"
        model_files.write_model(lambda file: file.write_bytes(content), {}, model)
        with running("--workers", "1", "--model", str(model), at=port):
            yield server
    finally:
        server.process.kill()


@pytest.mark.slow
def test_one_deployment_serves_both(pair: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio_client import handle_file

    client = client_of(pair, monkeypatch)
    eight, blank = (handle_file(str(PICTURES / name)) for name in ("eight.png", "blank.png"))
    check_answer(client.predict(eight, api_name="/predict"), 8)
    assert client.predict(eight, "basic", api_name="/predict")["preprocessing"] == "basic"
    with pytest.raises(Exception, match="no ink"):
        client.predict(blank, api_name="/predict")
    rows = client.predict([eight, blank] * 10, api_name="/batch")
    assert [row.get("digit") for row in rows] == [8, None] * 10
    check_answer(rows[-2], 8)
    assert "no ink" in rows[-1]["error"]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(os.name != "posix", reason="SIGINT cannot be sent to one process elsewhere")
def test_of_a_model_elsewhere_the_card_is_shown_and_ctrl_c_ends_the_page_that_is_open(
    open_page: Callable[..., "Page"], pair: Server
) -> None:
    """And it did without a model file and what runs one."""
    page = open_page(pair)
    page.get_by_role("tab", name="Model").click()
    version = model_files.digest(litert_runtime.derived_path(config.MODEL_PATH))[:12]
    page.get_by_text(f"mnist_cnn, version {version}").wait_for()
    page.get_by_text("are of another model").wait_for()
    assert page.locator(".model-plots").count() == 0
    pair.process.send_signal(signal.SIGINT)
    assert pair.process.wait(30) == 130
    assert "gradio_interface: stopped" in pair.printed
    assert "Traceback" not in pair.printed
    assert "CALLED OUTSIDE" not in pair.printed
    assert "LOADED: []" in pair.printed
    page.close()
