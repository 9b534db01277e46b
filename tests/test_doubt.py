"""The shipped model knows what is not one digit, and what it is less sure of.

The pictures are drawn here, by other means than training's, or made of test digits.
"""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

import config
import negatives
import strokes
import training_pool
import utils
from classifier import Classifier
from enhanced import NoInk
from load_mnist_local import Mnist

pytestmark = pytest.mark.slow

# Capital letters that no hand makes look like a digit, as strokes in hundredths of the page.
LETTERS = {
    "A": ("20,85 50,15 80,85", "32,60 68,60"),
    "E": ("70,15 30,15 30,85 70,85", "30,50 62,50"),
    "F": ("30,85 30,15 72,15", "30,48 62,48"),
    "H": ("28,15 28,85", "72,15 72,85", "28,50 72,50"),
    "K": ("30,15 30,85", "72,15 30,52 74,85"),
    "M": ("18,85 26,15 50,62 74,15 82,85",),
    "N": ("25,85 25,15 75,85 75,15",),
    "R": ("30,85 30,15 62,15 70,32 60,48 30,50 72,85",),
    "W": ("14,15 32,85 50,35 68,85 86,15",),
    "X": ("25,15 75,85", "75,15 25,85"),
    "&": ("76,85 32,32 44,15 58,30 28,62 40,84 62,80 78,54",),
    "#": ("38,15 32,85", "68,15 62,85", "18,38 84,38", "16,62 82,62"),
}


def written(lines: tuple[str, ...], width: int, tilt: float) -> Image.Image:
    """Write a letter with straight strokes on a page of 300 pixels, black on white."""
    page = Image.new("L", (300, 300), 255)
    brush = ImageDraw.Draw(page)
    for line in lines:
        brush.line([(3 * x, 3 * y) for x, y in 100 * strokes.points(line)], 0, width, "curve")
    return page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=255)


def is_digit(classifier: Classifier, pictures: list[Image.Image]) -> np.ndarray:
    """Return what the model says, (N,) in [0, 1]; a picture without ink is no digit."""
    images = []
    for picture in pictures:
        try:
            images.append(utils.to_mnist_form(picture))
        except NoInk:
            continue
    said = classifier.outputs(np.stack(images)).is_digit
    assert said is not None
    return np.concatenate([said, np.zeros(len(pictures) - len(images), np.float32)])


def accepted(classifier: Classifier, pictures: list[Image.Image]) -> float:
    return float(np.mean(is_digit(classifier, pictures) >= config.IS_DIGIT_THRESHOLD))


def test_letters_are_no_digits(classifier: Classifier) -> None:
    pictures = [
        written(lines, width, tilt)
        for lines in LETTERS.values()
        for width in (4, 12, 24)
        for tilt in (-8, 0, 8)
    ]
    assert accepted(classifier, pictures) <= 0.1


def test_scribbles_noise_and_shapes_are_no_digits(classifier: Classifier) -> None:
    rng = np.random.default_rng(5)
    pictures = []
    for _ in range(30):
        scribble = Image.new("L", (200, 200), 255)
        points = [tuple(point) for point in rng.uniform(20, 180, (25, 2))]
        ImageDraw.Draw(scribble).line(points, 0, 5, "curve")
        noise = Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8))
        shape = Image.new("L", (100, 100), 255)
        corners = [tuple(point) for point in rng.uniform(10, 90, (4, 2))]
        ImageDraw.Draw(shape).polygon(corners, fill=0)
        pictures += [scribble, noise, shape]
    assert accepted(classifier, pictures) <= 0.1


@pytest.mark.parametrize("gap", [-4, 0, 4, 12])
def test_two_digits_are_not_one(classifier: Classifier, mnist: Mnist, gap: int) -> None:
    """Near or apart, they are seen together: neither is read as if it were alone."""
    pictures = []
    for left, right in zip(mnist.test.images[:100], mnist.test.images[100:200], strict=True):
        page = np.zeros((44, 60 + gap))
        page[8:36, 8:28] = left[:, 4:24, 0]
        second = page[8:36, 28 + gap : 48 + gap]
        np.maximum(second, right[:, 4:24, 0], out=second)
        pictures.append(Image.fromarray(np.rint(255 * page).astype(np.uint8)))
    assert accepted(classifier, pictures) <= 0.15


def test_test_digits_are_digits(classifier: Classifier, mnist: Mnist) -> None:
    said = classifier.outputs(mnist.test.images[:2000]).is_digit
    assert said is not None
    assert np.mean(said < config.IS_DIGIT_THRESHOLD) <= 0.005


def test_what_training_calls_no_digit_is_turned_away_when_made_of_test_digits(
    classifier: Classifier, mnist: Mnist
) -> None:
    digits = training_pool.structured(mnist.test)[:500]
    rng = np.random.default_rng(7)
    pictures = [training_pool.sample("none", digits[0], digits, rng)[0] for _ in range(150)]
    assert accepted(classifier, pictures) <= 0.15


def test_a_scribble_is_not_called_a_sure_digit(classifier: Classifier) -> None:
    rng = np.random.default_rng(9)
    inks = [negatives.doodle(np.empty(0), rng) for _ in range(60)]
    images = np.stack([utils.to_mnist_form(ImageOps.expand(ink, 20)) for ink in inks])
    assert np.mean(classifier.probabilities(images).max(axis=1) >= 0.9) <= 0.1


def test_digits_written_in_other_peoples_shapes_are_read(classifier: Classifier) -> None:
    rng = np.random.default_rng(11)
    labels = np.arange(300) % 10
    inks = [strokes.draw(strokes.digit(int(d), rng), 80, strokes.Pen(0.1), rng) for d in labels]
    images = np.stack([utils.to_mnist_form(ImageOps.expand(ink, 20)) for ink in inks])
    assert np.mean(classifier.probabilities(images).argmax(axis=1) == labels) >= 0.97
