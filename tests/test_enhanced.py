"""The enhanced method: one digit comes out the same however a person drew and sent it."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

import enhanced
from enhanced import FIELD, THICKEST_STROKE, THINNEST_STROKE, NoInk, enhance, stroke_width
from load_mnist_local import Mnist
from utils import decode, to_mnist_form

Place = tuple[float, float]  # across and down, 0-1 of the room that is left


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    """The first of each in the test set, (10, 28, 28, 1)."""
    firsts = [np.flatnonzero(mnist.test.labels == digit)[0] for digit in range(10)]
    return mnist.test.images[firsts]


def drawn(
    image: np.ndarray,
    canvas: int | tuple[int, int],
    side: float,
    place: Place = (0.5, 0.5),
    paper: int = 255,
    ink: int = 0,
) -> Image.Image:
    """Draw an MNIST digit on a page; side: of its longer side in pixels. Mode L."""
    rows, columns = np.nonzero(image[..., 0] > 0.1)
    cut = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    strokes = Image.fromarray((cut * 255).astype(np.uint8))
    factor = side / max(cut.shape)
    size = (max(1, round(strokes.width * factor)), max(1, round(strokes.height * factor)))
    strokes = strokes.resize(size, Image.Resampling.BICUBIC)
    page = Image.new("L", canvas if isinstance(canvas, tuple) else (canvas, canvas), paper)
    across, down = page.width - strokes.width, page.height - strokes.height
    inked = Image.new("L", strokes.size, ink)
    page.paste(inked, (round(place[0] * across), round(place[1] * down)), strokes)
    return page


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the best correlation of two images when one is moved by a pixel at most."""
    return max(
        float(np.corrcoef(np.roll(first, (down, across), (0, 1)).ravel(), second.ravel())[0, 1])
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    )


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    return np.argwhere(image[..., 0] > -1).T @ image.ravel() / image.sum()


def longer_side(image: np.ndarray) -> int:
    return int(max(np.ptp(index) for index in np.nonzero(image[..., 0] > 0.1))) + 1


def assert_comes_out_as(images: np.ndarray, digits: np.ndarray, mean: float = 0.93) -> None:
    """Check the form of enhanced images, and that they look like the digits they were."""
    for image in images:
        assert image.shape == (28, 28, 1)
        assert image.max() > 0.9
        assert np.abs(centre_of_mass(image) - 14).max() < 0.3
        assert 19 <= longer_side(image) <= 21
    found = [likeness(*pair) for pair in zip(images[..., 0], digits[..., 0], strict=True)]
    assert min(found) > 0.8
    assert np.mean(found) > mean


def assert_survives(digits: np.ndarray, send: Callable[[np.ndarray], Image.Image]) -> None:
    assert_comes_out_as(np.stack([enhance(send(digit)) for digit in digits]), digits)


def test_a_test_digit_passes_nearly_unchanged(digits: np.ndarray) -> None:
    pictures = [Image.fromarray((digit[..., 0] * 255).astype(np.uint8)) for digit in digits]
    assert_comes_out_as(np.stack([enhance(picture) for picture in pictures]), digits, mean=0.95)


@pytest.mark.parametrize("canvas", [28, 40, 64, 150, 280, 600, 2000])
def test_the_canvas_may_have_any_size(digits: np.ndarray, canvas: int) -> None:
    assert_survives(digits, lambda digit: drawn(digit, canvas, max(18, 0.5 * canvas)))


@pytest.mark.parametrize("canvas", [(400, 120), (90, 500), (1600, 700)])
def test_the_canvas_may_have_any_shape(digits: np.ndarray, canvas: tuple[int, int]) -> None:
    assert_survives(digits, lambda digit: drawn(digit, canvas, 0.7 * min(canvas), (0.4, 0.6)))


@pytest.mark.parametrize("place", [(0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.9, 0.9)])
def test_the_digit_may_be_anywhere(digits: np.ndarray, place: Place) -> None:
    assert_survives(digits, lambda digit: drawn(digit, 300, 120, place))


