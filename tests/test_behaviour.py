"""The shipped model through the picture path, metamorphic: what must not change the answer.

Each test sends the same test digits twice, plainly and changed in one way that a person would
not mind, and bounds the share of them whose answer changes. The bounds are the promise: at most
one digit in a hundred, or two where the change comes near to making another digit of some.
"""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

import paper
import utils
from classifier import Classifier
from load_mnist_local import Mnist

DIGITS = 75
pytestmark = pytest.mark.slow
Change = Callable[[Image.Image], Image.Image]


def plain(image: np.ndarray, side: int = 140) -> Image.Image:
    """Draw a digit in MNIST form, black on white, as wide as the page."""
    ink = Image.fromarray(np.rint(255 * image[..., 0]).astype(np.uint8))
    return ImageOps.invert(ink.resize((side, side), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    chosen = np.random.default_rng(7).permutation(len(mnist.test))[:DIGITS]
    return mnist.test.images[chosen]


def answers(classifier: Classifier, pictures: list[Image.Image]) -> np.ndarray:
    images = np.stack([utils.to_mnist_form(utils.decode(picture)) for picture in pictures])
    return classifier.probabilities(images).argmax(axis=1)


@pytest.fixture(scope="module")
def plainly(classifier: Classifier, digits: np.ndarray) -> np.ndarray:
    return answers(classifier, [plain(digit) for digit in digits])


def moved(picture: Image.Image) -> Image.Image:
    page = Image.new("L", (250, 200), 255)
    page.paste(picture, (102, 8))
    return page


def turned(degrees: float) -> Change:
    def turn(picture: Image.Image) -> Image.Image:
        roomy = ImageOps.expand(picture, 30, 255)
        return roomy.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)

    return turn


def jpeg(quality: int) -> Change:
    def compress(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return utils.decode(file.getvalue())

    return compress


def coloured(ink: tuple[int, int, int], page: tuple[int, int, int]) -> Change:
    def colour(picture: Image.Image) -> Image.Image:
        return ImageOps.colorize(picture, ink, page)

    return colour


def resized(side: int) -> Change:
    def resize(picture: Image.Image) -> Image.Image:
        return picture.resize((side, side), Image.Resampling.LANCZOS)

    return resize


def on_paper(darkest: int, lightest: int) -> Change:
    def shade(picture: Image.Image) -> Image.Image:
        return picture.point(lambda level: round(darkest + (lightest - darkest) * level / 255))

    return shade


CHANGES: dict[str, tuple[Change, float]] = {
    "moved": (moved, 0.01),
    "light on dark": (ImageOps.invert, 0.01),
    "turned 12 degrees left": (turned(12), 0.02),
    "turned 12 degrees right": (turned(-12), 0.02),
    "thinner": (lambda p: p.filter(ImageFilter.MaxFilter(5)), 0.02),
    "thicker": (lambda p: p.filter(ImageFilter.MinFilter(5)), 0.02),
    "28 pixels": (resized(28), 0.01),
    "60 pixels": (resized(60), 0.01),
    "1200 pixels": (resized(1200), 0.01),
    "JPEG of quality 15": (jpeg(15), 0.01),
    "JPEG of quality 50": (jpeg(50), 0.01),
    "grey paper": (on_paper(20, 150), 0.01),
    "pencil": (on_paper(150, 235), 0.01),
    "chalk on a board": (lambda p: on_paper(40, 200)(ImageOps.invert(p)), 0.01),
    "blue ink": (coloured((20, 30, 160), (250, 248, 240)), 0.01),
    "red ink": (coloured((200, 20, 20), (255, 255, 255)), 0.01),
    "yellow on white": (coloured((255, 230, 60), (255, 255, 255)), 0.01),
    "green on black": (coloured((40, 200, 60), (0, 0, 0)), 0.01),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_person_would_not_mind_hardly_changes_an_answer(
    name: str, classifier: Classifier, digits: np.ndarray, plainly: np.ndarray
) -> None:
    change, most = CHANGES[name]
    changed = answers(classifier, [change(plain(digit)) for digit in digits])
    assert np.mean(changed != plainly) <= most


@pytest.mark.parametrize("condition", [name for name in paper.CONDITIONS if name != "test set"])
def test_digits_on_paper_are_read_as_they_are_on_a_plain_page(
    condition: str, classifier: Classifier, digits: np.ndarray, plainly: np.ndarray
) -> None:
    pictures = [
        paper.CONDITIONS[condition](digit, np.random.default_rng(number))
        for number, digit in enumerate(digits)
    ]
    # Where the edge of a shadow crosses the digit, some of it may be taken for a stroke.
    most = {"hard shadow": 0.08, "on a desk": 0.03}.get(condition, 0.02)
    assert np.mean(answers(classifier, pictures) != plainly) <= most


def test_the_answer_is_surer_of_a_whole_digit_than_of_half_of_one(
    classifier: Classifier, digits: np.ndarray
) -> None:
    def sureness(pictures: list[Image.Image]) -> float:
        images = np.stack([utils.to_mnist_form(picture) for picture in pictures])
        return float(classifier.probabilities(images).max(axis=1).mean())

    whole = [plain(digit) for digit in digits]
    halves = [picture.crop((0, 0, 140, 70)) for picture in whole]
    assert sureness(halves) < sureness(whole) - 0.05
