"""The `enhanced` method: whatever a person sends, as MNIST's makers would have prepared it.

A grey picture of any size goes through these steps, each a function below:

    polarity -> flatten the paper -> find the digit -> cut it out -> stroke -> 20x20 box, centred

MNIST's own steps are the last ones (LeCun et al. 1998): scaled with its aspect to fit 20x20,
the centre of mass in the centre of 28x28. The others make a photo look like the clean
scans that MNIST began from.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

import config
from flat_paper import PAPER_SIDE, flat_ink
from image_filters import (
    averaged,
    box_of,
    extremes,
    fitted,
    grown,
    percentiles,
    pixels_of,
    resized,
    running,
    smoothed,
)
from ink_parts import Part, connected_parts, digit_parts

WORKING_SIDE = 224  # longer side of the picture in which the digit is looked for, pixels
FINE = 4  # the digit is prepared at 4 times MNIST's resolution
FIELD, BOX = FINE * config.IMAGE_SIZE, FINE * config.DIGIT_BOX
CENTRE_OF_MASS = FINE * 14 + (FINE - 1) / 2  # MNIST's lies in the middle of pixel 14, from 0
RIM = (FIELD - BOX) // 2  # around the box, without ink
AXIS = np.arange(RIM, RIM + BOX) - CENTRE_OF_MASS
ALL_OF_BOX = np.ones(BOX, np.float32)

FAINTEST_RANGE = 16  # grey levels between darkest and lightest pixel: less is a blank page
FAINTEST_INK = 0.06  # contrast to the paper below which there is no ink, 0-1
EDGE = 0.03  # of the longer side: ink goes from none to full within it, a shadow does not
LARGE_PART = 0.05  # of the longer side: a smaller one says nothing of how sharp the picture is
SHARP = 0.4  # of the sharpest part's edges: a part with softer ones is a shadow
MARGIN = 0.05  # of the longer side: more than the filters below reach, kept around the ink
NOISE_PEAK = 8  # standard deviations that grain alone does not reach
INK_SHARE = 0.25  # of the darkest ink: a pixel above is part of a stroke
# The stroke of MNIST's training digits: 10th, 30th and 95th percentile of `stroke_width`.
THINNEST_STROKE, THIN_STROKE, THICKEST_STROKE = 5.8, 6.8, 12.5  # fine pixels


class NoInk(config.ReaderError):
    """The picture holds nothing that could be a digit: a blank or evenly noisy page."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "no ink: the picture looks blank; send one digit that stands out from its background"
        )


class Box(NamedTuple):
    """A part of a picture, in shares of its width and height, 0-1."""

    left: float
    top: float
    right: float
    bottom: float


class Ink(NamedTuple):
    """The ink of a picture, (h, w) float32 in [0, 1], in the window outside which is none."""

    pixels: np.ndarray
    left: int
    top: int
    shape: tuple[int, int]  # height and width of the whole picture

    @property
    def side(self) -> int:
        return max(self.shape)

    def cut(self, box: tuple[int, int, int, int]) -> tuple[slice, slice]:
        """Return where in the window a box of the picture lies: left, top, right, bottom."""
        left, top, right, bottom = box
        return slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left)


def enhance(grey: Image.Image) -> np.ndarray:
    """Bring a grey picture (mode L) of any size to MNIST form, (28, 28, 1) float32 in [0, 1].

    Raises NoInk for a page without a digit.
    """
    return located(grey)[0]


def located(grey: Image.Image) -> tuple[np.ndarray, Box]:
    """Do what `enhance` does; also say where in the picture the digit was found."""
    shrunk = _shrunk(grey)
    if (shrunk.max() - shrunk.min()) * 255 < FAINTEST_RANGE:
        raise NoInk
    ink = _windowed(flat_ink(shrunk))
    labels, parts = find_digit(ink)
    seen = _closer(grey, parts, ink.side)
    if seen is not None:
        ink = _windowed(flat_ink(_shrunk(grey.crop(seen))))
        labels, parts = find_digit(ink)
    image = _centred(mend_stroke(_in_box(_cut_out(ink, labels, parts))))
    return image, _shares(_joint_box(parts), ink.shape, seen or (0, 0, *grey.size), grey.size)