@pytest.mark.parametrize("share", [0.1, 0.15, 0.25, 0.6, 0.95])
def test_the_digit_may_be_small_or_large(digits: np.ndarray, share: float) -> None:
    assert_survives(digits, lambda digit: drawn(digit, 600, share * 600, (0.3, 0.6)))


@pytest.mark.parametrize(
    ("paper", "ink"), [(0, 255), (255, 60), (200, 90), (60, 200), (128, 40), (230, 150)]
)
def test_paper_and_ink_may_have_any_brightness(digits: np.ndarray, paper: int, ink: int) -> None:
    assert_survives(digits, lambda digit: drawn(digit, 300, 150, (0.3, 0.6), paper, ink))


def test_an_inverted_picture_comes_out_the_same(digits: np.ndarray) -> None:
    for digit in digits:
        picture = drawn(digit, 200, 110, (0.4, 0.3))
        inverted = picture.point(lambda level: 255 - level)
        np.testing.assert_allclose(enhance(picture), enhance(inverted), atol=0.02)


@pytest.mark.parametrize(
    ("paper", "ink"),
    [
        ((255, 255, 255), (255, 230, 0)),  # yellow on white
        ((255, 0, 0), (0, 0, 255)),  # blue on red
        ((0, 120, 0), (230, 40, 40)),  # red on green
    ],
)
def test_colours_of_like_brightness_are_told_apart(
    digits: np.ndarray, paper: tuple[int, int, int], ink: tuple[int, int, int]
) -> None:
    def send(digit: np.ndarray) -> np.ndarray:
        strokes = drawn(digit, 200, 110, paper=0, ink=255)
        picture = Image.composite(
            Image.new("RGB", strokes.size, ink), Image.new("RGB", strokes.size, paper), strokes
        )
        return to_mnist_form(picture, "enhanced")

    assert_comes_out_as(np.stack([send(digit) for digit in digits]), digits)


@pytest.mark.parametrize("level", [0, 255])
def test_ink_of_either_kind_on_a_transparent_canvas_is_read(digits: np.ndarray, level: int) -> None:
    def send(digit: np.ndarray) -> Image.Image:
        canvas = Image.new("LA", (300, 300), (level, 0))
        canvas.putalpha(drawn(digit, 300, 150, paper=0, ink=255))
        return decode(canvas).convert("L")

    assert_survives(digits, send)


def light(kind: str, darkest: float, side: int) -> np.ndarray:
    """Return uneven light on a page, (side, side), from `darkest` to 1."""
    across = np.linspace(0, 1, side)
    ramps = {
        "from the side": np.broadcast_to(across, (side, side)),
        "from a corner": (across + across[:, None]) / 2,
        "soft shadow": np.broadcast_to(1 / (1 + np.exp((0.5 - across) / 0.1)), (side, side)),
    }
    return darkest + (1 - darkest) * ramps[kind]


def under(picture: Image.Image, lit: np.ndarray, noise: float = 0.0) -> Image.Image:
    pixels = np.asarray(picture, float) * lit
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


LIGHTS = ("from the side", "from a corner", "soft shadow")


@pytest.mark.parametrize("kind", LIGHTS)
@pytest.mark.parametrize("noise", [0, 6])
def test_uneven_light_is_taken_out(digits: np.ndarray, kind: str, noise: float) -> None:
    lit = light(kind, 0.45, 300)
    page = [drawn(digit, 300, 150, (0.3, 0.6), paper=235, ink=30) for digit in digits]
    assert_comes_out_as(np.stack([enhance(under(p, lit, noise)) for p in page]), digits)


@pytest.mark.parametrize("kind", LIGHTS)
@pytest.mark.parametrize("darkest", [0.6, 0.8, 0.9])
@pytest.mark.parametrize("side", [64, 200, 600])
def test_a_blank_page_under_uneven_light_has_no_ink(kind: str, darkest: float, side: int) -> None:
    page = under(Image.new("L", (side, side), 240), light(kind, darkest, side))
    with pytest.raises(NoInk):
        enhance(page)


