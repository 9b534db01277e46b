"""Composed pictures: as different as people's, and still the digit they were made from."""

import io
from pathlib import Path

import make_pictures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import config
import load_mnist_local
import paper
import utils
from ink_parts import connected_parts

COMPOSED = sorted(set(paper.CONDITIONS) - {"test set"})
UNEVEN_LIGHT = (
    "shaded paper",
    "hard shadow",
    "photo",
)  # where `enhanced` may take some shadow for ink
PICTURES = Path(__file__).parent / "pictures"


def _test_digits() -> np.ndarray:
    raw = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    return load_mnist_local.to_images(raw[:200])


DIGITS = _test_digits()
conditions = st.sampled_from(COMPOSED)
digits = st.integers(0, len(DIGITS) - 1)
seeds = st.integers(0, 2**32 - 1)


def composed(condition: str, digit: int, seed: int) -> Image.Image:
    return paper.CONDITIONS[condition](DIGITS[digit], np.random.default_rng(seed))


def likeness(image: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two images (28, 28, 1), at the best shift of up to a pixel."""
    shifts = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    return max(
        float(np.corrcoef(np.roll(image, shift, (0, 1)).ravel(), other.ravel())[0, 1])
        for shift in shifts
    )


def test_the_conditions_of_the_design_are_there() -> None:
    named = "test set,moved,scaled,inverted,thinned,thickened,noisy paper,shaded paper"
    assert set(named.split(",")) <= set(paper.CONDITIONS)


def test_the_test_set_is_the_digit_itself() -> None:
    picture = paper.CONDITIONS["test set"](DIGITS[0], np.random.default_rng(1))
    assert np.array_equal(utils.to_mnist_form(picture, "none"), DIGITS[0])


@settings(max_examples=60)
@given(conditions, digits, seeds)
def test_every_picture_is_grey_and_200_to_1000_pixels_a_side(
    condition: str, digit: int, seed: int
) -> None:
    picture = composed(condition, digit, seed)
    assert picture.mode == "L"
    assert min(picture.size) >= paper.SMALLEST_SHEET == 200
    # A desk comes on top, on both sides of the sheet.
    most = 1.4 if condition == "on a desk" else 1.0
    assert max(picture.size) <= most * paper.LARGEST_SHEET == most * 1000


@settings(max_examples=30)
@given(conditions, digits, seeds)
def test_the_same_seed_makes_the_same_picture_and_another_another(
    condition: str, digit: int, seed: int
) -> None:
    picture = composed(condition, digit, seed)
    assert picture.tobytes() == composed(condition, digit, seed).tobytes()
    assert picture.tobytes() != composed(condition, digit, seed + 1).tobytes()


@settings(max_examples=40)
@given(st.sampled_from(["moved", "scaled", "inverted", "thinned", "thickened"]), digits, seeds)
def test_no_digit_is_cut_by_the_edge(condition: str, digit: int, seed: int) -> None:
    pixels = np.asarray(composed(condition, digit, seed))
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert np.ptp(rim) == 0, "ink at the edge"
    assert np.ptp(pixels) > 100, "no ink to be seen"


@pytest.mark.slow
@pytest.mark.parametrize("condition", sorted(set(paper.CONDITIONS) - set(UNEVEN_LIGHT)))
def test_enhanced_brings_the_digit_back(condition: str) -> None:
    found = [
        likeness(utils.to_mnist_form(composed(condition, digit, digit)), DIGITS[digit])
        for digit in range(20)
    ]
    assert min(found) > 0.7
    assert np.mean(found) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("condition", UNEVEN_LIGHT)
def test_enhanced_brings_most_digits_back_from_uneven_light(condition: str) -> None:
    found = [
        likeness(utils.to_mnist_form(composed(condition, digit, digit)), DIGITS[digit]) > 0.6
        for digit in range(40)
    ]
    assert np.mean(found) > 0.85


def test_inverted_is_light_on_dark() -> None:
    for digit in range(10):
        pixels = np.asarray(composed("inverted", digit, digit))
        assert pixels[0, 0] < 64
        assert pixels.max() > 180


def inked(pen: int, digit: int) -> np.ndarray:
    """Return where there is ink (300, 300), the digit drawn by a finer or broader pen."""
    scene = paper.Scene(size=(0.8, 0.8), pen=pen)
    picture = paper.compose(scene, DIGITS[digit], np.random.default_rng(1), (300, 300))
    return np.asarray(picture) < 128


@pytest.mark.parametrize("digit", range(0, 60, 6))
def test_the_pen_thins_and_thickens_and_never_cuts_a_stroke(digit: int) -> None:
    thin, plain, thick = (inked(pen, digit) for pen in (-3, 0, 2))
    assert thin.sum() < 0.8 * plain.sum()
    assert thick.sum() > 1.15 * plain.sum()

    def pieces(ink: np.ndarray) -> int:
        return len(connected_parts(ink, ink.astype(np.float32))[1])

    assert pieces(thin) == pieces(plain)


def test_noise_and_shade_do_what_their_names_say() -> None:
    def corner(condition: str, seed: int) -> np.ndarray:
        return np.asarray(composed(condition, 0, seed), np.float32)[:12, :12]

    noise = [corner("noisy paper", seed).std() for seed in range(10)]
    assert min(noise) > 4 > max(corner("shaded paper", seed).std() for seed in range(10))
    for seed in range(10):
        sheet = np.asarray(composed("shaded paper", 0, seed))
        corners = [int(sheet[y, x]) for y in (0, -1) for x in (0, -1)]
        assert max(corners) - min(corners) > 25, "the light is even"


def test_an_image_without_ink_is_refused() -> None:
    with pytest.raises(ValueError, match="no ink"):
        paper.CONDITIONS["moved"](np.zeros((28, 28, 1), np.float32), np.random.default_rng(1))


def test_the_stored_pictures_are_what_the_script_makes() -> None:
    made = make_pictures.make_pictures()
    assert set(made) == {file.name for file in PICTURES.iterdir()}
    for name, content in made.items():
        stored, anew = Image.open(PICTURES / name), Image.open(io.BytesIO(content))
        assert (stored.mode, stored.size) == (anew.mode, anew.size), name
        stored_pixels = np.asarray(utils.decode(stored), np.float32)
        # Versions of Pillow round differently, by a grey level or two.
        assert np.abs(stored_pixels - np.asarray(utils.decode(anew), np.float32)).mean() < 2, name


@pytest.mark.parametrize("name", sorted(file.name for file in PICTURES.iterdir()))
def test_each_stored_picture_shows_its_digit(name: str) -> None:
    picture = utils.decode(PICTURES / name)
    if name == "blank.png":
        with pytest.raises(config.ReaderError, match="no ink"):
            utils.to_mnist_form(picture)
        return
    word = name.partition(".")[0].partition("_")[0]
    digit = make_pictures.NAMES.index(word) if word in make_pictures.NAMES else 8
    raw = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    original = load_mnist_local.to_images(raw[[make_pictures.CHOSEN[digit]]])[0]
    assert likeness(utils.to_mnist_form(picture), original) > 0.7
