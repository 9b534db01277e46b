"""The page that needs no server: served by a plain file server; what it asks and answers."""

import base64
import contextlib
import functools
import http.server
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import paper
import strokes
import utils
from classifier import Classifier
from enhanced import NoInk

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from load_mnist_local import Split

ROOT = Path(__file__).resolve().parent.parent
BROWSER = ROOT / "deploy" / "browser"
PREPARE = ROOT / "tests" / "browser" / "prepare.mjs"
sys.path.insert(0, str(BROWSER))
NO_NODE = (
    "NO NODE: the page without a server is not tested; it needs Node.js with npm, and the packages "
    "of requirements-export.txt"
)
# Keeps the last answer that the page's worker gave, and the picture that it was given for.
LISTEN = """
const Real = Worker;
const pictures = new Map(); // by the number of the question
window.Worker = class extends Real {
  constructor(...options) {
    super(...options);
    this.addEventListener("message", ({ data: { id, answer } }) => {
      if (answer) window.lastAnswer = { picture: pictures.get(id), answer };
    });
  }
  postMessage(message, ...rest) {
    pictures.set(message.id, message.blob);
    super.postMessage(message, ...rest);
  }
};
"""
ANSWERED = """async () => {
  const { picture, answer } = lastAnswer;
  const bytes = new Uint8Array(await picture.arrayBuffer());
  return [btoa(String.fromCharCode(...bytes)), answer];
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain file server without its lines."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def missing() -> str:
    """Return what keeps the page from being built here, or nothing."""
    import exports

    there = shutil.which("node") and shutil.which("npm") and not exports.FORMS["onnx"].missing()
    return "" if there else NO_NODE


def needed() -> None:
    """Skip the test where the page cannot be built, or fail it if REQUIRE_BROWSER=1."""
    fault = missing()
    if fault and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(fault, pytrace=False)
    if fault:
        pytest.skip(fault)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, http.server.ThreadingHTTPServer]]:
    """Serve a folder on 127.0.0.1; give its address and the server."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", server
    finally:
        server.shutdown()
        server.server_close()


def answered(page: "Page") -> tuple[bytes, dict[str, Any]]:
    """Return the picture file of the page's last answer, and the answer in the contract's words."""
    picture, answer = page.evaluate(ANSWERED)
    return base64.b64decode(picture), answer


def many_pictures(split: "Split", each: int, drawn: int, seed: int) -> list[Image.Image]:
    """Return digits of a split under every condition, drawn digits, and the tests' own pictures.

    each: of a condition; drawn: in other people's shapes.
    """
    rng = np.random.default_rng(seed)
    pictures = [
        condition(split.images[rng.integers(len(split))], rng)
        for condition in paper.CONDITIONS.values()
        for _ in range(each)
    ]
    for number in range(drawn):
        height, pen = int(rng.integers(20, 160)), strokes.random_pen(rng)
        ink = strokes.draw(strokes.digit(number % 10, rng), height, pen, rng)
        pictures.append(Image.eval(ink, lambda level: 255 - level) if rng.uniform() < 0.5 else ink)
    for path in sorted((ROOT / "tests" / "pictures").iterdir()):
        with contextlib.suppress(utils.PictureError):
            pictures.append(utils.decode(path))
    return pictures


def images_of(pictures: list[Image.Image]) -> np.ndarray:
    """Return what the page's modules make of pictures: (N, 785) float32, 0 first for no ink."""
    sent = []
    for picture in pictures:
        pixels = picture.convert("RGBA")
        sent.append(struct.pack("<II", pixels.height, pixels.width) + pixels.tobytes())
    done = subprocess.run(["node", PREPARE], input=b"".join(sent), capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return np.frombuffer(done.stdout, "<f4").reshape(len(pictures), 785)


def held(pictures: list[Image.Image], classifier: Classifier) -> tuple[int, float]:
    """Hold the page's images to Python's: how many answers differ, and the most a pixel does."""
    otherwise, largest = 0, 0.0
    for picture, row in zip(pictures, images_of(pictures), strict=True):
        try:
            wanted = utils.to_mnist_form(picture)
        except NoInk:
            otherwise += int(row[0] != 0)
            continue
        found = row[1:].reshape(1, 28, 28, 1)
        largest = max(largest, float(np.abs(found - wanted).max()))
        said, expected = classifier.answer(np.concatenate([found, wanted[None]]))
        otherwise += int(said.digit != expected.digit or row[0] == 0)
    return otherwise, largest