def _shares(
    found: tuple[int, int, int, int],
    shape: tuple[int, int],
    seen: tuple[int, int, int, int],
    size: tuple[int, int],
) -> Box:
    """Return a box found in a part of the picture in shares of the whole.

    found: in a picture of that shape (height, width), to which the part `seen` was shrunk;
    seen: in pixels of the picture, which has that size (width, height).
    """
    wide, high = (seen[2] - seen[0]) / shape[1], (seen[3] - seen[1]) / shape[0]
    return Box(
        (seen[0] + found[0] * wide) / size[0],
        (seen[1] + found[1] * high) / size[1],
        (seen[0] + found[2] * wide) / size[0],
        (seen[1] + found[3] * high) / size[1],
    )


def _windowed(ink: np.ndarray) -> Ink:
    """Cut (H, W) ink to the box that holds it and a margin, if that is worth its while."""
    height, width = ink.shape
    if max(ink.shape) <= PAPER_SIDE:
        return Ink(ink, 0, 0, (height, width))
    box = box_of(ink > 0)
    if box is None:
        raise NoInk
    margin = int(MARGIN * max(ink.shape))
    left, top = max(box[0] - margin, 0), max(box[1] - margin, 0)
    return Ink(ink[top : box[3] + margin, left : box[2] + margin], left, top, (height, width))


def find_digit(ink: Ink) -> tuple[np.ndarray, list[Part]]:
    """Return labels (h, w) of the window's connected ink, and the parts that make the digit.

    Raises NoInk if nothing stands out of the paper and its noise.
    """
    smooth = smoothed(ink.pixels, 0.004 * ink.side if ink.side > 100 else 0.0)
    # The lighter 40% is paper, its 10th to 40th percentile 1.03 deviations of the noise. In a
    # picture of a few pixels a digit may leave less than that, and noise cannot be told.
    low, paper, high = percentiles(smooth, 10, 25, 40, size=ink.shape[0] * ink.shape[1])
    noise = (high - low) / 1.03 if ink.side > 2 * config.IMAGE_SIZE else 0.0
    contrast, least = float(smooth.max()) - paper, max(FAINTEST_INK, NOISE_PEAK * noise)
    if contrast < least or not _has_edge(smooth, max(1, round(EDGE * ink.side)), least):
        raise NoInk
    threshold = paper + max(INK_SHARE * contrast, 4 * noise)
    labels, parts = connected_parts(smooth > threshold, ink.pixels, ink.left, ink.top)
    parts = digit_parts(_sharp_parts(smooth, ink, labels, parts), ink.shape)
    if not parts:
        raise NoInk
    return labels, parts


def _sharp_parts(smooth: np.ndarray, ink: Ink, labels: np.ndarray, parts: list[Part]) -> list[Part]:
    """Leave out parts whose edges are soft beside the sharpest: the remains of shadows."""
    if ink.side <= PAPER_SIDE or min(ink.shape) < 2 or len(parts) < 2:
        return parts  # too coarse to tell, or nothing to tell apart
    down, across = np.gradient(smoothed(smooth, 0.006 * ink.side))
    squares = down * down + across * across
    sharpness: dict[Part, float] = {}
    for part in parts:
        box = ink.cut(_joint_box([part]))
        slopes = np.sqrt(squares[box][labels[box] == part.label])
        (sharpness[part],) = percentiles(slopes, 90)
    large = [part for part in parts if part.side >= LARGE_PART * ink.side] or parts
    least = SHARP * max(sharpness[part] for part in large)
    return [part for part in parts if sharpness[part] >= least]


def _has_edge(ink: np.ndarray, step: int, least: float) -> bool:
    """Tell if (H, W) ink changes by `least` or more within `step` pixels, the width of an edge."""
    for lines in (ink, ink.T):
        change = lines[step:] - lines[:-step]
        if float(change.max(initial=0.0)) >= least or -float(change.min(initial=0.0)) >= least:
            return True
    return False


