"""Filters of grey arrays (H, W): scaled, blurred, and the running extremes of morphology."""

import numpy as np
from PIL import Image


def fitted(shape: tuple[int, ...], side: int, enlarge: bool = False) -> tuple[int, int]:
    """Return the (height, width) of a shape scaled to a longer side of at most `side`."""
    factor = side / max(shape)
    if factor >= 1.0 and not enlarge:
        return shape[0], shape[1]
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def resized(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scale (H, W) float32 to another shape: averaging when smaller, cubic when larger."""
    if array.shape == tuple(shape):
        return array
    smaller = shape[0] < array.shape[0]
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    picture = Image.fromarray(np.ascontiguousarray(array, np.float32))
    return np.clip(np.asarray(picture.resize((shape[1], shape[0]), kind)), 0.0, 1.0)


def smoothed(array: np.ndarray, deviation: float) -> np.ndarray:
    """Blur (H, W) by a Gaussian of this standard deviation in pixels; edges are repeated."""
    reach = int(np.ceil(2.5 * deviation))
    if reach < 1:
        return array
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for _ in (0, 1):  # down, then, turned over, across
        edged = extended(array, reach, reach).T
        # All lines in one go: where one runs into the next is cut off with the repeated edges.
        blurred = np.convolve(edged.ravel(), kernel, "same").reshape(edged.shape)
        array = blurred[:, reach:-reach]
    return array


def running(array: np.ndarray, side: int, operation: np.ufunc) -> np.ndarray:
    """Take the maximum or minimum over a square window of an odd or even side; edges repeated."""
    before = side // 2
    for _ in (0, 1):  # down, then, turned over, across
        array, done = extended(array, before, side - 1 - before), 1
        while done < side:  # two windows of `done` rows make one of up to twice as many
            step = min(done, side - done)
            array, done = operation(array[:-step], array[step:]), done + step
        array = array.T
    return array


def cross(array: np.ndarray, operation: np.ufunc) -> np.ndarray:
    """Take the maximum or minimum over each pixel and its four neighbours."""
    result = array.copy()
    for turned, source in ((result, array), (result.T, array.T)):
        operation(turned[1:], source[:-1], out=turned[1:])
        operation(turned[:-1], source[1:], out=turned[:-1])
    return result


def extended(array: np.ndarray, before: int, after: int) -> np.ndarray:
    """Repeat the first and the last row of (H, W) this many times."""
    edged = np.empty((before + len(array) + after, array.shape[1]), array.dtype)
    edged[:before], edged[before + len(array) :] = array[0], array[-1]
    edged[before : before + len(array)] = array
    return edged


def percentiles(array: np.ndarray, *percents: float) -> list[float]:
    """Return what np.percentile would, sooner: it takes its time for small arrays."""
    places = np.array(percents) / 100 * (array.size - 1)
    below = places.astype(int)
    above = np.minimum(below + 1, array.size - 1)
    ordered = np.partition(array, np.concatenate([below, above]), axis=None)
    low, high = ordered[below], ordered[above]
    return [float(level) for level in low + (high - low) * (places - below)]
