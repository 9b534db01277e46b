"""What is folded up below the answer, in words and pictures: why, and the methods compared."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scripted_api import served

import config
import utils
from api.app import create_app
from attribution import Attribution, Part, attribute, parts
from classifier import Classifier
from load_mnist_local import Mnist
from page import compare_view, explain_view
from page.api_server import ApiServer
from page.reader import Reader
from page.remote import RemoteReader


def told(log_odds: float = 5.0) -> Attribution:
    return Attribution(np.zeros((28, 28)), 8, 3, log_odds, 0.0)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            [Part("lower left", 4, -1, 3), Part("top", 1, 4, 8)],
            "The ink at the lower left speaks most for 8 against 3; without it 3 would be read. "
            "None speaks clearly for 3.",
        ),
        (
            [Part("left side", 4, 2, 8), Part("middle", -1, 6, 8), Part("right side", -2, 7, 8)],
            "The ink on the left speaks most for 8 against 3; without it 8 would still be read. "
            "The ink on the right speaks for 3.",
        ),
        (  # too little to be named, or not what erasing it shows
            [Part("middle", 9, 2, 6), Part("top", -0.5, 6, 8), Part("bottom", -3, 4, 8)],
            "The ink in the middle speaks most for 8 against 3; without it 6 would be read. "
            "None speaks clearly for 3.",
        ),
        (  # what speaks most seems not to when it is erased: the next is named
            [Part("top", 4, 6, 8), Part("bottom", 3, 1, 8)],
            "The ink at the bottom speaks most for 8 against 3; without it 8 would still be read. "
            "None speaks clearly for 3.",
        ),
        ([Part("top", -1, 6, 8)], explain_view.NO_TELLING),
        ([], explain_view.NO_TELLING),
    ],
)
def test_only_what_erasing_shows_too_is_said(found: list[Part], words: str) -> None:
    assert explain_view.words(told(), found) == words


def test_what_is_said_without_a_part_is_what_the_model_reads_then(
    classifier: Classifier, mnist: Mnist
) -> None:
    """On 5 validation digits: each sentence is tried by erasing the ninth that it names."""
    claims = r"The ink (?:at the|on the|in the) ([a-z ]+) speaks most for (\d) .*; without it (\d)"
    tried = 0
    for image in mnist.validation.images[40:45]:
        attribution = attribute(image, classifier.probabilities)
        found = parts(image, attribution, classifier.probabilities)
        said = re.match(claims, explain_view.words(attribution, found))
        if not said:
            continue
        tried += 1
        name = {"left": "left side", "right": "right side"}.get(said[1], said[1])
        erased = image.copy()
        erased[_ninths(image[..., 0])[name]] = 0
        whole, without = classifier.answer(np.stack([image, erased]))
        assert (whole.digit, without.digit) == (int(said[2]), int(said[3]))
        rival = attribution.rival
        assert _odds(without.probabilities, whole.digit, rival) < _odds(
            whole.probabilities, whole.digit, rival
        )
    assert tried > 3


def _odds(probabilities: tuple[float, ...], digit: int, rival: int) -> float:
    return probabilities[digit] / max(probabilities[rival], 1e-12)


def _ninths(ink: np.ndarray) -> dict[str, np.ndarray]:
    """Return where each ninth of the ink's box lies, by name, for digits that are not narrow."""
    y, x = np.nonzero(ink > 0.1)
    down = np.clip(3 * (np.arange(28) - y.min()) // (y.max() - y.min() + 1), 0, 2)
    wide = x.max() - x.min() + 1
    across = np.clip(3 * (np.arange(28) - x.min()) // wide, 0, 2) if wide >= 9 else np.ones(28)
    names = "upper left,top,upper right,left side,middle,right side,lower left,bottom,lower right"
    return {
        name: (down == number // 3)[:, None] & (across == number % 3)[None]
        for number, name in enumerate(names.split(","))
    }


def test_ink_for_the_digit_is_drawn_as_squares_and_ink_against_it_as_dots() -> None:
    image = np.zeros((28, 28, 1), np.float32)
    contributions = np.zeros((28, 28))
    image[10, 4:8] = 1
    contributions[10, 4], contributions[10, 5], contributions[10, 6] = 2.0, -1.0, 0.1
    html = explain_view.of_attribution(image, Attribution(contributions, 8, 3, 1.1, 0.0), [])
    marks = re.findall(r'<(rect|circle) class="why-(\w+)" c?x="([\d.]+)"', html)
    assert marks == [
        ("rect", "for", "4"),
        ("rect", "neither", "5"),
        ("circle", "against", "5.5"),
        ("rect", "neither", "6"),
        ("rect", "neither", "7"),
    ]
    assert "speaks for 8" in html
    assert "speaks for 3" in html


def answer(digit: int, confidence: float, is_digit: float | None = None) -> dict[str, Any]:
    doubt = {} if is_digit is None else {"is_digit": is_digit}
    return {"digit": digit, "confidence": confidence} | doubt


@pytest.mark.parametrize(
    ("basic", "enhanced", "words"),
    [
        (answer(3, 0.4), answer(8, 0.999), "Basic makes a 3 of it (40%), Enhanced an 8 (99%)."),
        (answer(8, 0.46), answer(8, 0.99), "Both make an 8 of it; by Enhanced 99% sure, by Basic"),
        (answer(5, 0.9), answer(5, 0.8), "Both make a 5 of it; by Basic 90% sure, by Enhanced 80%"),
        (answer(5, 0.97), answer(5, 0.99), "Both make a 5 of it, about as sure"),
        (answer(5, 0.97, 0.9), answer(5, 0.99, 0.1), ""),
        (None, answer(5, 0.99), ""),
        (None, None, ""),
    ],
)
def test_the_difference_is_put_into_words(
    basic: dict[str, Any] | None, enhanced: dict[str, Any] | None, words: str
) -> None:
    said = compare_view.words(basic, enhanced)
    assert said.startswith(words)
    assert bool(said) == bool(words)


@pytest.fixture(scope="module")
def reader(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(classifier, config.Settings(), tmp_path_factory.mktemp("uploads"))


def test_the_story_is_told_with_what_the_model_reads_now(
    reader: Reader, classifier: Classifier
) -> None:
    html = compare_view.tell(reader, None, "enhanced")
    picture = compare_view.small_eight()
    for method in compare_view.METHODS:
        image = utils.to_mnist_form(picture, method)
        read = classifier.answer(image[None])[0]
        for digit in read.ranked[:3]:
            share = min(100 * read.probabilities[digit], 99.9)
            assert f"<span>{digit}</span>" in html
            assert f'<span class="bar-share">{share:.1f}%</span>' in html
    # The story's point, as long as it holds: if a model reads the small 8 well, tell another.
    shares = [
        classifier.answer(utils.to_mnist_form(picture, method)[None])[0]
        for method in ("basic", "enhanced")
    ]
    assert shares[1].digit == 8
    assert shares[1].confidence > 0.95
    assert shares[0].digit != 8 or shares[0].confidence < 0.6


def test_a_picture_without_an_answer_has_the_reason_in_its_place(reader: Reader) -> None:
    """Once if both methods give the same, else beside what the other one reads."""
    blank = compare_view.picture_url(Image.new("L", (40, 40), 255))
    html = compare_view.tell(reader, blank, "enhanced")
    assert html.count("No ink: the picture looks blank") == 1
    assert html.count('class="compare-side"') == 2  # the story's
    speck = Image.new("L", (400, 400), 255)
    speck.putpixel((200, 200), 0)
    html = compare_view.tell(reader, compare_view.picture_url(speck), "enhanced")
    assert html.count("No ink") == 1
    assert html.count('class="compare-side"') == 4


def test_without_a_picture_there_is_nothing_to_explain(reader: Reader) -> None:
    assert explain_view.NOTHING in explain_view.tell(reader, None, "enhanced")
    assert "<script>" not in explain_view.unfold.note("<script>")


def test_a_model_behind_an_api_is_explained_alike(
    reader: Reader, classifier: Classifier, tmp_path: Path
) -> None:
    eight = compare_view.picture_url(compare_view.small_eight())
    with served(create_app(classifier, config.Settings())) as url:
        remote = RemoteReader(ApiServer(url, ""), config.Settings(), tmp_path)
        for tell in (explain_view.tell, compare_view.tell):
            assert tell(remote, eight, "enhanced") == tell(reader, eight, "enhanced")
    with pytest.raises(config.ReaderError, match="does not answer"):  # which page/unfold.py shows
        explain_view.tell(remote, eight, "enhanced")
