"""What the tests of the drawing page need: the program started and watched, answers awaited."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from conftest import free_port
from PIL import Image

import config
import load_mnist_local

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_000_000
STARTS_WITHIN = 120  # seconds; TensorFlow and Gradio take their time to import on a busy machine
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# The program as it is run, watched for whom it calls.
WATCHED = f"""
import sys
def watch(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if host not in {(*LOOPBACK, None)!r}:
        print("CALLED OUTSIDE:", host, file=sys.stderr, flush=True)
sys.addaudithook(watch)
import atexit
import gradio_interface
runtimes = "tensorflow", "keras", "ai_edge_litert"
atexit.register(lambda: print("LOADED:", [name for name in runtimes if name in sys.modules]))
sys.exit(gradio_interface.main(sys.argv[1:]))
"""


@dataclass
class Server:
    """The running program, its address and what it printed so far."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def halt(self, halted: bool) -> None:
        """Let the program stand still, or go on, where the system can do that."""
        if os.name == "posix":
            self.process.send_signal(signal.SIGSTOP if halted else signal.SIGCONT)

    @property
    def printed(self) -> str:
        return self.log.read_text("utf-8")


def start(folder: Path, *flags: str) -> Server:
    """Start the program on a free port and wait until it says that the page is there."""
    port, log = free_port(), folder / "page.log"
    # A proxy that is not there: the page's program must do without one.
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy"), "http://127.0.0.1:9")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, "--port", str(port), *flags],
            cwd=ROOT,
            env={**os.environ, **proxies, "MNIST_MAX_BYTES": str(MAX_BYTES)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, f"http://127.0.0.1:{port}/", log)
    until = time.monotonic() + STARTS_WITHIN
    while "page on" not in server.printed:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail(f"the page did not start:\n{server.printed}")
        time.sleep(0.1)
    return server


@contextmanager
def page_served(folder: Path, *flags: str) -> Iterator[Server]:
    """Run the program; at the end SIGTERM must end it cleanly, and it must have called nobody."""
    server = start(folder, *flags)
    try:
        yield server
    finally:
        server.process.terminate()
        status = server.process.wait(30)
    assert "CALLED OUTSIDE" not in server.printed
    # Gradio itself refuses a file that was not uploaded, and logs that at length.
    refused = server.printed.count("gradio.exceptions.InvalidPathError")
    assert server.printed.count("Traceback") == refused, server.printed
    assert os.name != "posix" or status == 0


def is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname not in LOOPBACK


def expect_digit(page: "Page", digit: int | str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(".answer-digit")).to_have_text(str(digit), timeout=20_000)


def expect_words(page: "Page", words: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(".answer-words")).to_contain_text(words, timeout=20_000)


def choose(page: "Page", name: str, content: bytes) -> None:
    """Open a picture with the page's button."""
    page.set_input_files(
        ".pad input[type=file]",
        files={"name": name, "mimeType": "image/png", "buffer": content},
    )


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def mnist_picture(index: int = 0) -> tuple[bytes, int]:
    """Return a digit of MNIST's test set as ink on white paper, as a PNG, and what it is."""
    images = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    labels = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_labels"])
    paper = Image.fromarray(255 - images[index]).resize((280, 280))
    return png(paper), int(labels[index])


# How much each text of the page stands out from its ground, as a contrast of 1 to 21 (WCAG 2).
CONTRASTS = """() => {
    const level = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * level(r) + 0.7152 * level(g) + 0.0722 * level(b);
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const found = colour(getComputedStyle(element).backgroundColor);
            if (found.length === 3 || found[3] > 0.5) return found;
        }
        return [255, 255, 255];
    };
    const texts = document.querySelectorAll(
        "h1, .page-header p, .pad-note, .pad-hint, [data-action=open], .answer-words, " +
        ".answer-small, " +
        ".bar-digit, .bar-share, figcaption, .answer-digit, fieldset span, footer button");
    return [...texts].filter((each) => each.innerText.trim()).map((each) => {
        const [a, b] = [light(colour(getComputedStyle(each).color)), light(ground(each))];
        return [each.innerText, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""


def client_of(page_server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    from gradio_client import Client

    return Client(page_server.url, verbose=False)


def call_predict(server: Server, picture: dict[str, Any]) -> str:
    """Call the endpoint by plain HTTP, as no honest client would; return the events it sends."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    call = urllib.request.Request(
        f"{server.url}gradio_api/call/predict",
        json.dumps({"data": [picture, "enhanced"]}).encode(),
        {"Content-Type": "application/json"},
    )
    with opener.open(call, timeout=30) as reply:
        event = json.load(reply)["event_id"]
    with opener.open(f"{call.full_url}/{event}", timeout=30) as events:
        return str(events.read().decode())


# Takes everything away that a visitor has done on the first tab.
CLEAR = """() => {
    document.querySelectorAll("[role=tab]")[0].click();
    document.querySelectorAll("details[open]").forEach((details) => details.open = false);
    const brush = document.querySelector(".pad-brush input");
    brush.value = brush.defaultValue;
    brush.dispatchEvent(new Event("input", { bubbles: true }));
    const enhanced = document.querySelector("input[name=preprocessing][value=enhanced]");
    if (!enhanced.checked) enhanced.click();
    document.querySelector("[data-action=clear]").click();
    document.activeElement.blur();
    scrollTo(0, 0);
}"""


def cleared(page: "Page") -> bool:
    """Make a page as good as a new one; return whether that was possible."""
    from playwright.sync_api import Error

    try:
        page.unroute_all(behavior="ignoreErrors")
        page.mouse.up()
        page.evaluate(CLEAR)
        page.locator(".pad-paper.empty").wait_for(timeout=5_000)
        page.get_by_text("No ink yet").wait_for(timeout=5_000)
    except Error:
        return False
    return page.locator(".pad-status").inner_text() == ""


def tap_clear(page: "Page") -> None:
    """Tap Clear as a person does: again, if a busy machine made a long press of the tap."""
    from playwright.sync_api import TimeoutError as TimedOut

    cleared = page.locator(".pad-paper.empty")
    for _ in range(3):
        page.get_by_role("button", name="Clear").tap()
        try:
            cleared.wait_for(timeout=3_000)
            return
        except TimedOut:
            continue
    pytest.fail("three taps on Clear left the ink on the pad")
