"""Answers in words and pictures, and the programs around the page, without a browser."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import free_port
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import answers
import config
import gradio_interface
from classifier import Answer, Classifier
from outputs import Outputs
from page import answer_view, read_tab
from page.reader import Reader
from utils import MalformedPicture

ROOT = Path(__file__).resolve().parent.parent


def likely(**shares: float) -> dict[str, Any]:
    """Return an answer in the contract's words: likely(d8=0.9, d3=0.1, is_digit=0.7)."""
    probabilities = [shares.get(f"d{digit}", 0.0) for digit in range(10)]
    card = {"name": "model", "sha256": "0" * 64}
    answer = Answer(tuple(probabilities), shares.get("is_digit"))
    return answers.describe(answer, "enhanced", Classifier(Outputs, card))


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"d8": 0.97, "d3": 0.03}, "This is 8, 97% sure."),
        ({"d8": 1.0}, "This is 8, 99% sure."),
        ({"d8": 0.9, "d3": 0.06, "d5": 0.04}, "Most likely 8 (90%); could be 3."),
        ({"d8": 0.93, "d3": 0.04, "d5": 0.03}, "Most likely 8 (93%); could be 3."),
        ({"d4": 0.5, "d9": 0.4, "d7": 0.1}, "Hard to tell: most likely 4 (50%); could be 9 or 7."),
        ({"d8": 0.97, "d3": 0.03, "is_digit": 0.5}, "This is 8, 97% sure."),
        ({"d8": 0.9, "d3": 0.1, "is_digit": 0.9}, "Most likely 8 (90%); could be 3."),
        ({"d8": 1.0, "is_digit": 0.49}, "This does not look like one digit (most like 8)."),
        ({"d4": 0.5, "d9": 0.5, "is_digit": 0}, "This does not look like one digit (most like 4)."),
    ],
)
def test_words_have_the_doubt_that_the_answer_deserves(
    shares: dict[str, float], words: str
) -> None:
    assert answer_view.words(likely(**shares)) == words


BLANK = np.zeros((28, 28, 1), np.float32)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "99%"),
        (0.9996, "99%"),
        (0.874, "87%"),
        (0.5, "50%"),
        (0.12, "12%"),
        (0.01, "1%"),
        (0.0099, "under 1%"),
        (0.0, "under 1%"),
    ],
)
def test_how_much_it_looks_like_a_digit_is_said_in_small(share: float, said: str) -> None:
    html = answer_view.of_answer(likely(d8=1.0, is_digit=share), BLANK)
    assert f'<p class="answer-small">Likeness to one digit: {said}</p>' in html


@pytest.mark.parametrize(("share", "shown"), [(0.49, "8?"), (0.0, "8?"), (0.5, "8"), (1.0, "8")])
def test_what_looks_like_no_digit_is_shown_with_doubt(share: float, shown: str) -> None:
    html = answer_view.of_answer(likely(d8=1.0, is_digit=share), BLANK)
    assert f'class="answer-digit" aria-hidden="true">{shown}</p>' in html
    assert (' doubtful"' in html) == (shown == "8?")
    assert "nothing" not in html


@pytest.mark.parametrize(
    "html", [answer_view.of_answer(likely(d8=1.0), BLANK), answer_view.of_nothing()]
)
def test_of_a_model_that_does_not_say_it_nothing_is_said(html: str) -> None:
    assert "answer-small" not in html
    assert "doubtful" not in html
    assert "one digit" not in html


def test_the_picture_shown_is_the_one_the_model_saw() -> None:
    image = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28, 1)
    html = answer_view.of_answer(likely(d8=1.0), image)
    encoded = re.search(r'base64,([^"]+)"', html)
    assert encoded
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded[1]))), np.float32) / 255
    assert np.abs(shown - image[..., 0]).max() <= 0.5 / 255 + 1e-6


@given(st.text())
def test_a_note_of_any_text_stays_text(note: str) -> None:
    html = answer_view.of_nothing(note)
    words = re.search(r'role="status">(.*?)</p>', html, re.DOTALL)
    assert words
    assert not set('<>"') & set(words[1])
    assert html.count("<li") == config.CLASSES


@pytest.mark.parametrize("handed", [None, 7, "8", [], {}, {"picture": None, "preprocessing": [1]}])
def test_of_whatever_a_client_hands_on_a_note_is_made(handed: Any, tmp_path: Path) -> None:
    reader = Reader(Classifier(Outputs, {}), config.Settings(), tmp_path)
    assert read_tab.answer_to(reader, handed) == {
        "html": answer_view.of_nothing("no picture was sent: upload a file first"),
        "box": None,
    }


def test_a_drawing_comes_as_a_data_url_no_larger_than_a_file(
    tmp_path: Path, classifier: Classifier
) -> None:
    content = (ROOT / "tests" / "pictures" / "eight.png").read_bytes()
    sent = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    read = Reader(classifier, config.Settings(), tmp_path).read(sent, "enhanced")
    assert read.answer["digit"] == 8
    assert read.picture.size == Image.open(io.BytesIO(content)).size
    assert 0 <= read.box.left < read.box.right <= 1
    small = Reader(classifier, config.Settings(max_bytes=len(content) // 2), tmp_path)
    with pytest.raises(MalformedPicture, match="too large: at most"):
        small.read(sent, "enhanced")


@pytest.mark.parametrize(
    "sent",
    [None, {"path": "picture.png"}, {}, {"path": None}, {"path": "/"}, {"path": "../secret.png"}],
)
def test_only_uploads_are_read(tmp_path: Path, sent: Any) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    Image.new("L", (40, 40), 255).save(tmp_path / "secret.png")
    reader = Reader(Classifier(Outputs, {}), config.Settings(), uploads)
    with pytest.raises(MalformedPicture, match="upload"):
        reader.read(sent, "enhanced")
    (uploads / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(MalformedPicture, match="not among the uploads"):
        reader.read({"path": str(uploads / "link.png")}, "enhanced")


def test_importing_the_page_loads_neither_gradio_nor_tensorflow() -> None:
    code = (
        "import sys, gradio_interface, page.layout, page.read_tab, page.answer_view\n"
        "sys.exit(bool({'gradio', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--help"], 0, "--port"),
        (["--port", "0"], 2, "must be a whole number from 1 to 65535"),
        (["--model", "missing.keras"], 1, "missing.keras cannot be read"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1"),
    ],
)
def test_a_wrong_start_is_told_in_a_line(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--port" not in arguments:
        arguments = ["--port", str(free_port()), *arguments]
    try:
        ended: Any = gradio_interface.main(arguments)
    except SystemExit as end:
        ended = end.code
    said = capsys.readouterr()
    assert ended == status
    assert words in said.out + said.err
