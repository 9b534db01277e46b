"""Filters of grey arrays (H, W): scaled, blurred, and the running extremes of morphology.

Linear filters of small arrays are two matrix products, rows @ array @ columns.T: the matrices
are kept, and a product of this size takes less time than the calls that would do without it.
"""

import functools
import math

import numpy as np
from PIL import Image

SMALL_PRODUCT = 2**18  # multiplications of matrices: OpenBLAS starts more threads for larger ones
LONG_BLUR = 5  # pixels of reach: shorter is sooner as a sum of shifted copies


def fitted(shape: tuple[int, ...], side: int, enlarge: bool = False) -> tuple[int, int]:
    """Return the (height, width) of a shape scaled to a longer side of at most `side`."""
    factor = side / max(shape)
    if factor >= 1.0 and not enlarge:
        return shape[0], shape[1]
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def pixels_of(grey: Image.Image) -> np.ndarray:
    """Return the levels (H, W) uint8 of a picture of mode L, not to be written to."""
    return np.frombuffer(grey.tobytes(), np.uint8).reshape(grey.height, grey.width)


def averaged(grey: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale a picture (mode L) down to (width, height), as resize by averaging does.

    Paper of one level stays as it is: only the box that holds all else is scaled.
    """
    across, down = _meeting(grey.width, size[0]), _meeting(grey.height, size[1])
    pixels = pixels_of(grey)
    paper = pixels[0, 0]
    rim = pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]
    if not across or not down or any((line != paper).any() for line in rim):
        return grey.resize(size, Image.Resampling.BOX)
    page = Image.new("L", size, int(paper))
    if box := box_of(pixels != paper):
        # Out to where pixels of both sizes meet, so that they are cut as those of the whole.
        left, top = box[0] // across[0], box[1] // down[0]
        right, bottom = -(-box[2] // across[0]), -(-box[3] // down[0])
        part = (right - left) * across[1], (bottom - top) * down[1]
        box = left * across[0], top * down[0], right * across[0], bottom * down[0]
        scaled = grey.resize(part, Image.Resampling.BOX, box)
        page.paste(scaled, (left * across[1], top * down[1]))
    return page


def _meeting(large: int, small: int) -> tuple[int, int] | None:
    """Return after how many pixels of one size, and of the other, their edges meet again.

    None where an edge may fall into the middle of a pixel and rounding would decide.
    """
    common = math.gcd(large, small)
    step, smaller = large // common, small // common
    exact = smaller % 2 == 1 or smaller & (smaller - 1) == 0
    return (step, smaller) if exact else None


def resized(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scale (H, W) float32 to another shape: averaging when smaller, cubic when larger."""
    (height, width), (new_height, new_width) = array.shape, shape
    if (height, width) == (new_height, new_width):
        return array
    smaller, whole = new_height < height, (height // new_height, width // new_width)
    if smaller and whole[0] == whole[1] and shape == (height / whole[0], width / whole[0]):
        return _averaged(array, whole[0])
    small = height * new_height * new_width <= SMALL_PRODUCT
    if small and new_height >= height and new_width >= width:
        wide = array @ _cubic(width, new_width).T
        return (_cubic(height, new_height) @ wide).clip(0.0, 1.0)
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    picture = Image.fromarray(np.ascontiguousarray(array, np.float32))
    return np.asarray(picture.resize((new_width, new_height), kind)).clip(0.0, 1.0)


def _averaged(array: np.ndarray, step: int) -> np.ndarray:
    """Return the mean of each square of `step` by `step` pixels."""
    rows = functools.reduce(np.add, (array[start::step] for start in range(step)))
    squares = functools.reduce(np.add, (rows[:, start::step] for start in range(step)))
    return squares / step**2


@functools.lru_cache(128)
def _cubic(length: int, longer: int) -> np.ndarray:
    """Return the matrix (longer, length) that enlarges as Pillow does, by cubics (Keys 1981)."""
    centres = (np.arange(longer) + 0.5) * (length / longer) - 0.5
    x = np.abs(np.arange(length) - centres[:, None])
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def smoothed(array: np.ndarray, deviation: float) -> np.ndarray:
    """Blur (H, W) float32 by a Gaussian of this deviation in pixels; edges are repeated."""
    reach = blur_reach(deviation)
    if reach < 1:
        return array
    height, width = array.shape
    if reach > LONG_BLUR:
        return _blur(height, deviation) @ array @ _blur(width, deviation).T
    kernel = _gaussian(deviation).tolist()
    edged = framed(array, reach, reach)
    down = _weighed(edged.ravel(), kernel, edged.shape[1])
    return _lines(_weighed(down, kernel, 1), array.shape, edged.shape[1])


def blur_reach(deviation: float) -> int:
    """Return how many pixels to either side a blur takes in."""
    return math.ceil(2.5 * deviation)


def _weighed(flat: np.ndarray, kernel: list[float], step: int) -> np.ndarray:
    """Return the sums of (N,) values `step` apart, weighed by a symmetrical kernel."""
    reach = len(kernel) // 2
    length = len(flat) - 2 * reach * step
    total = kernel[reach] * flat[reach * step :][:length]
    for place in range(reach):
        pair = flat[place * step :][:length] + flat[(2 * reach - place) * step :][:length]
        total += np.multiply(pair, kernel[place], out=pair)
    return total


@functools.lru_cache(128)
def _gaussian(deviation: float) -> np.ndarray:
    """Return the weights (2 * reach + 1,) of a Gaussian cut off at 2.5 deviations."""
    reach = blur_reach(deviation)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)


@functools.lru_cache(128)
def _blur(length: int, deviation: float) -> np.ndarray:
    """Return the matrix (length, length) that blurs a line; what lies beyond repeats its ends."""
    kernel = _gaussian(deviation)
    reach = len(kernel) // 2
    rows, shifts = np.mgrid[:length, -reach : reach + 1]
    matrix = np.zeros((length, length), np.float32)
    np.add.at(matrix, (rows, np.clip(rows + shifts, 0, length - 1)), kernel)
    return matrix


def running(array: np.ndarray, side: int, operation: np.ufunc) -> np.ndarray:
    """Take the maximum or minimum over a square window of an odd or even side; edges repeated."""
    edged = framed(array, side // 2, side - 1 - side // 2)
    down = extremes(edged.ravel(), side, edged.shape[1], operation)
    return _lines(extremes(down, side, 1, operation), array.shape, edged.shape[1])


def extremes(flat: np.ndarray, side: int, step: int, operation: np.ufunc) -> np.ndarray:
    """Take the maximum or minimum of each `side` of (N,) values that are `step` apart."""
    done = 1
    while done < side:  # two windows of `done` values make one of up to twice as many
        more = min(done, side - done)
        flat, done = operation(flat[: -more * step], flat[more * step :]), done + more
    return flat


def _lines(flat: np.ndarray, shape: tuple[int, ...], apart: int) -> np.ndarray:
    """Return (N,) values as lines (H, W) that begin that many values apart.

    So lines are filtered in one go: where one runs into the next is left out here.
    """
    return np.ndarray(shape, flat.dtype, flat, 0, (apart * flat.itemsize, flat.itemsize))


def grown(field: np.ndarray, operation: np.ufunc, square: bool) -> np.ndarray:
    """Take the maximum or minimum over each pixel and its four neighbours, or all eight.

    field: (H, W) with an empty rim, which parts each line from the next.
    """
    line, flat, result = field.shape[1], field.ravel(), np.zeros_like(field)
    inside = result.ravel()[line + 1 : -line - 1]
    if square:
        inside[:] = extremes(extremes(flat, 3, line, operation), 3, 1, operation)
    else:
        sides = extremes(flat[line:-line], 2, 2, operation)
        operation(sides, extremes(flat[1:-1], 2, 2 * line, operation), out=inside)
        operation(inside, flat[line + 1 : -line - 1], out=inside)
    return result


def framed(array: np.ndarray, before: int, after: int) -> np.ndarray:
    """Repeat the first and last rows and columns of (H, W) this many times."""
    height, width = array.shape
    low, right = before + height, before + width
    edged = np.empty((low + after, right + after), array.dtype)
    edged[before:low, before:right] = array
    edged[:before, before:right], edged[low:, before:right] = array[0], array[-1]
    edged[:, :before], edged[:, right:] = (
        edged[:, side : side + 1] for side in (before, right - 1)
    )
    return edged


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom around all that is true in (H, W) bool, or None."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def percentiles(array: np.ndarray, *percents: float, size: int | None = None) -> list[float]:
    """Return what np.percentile would, sooner.

    size: of a larger array, 0 or more, of which the given one holds all that is above 0.
    """
    last = (size or array.size) - 1
    places = [percent / 100 * last for percent in percents]
    if size and size - np.count_nonzero(array > 0) > max(places) + 1:
        return [0.0] * len(percents)
    ordered = np.sort(array, axis=None)

    def level(place: int) -> np.float32:
        place = min(place, last) - (last + 1 - array.size)
        return ordered[place] if place >= 0 else np.float32(0)

    found = []
    for place in places:
        below, above = level(int(place)), level(int(place) + 1)
        found.append(float(below) + float(above - below) * (place % 1))
    return found