def _joint_box(parts: list[Part]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom around all parts."""
    return (
        min(part.left for part in parts),
        min(part.top for part in parts),
        max(part.right for part in parts),
        max(part.bottom for part in parts),
    )


def _closer(
    grey: Image.Image, parts: list[Part], found_at: int
) -> tuple[int, int, int, int] | None:
    """Return the surroundings in a large picture of a digit that was lost in shrinking, or None.

    They are left, top, right and bottom, in pixels.
    """
    scale = max(grey.size) / found_at
    left, top, right, bottom = _joint_box(parts)
    side = max(right - left, bottom - top)
    if scale <= 1.0 or side >= BOX:
        return None
    margin = 0.6 * side
    return (
        max(0, int((left - margin) * scale)),
        max(0, int((top - margin) * scale)),
        min(grey.width, int((right + margin) * scale)),
        min(grey.height, int((bottom + margin) * scale)),
    )


def _cut_out(ink: Ink, labels: np.ndarray, parts: list[Part]) -> np.ndarray:
    """Return the ink in the digit's box, with all that is not the digit wiped out."""
    soft_edge = max(3, 2 * round(0.01 * ink.side) + 1)
    box = ink.cut(_joint_box(parts))
    pixels, labels = ink.pixels[box], labels[box]
    strokes = functools.reduce(np.logical_or, (labels == part.label for part in parts))
    (level,) = percentiles(pixels[strokes], 75)  # the pen's full darkness
    kept = running(strokes, soft_edge, np.maximum)
    return (pixels * kept / max(level, 1e-3)).clip(0.0, 1.0)


def _in_box(digit: np.ndarray) -> np.ndarray:
    """Scale a digit of any size to fit the box with its aspect, in the middle of the field."""
    height, width = fitted(digit.shape, BOX, enlarge=True)
    field = np.zeros((FIELD, FIELD), np.float32)
    top, left = (FIELD - height) // 2, (FIELD - width) // 2
    field[top : top + height, left : left + width] = resized(digit, (height, width))
    return field


def stroke_width(field: np.ndarray) -> float:
    """Estimate the stroke's width in pixels: twice the area of the ink over its outline.

    field: (H, W) with an empty rim, which parts each line from the next.
    """
    solid = (field > 0.5).ravel()
    inside = extremes(extremes(solid, 3, field.shape[1], np.minimum), 3, 1, np.minimum)
    area, within = int(np.count_nonzero(solid)), int(np.count_nonzero(inside))
    return 2.0 * area / max(area - within, 1)


def mend_stroke(field: np.ndarray) -> np.ndarray:
    """Thicken hairlines and thin markers until the stroke is as wide as in MNIST.

    field: (FIELD, FIELD) float32 in [0, 1]; same shape out. The digit keeps its box.
    """
    width = stroke_width(field)
    if width < THINNEST_STROKE:
        # A hairline fades unevenly as the picture is shrunk: ink it in before it is measured.
        field = np.minimum(2.0 * field, 1.0)
        width = stroke_width(field)
    if width < THINNEST_STROKE:
        steps = math.ceil((THIN_STROKE - width) / 2)
        operation: np.ufunc = np.maximum
    elif width > THICKEST_STROKE:
        steps = round((width - THICKEST_STROKE) / 2)
        operation = np.minimum
    else:
        return field
    for step in range(steps):
        # Square and cross by turns make an octagon, near enough to a round nib.
        field = grown(field, operation, square=step % 2 == 1)
    box = box_of(field > 0.3)
    if box is None:
        raise NoInk
    left, top, right, bottom = box
    return _in_box(field[top:bottom, left:right])


def _centred(field: np.ndarray) -> np.ndarray:
    """Move the centre of mass to the centre of the field and shrink it to (28, 28, 1)."""
    box = field[RIM:-RIM, RIM:-RIM]  # where all ink is
    low, right = _off_centre(box @ ALL_OF_BOX), _off_centre(ALL_OF_BOX @ box)
    image = _shrinking(low) @ box @ _shrinking(right).T
    return (image / max(float(image.max()), 1e-3))[..., None]


def _off_centre(masses: np.ndarray) -> int:
    """Return by how many pixels the centre of the masses (BOX,) lies off that of MNIST's digits."""
    offset = float(np.dot(masses, AXIS)) / float(masses.sum())
    # What is symmetrical may lie at half a pixel: no error of rounding must decide then.
    return round(round(offset, 5))


@functools.lru_cache(64)
def _shrinking(offset: int) -> np.ndarray:
    """Return the matrix (28, BOX) that moves a box's lines back by an offset and shrinks them."""
    pixel, line = np.mgrid[: config.IMAGE_SIZE, RIM : RIM + BOX]
    return np.where((line - offset) // FINE == pixel, np.float32(1 / FINE), np.float32(0))


def _shrunk(grey: Image.Image) -> np.ndarray:
    """Return the picture as (H, W) float32 in [0, 1], its longer side at most WORKING_SIDE."""
    height, width = fitted((grey.height, grey.width), WORKING_SIDE)
    if (width, height) != grey.size:
        grey = averaged(grey, (width, height))
    return pixels_of(grey) / np.float32(255)