@pytest.mark.parametrize("level", [20, 128, 250])
@pytest.mark.parametrize(
    ("side", "noise"),
    [(28, 0.5), (28, 1.0), *((side, noise) for side in (100, 200, 400) for noise in (0.5, 1, 2))],
)
def test_a_blank_page_with_faint_grain_has_no_ink(level: int, side: int, noise: float) -> None:
    for seed in range(5):
        grain = np.random.default_rng(seed).normal(level, noise, (side, side))
        with pytest.raises(NoInk):
            enhance(Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)))


def test_specks_are_dropped(digits: np.ndarray) -> None:
    def send(digit: np.ndarray) -> Image.Image:
        pixels = np.array(drawn(digit, 300, 150))
        places = np.random.default_rng(1).integers(0, 297, (10, 2))
        for y, x in places:
            pixels[y : y + 3, x : x + 3] = 0
        return Image.fromarray(pixels)

    assert_survives(digits, send)


def test_a_second_mark_far_away_is_dropped(digits: np.ndarray) -> None:
    for digit in digits:
        alone = drawn(digit, 300, 120, (0.3, 0.3))
        pair = alone.copy()
        pair.paste(0, (262, 272, 285, 288))
        assert likeness(enhance(pair)[..., 0], enhance(alone)[..., 0]) > 0.98


def test_a_broken_stroke_is_kept(digits: np.ndarray) -> None:
    for digit in digits:
        page = drawn(digit, 300, 160)
        page.paste(255, (0, 146, 300, 154))  # the pen skipped
        image = enhance(page)
        assert longer_side(image) >= 19
        assert likeness(image[..., 0], digit[..., 0]) > 0.7


def hook(canvas: int, width: int) -> Image.Image:
    """A seven drawn with lines of this width in pixels."""
    page = Image.new("L", (canvas, canvas), 255)
    points = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]
    line = [(x * canvas, y * canvas) for x, y in points]
    ImageDraw.Draw(page).line(line, fill=0, width=width, joint="curve")
    return page


def width_of(image: np.ndarray) -> float:
    """Estimate the stroke's width of an image in MNIST form, in pixels of 28."""
    fine = Image.fromarray(image[..., 0]).resize((FIELD, FIELD), Image.Resampling.BICUBIC)
    return stroke_width(np.asarray(fine)) / enhanced.FINE


@pytest.mark.parametrize(
    ("canvas", "width"), [(400, 1), (400, 3), (1500, 3), (400, 30), (400, 70), (100, 20)]
)
def test_any_pen_comes_out_as_wide_as_mnists(mnist: Mnist, canvas: int, width: int) -> None:
    thinnest, widest = np.percentile([width_of(i) for i in mnist.train.images[:500]], (1, 99))
    image = enhance(hook(canvas, width))
    assert thinnest < width_of(image) < 1.2 * widest
    assert image.max() > 0.9
    assert longer_side(image) <= 21


def test_thin_thick_and_fitting_pens_draw_the_same_digit() -> None:
    fitting = enhance(hook(400, 24))[..., 0]
    for width in (1, 2, 5, 40, 60):
        assert likeness(enhance(hook(400, width))[..., 0], fitting) > 0.65


def test_the_stroke_of_mnists_digits_is_within_the_bounds(mnist: Mnist) -> None:
    """So that mending leaves most of them alone."""
    widths = np.array([enhanced.FINE * width_of(image) for image in mnist.train.images[:500]])
    assert np.mean((widths > THINNEST_STROKE) & (widths < THICKEST_STROKE)) > 0.8


def test_a_filled_page_corner_to_corner_is_still_in_form() -> None:
    page = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(page).line([(0, 0), (199, 199)], fill=0, width=30)
    image = enhance(page)
    assert np.abs(centre_of_mass(image) - 14).max() < 0.6
