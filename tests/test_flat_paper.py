"""Ink told from paper where a photo is at its worst: hard shadows, a desk around the sheet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from test_enhanced import drawn, likeness

from enhanced import enhance
from load_mnist_local import Mnist

Spoil = Callable[[np.ndarray], np.ndarray]  # brightness (H, W), 0 to 1


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    """Two of each in the test set, (20, 28, 28, 1)."""
    chosen = [np.flatnonzero(mnist.test.labels == digit)[:2] for digit in range(10)]
    return mnist.test.images[np.concatenate(chosen)]


def seen(digit: np.ndarray, spoil: Spoil | None = None) -> np.ndarray:
    """Return what comes of a digit on a page of 500x400 with some grain, spoilt or not."""
    page = np.asarray(drawn(digit, (500, 400), 160, (0.55, 0.45), 235, 40), np.float32) / 255
    page = page if spoil is None else spoil(page)
    page = page + np.random.default_rng(1).normal(0, 0.015, page.shape)
    return enhance(Image.fromarray((255 * np.clip(page, 0, 1)).astype(np.uint8)))


def shadow(left: float, lean: float) -> Spoil:
    """Darken what lies left of a sharp line that leans."""

    def spoil(page: np.ndarray) -> np.ndarray:
        y, x = np.mgrid[: page.shape[0], : page.shape[1]]
        return np.where(x < left * page.shape[1] + lean * (y - 200), 0.55, 1.0) * page

    return spoil


def strip(side: str, brightness: float) -> Spoil:
    """Let a desk be seen along one side of the picture."""

    def spoil(page: np.ndarray) -> np.ndarray:
        page = page.copy()
        place: dict[str, Any] = {"left": np.s_[:, :40], "right": np.s_[:, -40:], "top": np.s_[:30]}
        page[place[side]] = brightness
        return page

    return spoil


def desk(tilt: float, brightness: float) -> Spoil:
    """Lay the page, made smaller and turned, on a darker desk."""

    def spoil(page: np.ndarray) -> np.ndarray:
        sheet = Image.fromarray((255 * page).astype(np.uint8))
        ground = Image.new("L", (620, 520), round(255 * brightness))
        mask = Image.new("L", sheet.size, 255).rotate(tilt, expand=True)
        turned = sheet.rotate(tilt, Image.Resampling.BICUBIC, expand=True)
        ground.paste(turned, ((620 - turned.width) // 2, (520 - turned.height) // 2), mask)
        return np.asarray(ground, np.float32) / 255

    return spoil


SPOILT = {
    "a shadow beside the digit": shadow(0.3, 0.2),
    "a shadow through the digit": shadow(0.5, -0.3),
    "a desk on the left": strip("left", 0.2),
    "a light desk on the right": strip("right", 0.5),
    "a desk at the top": strip("top", 0.35),
    "a dark desk all around": desk(0, 0.15),
    "a sheet askew on a grey desk": desk(5, 0.4),
    "a sheet turned on a dark desk": desk(-8, 0.25),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPOILT)
def test_what_lies_around_and_over_the_paper_is_no_ink(name: str, digits: np.ndarray) -> None:
    found = [likeness(seen(d, SPOILT[name])[..., 0], seen(d)[..., 0]) for d in digits]
    assert np.mean(np.array(found) > 0.8) >= 0.9
    assert np.mean(found) > 0.85  # the sheet that is turned turns the digit too


@pytest.mark.parametrize("width", [20, 40])
def test_a_light_zero_with_corners_is_no_sheet_of_paper(width: int) -> None:
    board = Image.new("L", (300, 300), 20)
    ImageDraw.Draw(board).rectangle((70, 40, 230, 260), outline=230, width=width)
    image = enhance(board)[..., 0]
    assert image[:, 14].max() > 0.8
    assert image[12:16, 13:16].max() < 0.2  # its middle is empty


@pytest.mark.parametrize("level", [255, 180])
def test_light_digits_on_dark_stay_digits(level: int, digits: np.ndarray) -> None:
    for digit in digits:
        light = drawn(digit, (300, 300), 270, paper=20, ink=level)
        dark = drawn(digit, (300, 300), 270, paper=255, ink=20)
        assert likeness(enhance(light)[..., 0], enhance(dark)[..., 0]) > 0.9
