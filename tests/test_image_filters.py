"""The filters give what the plainest way gives, whatever they leave out to be sooner."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from image_filters import (
    averaged,
    box_of,
    fitted,
    grown,
    percentiles,
    resized,
    running,
    smoothed,
)

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(height, width)).astype(np.float32)


def windows(array: np.ndarray, side: int) -> np.ndarray:
    """Return the window around each pixel, (H, W, side, side), edges repeated."""
    before, after = side // 2, side - 1 - side // 2
    edged = np.pad(array, ((before, after), (before, after)), "edge")
    return np.lib.stride_tricks.sliding_window_view(edged, (side, side))


@given(sides, sides, seeds, st.integers(1, 30))
def test_running_extremes_are_those_of_each_window(h: int, w: int, seed: int, side: int) -> None:
    grey = noise(h, w, seed)
    for array in (grey, grey > 0.9):
        for operation in (np.maximum, np.minimum):
            expected = operation.reduce(windows(array, side), axis=(2, 3))
            np.testing.assert_array_equal(running(array, side, operation), expected)


@given(sides, sides, seeds, st.just(0.0) | st.floats(0.1, 10))
def test_a_blur_short_or_long_is_a_gaussian(h: int, w: int, seed: int, deviation: float) -> None:
    array = noise(h, w, seed)
    reach = math.ceil(2.5 * deviation)
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-9)) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    expected = (windows(array, 2 * reach + 1) * kernel).sum(axis=(2, 3))
    np.testing.assert_allclose(smoothed(array, deviation), expected, atol=2e-6)


@given(sides, sides, sides, sides, seeds)
def test_resized_is_what_pillow_makes(h: int, w: int, new_h: int, new_w: int, seed: int) -> None:
    array = noise(h, w, seed)
    kind = Image.Resampling.BOX if new_h < h else Image.Resampling.BICUBIC
    expected = np.asarray(Image.fromarray(array).resize((new_w, new_h), kind)).clip(0, 1)
    np.testing.assert_allclose(resized(array, (new_h, new_w)), expected, atol=2e-6)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), seeds)
def test_a_whole_part_of_the_size_is_what_pillow_makes(
    h: int, w: int, step: int, seed: int
) -> None:
    array = noise(step * h, step * w, seed)
    expected = Image.fromarray(array).resize((w, h), Image.Resampling.BOX)
    np.testing.assert_allclose(resized(array, (h, w)), np.asarray(expected), atol=2e-6)


@settings(max_examples=25)
@pytest.mark.parametrize(
    "size", [(280, 280), (784, 784), (448, 225), (300, 300), (256, 400), (512, 7), (1000, 800)]
)
@given(
    level=st.sampled_from([0, 77, 255]),
    corners=st.lists(st.floats(-0.1, 1.1), min_size=8, max_size=8),
    seed=seeds,
)
def test_a_drawing_made_small_is_what_pillow_makes(
    size: tuple[int, int], level: int, corners: list[float], seed: int
) -> None:
    picture = Image.new("L", size, level)
    ends = [(x * size[0], y * size[1]) for x, y in zip(corners[::2], corners[1::2], strict=True)]
    ImageDraw.Draw(picture).line(ends, 255 - level, 1 + seed % 20)
    picture.putpixel((seed % size[0], seed % size[1]), seed % 256)
    height, width = fitted((size[1], size[0]), 224)
    expected = picture.resize((width, height), Image.Resampling.BOX)
    assert averaged(picture, (width, height)).tobytes() == expected.tobytes()


@given(sides, sides, seeds)
def test_grown_looks_at_the_neighbours(h: int, w: int, seed: int) -> None:
    field = np.pad(noise(h, w, seed), 2)
    for operation in (np.maximum, np.minimum):
        around = windows(field, 3)
        square = operation.reduce(around, axis=(2, 3))
        lines = around[:, :, 1, :], around[:, :, :, 1]
        cross = operation(*(operation.reduce(line, axis=2) for line in lines))
        np.testing.assert_array_equal(grown(field, operation, square=True), square)
        np.testing.assert_array_equal(grown(field, operation, square=False), cross)


@given(st.integers(1, 60), st.integers(0, 200), st.floats(0, 1), seeds)
def test_percentiles_are_numpys(length: int, zeros: int, share: float, seed: int) -> None:
    values = np.maximum(noise(1, length, seed) - np.float32(share), 0)
    wanted = (10, 25, 40, 75, 100)
    np.testing.assert_allclose(
        percentiles(values, *wanted), np.percentile(values, wanted), atol=1e-6
    )
    larger = np.append(values, np.zeros(zeros, np.float32))
    np.testing.assert_allclose(
        percentiles(values, *wanted, size=larger.size), np.percentile(larger, wanted), atol=1e-6
    )


def test_the_box_of_a_mask_is_tight() -> None:
    mask = np.zeros((7, 9), bool)
    assert box_of(mask) is None
    mask[2, 3] = mask[5, 8] = True
    assert box_of(mask) == (3, 2, 9, 6)
