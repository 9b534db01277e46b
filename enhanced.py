"""The `enhanced` method: whatever a person sends, as MNIST's makers would have prepared it.

A grey picture of any size goes through these steps, each a function below:

    polarity -> flatten the paper -> find the digit -> cut it out -> stroke -> 20x20 box, centred

MNIST's own steps are the last ones (LeCun et al. 1998): scaled with its aspect to fit 20x20,
the centre of mass in the centre of 28x28. The others make a photo look like the clean
scans that MNIST began from.
"""

import math

import numpy as np
from PIL import Image

import config
from flat_paper import PAPER_SIDE, flat_ink
from image_filters import cross, fitted, percentiles, resized, running, smoothed
from ink_parts import Part, connected_parts, digit_parts

WORKING_SIDE = 224  # longer side of the picture in which the digit is looked for, pixels
FINE = 4  # the digit is prepared at 4 times MNIST's resolution
FIELD, BOX = FINE * config.IMAGE_SIZE, FINE * config.DIGIT_BOX
CENTRE_OF_MASS = FINE * 14 + (FINE - 1) / 2  # MNIST's lies in the middle of pixel 14, from 0

FAINTEST_RANGE = 16  # grey levels between darkest and lightest pixel: less is a blank page
FAINTEST_INK = 0.06  # contrast to the paper below which there is no ink, 0-1
EDGE = 0.03  # of the longer side: ink goes from none to full within it, a shadow does not
LARGE_PART = 0.05  # of the longer side: a smaller one says nothing of how sharp the picture is
SHARP = 0.4  # of the sharpest part's edges: a part with softer ones is a shadow
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


def enhance(grey: Image.Image) -> np.ndarray:
    """Bring a grey picture (mode L) of any size to MNIST form, (28, 28, 1) float32 in [0, 1].

    Raises NoInk for a page without a digit.
    """
    shrunk = _shrunk(grey)
    if np.ptp(shrunk) * 255 < FAINTEST_RANGE:
        raise NoInk
    ink = flat_ink(shrunk)
    labels, parts = find_digit(ink)
    closer = _closer(grey, parts, max(ink.shape))
    if closer is not None:
        ink = flat_ink(_shrunk(closer))
        labels, parts = find_digit(ink)
    return _centred(mend_stroke(_in_box(_cut_out(ink, labels, parts))))


def find_digit(ink: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """Return labels (H, W) of the connected ink, and the parts that make the digit.

    Raises NoInk if nothing stands out of the paper and its noise.
    """
    smooth = smoothed(ink, 0.004 * max(ink.shape) if max(ink.shape) > 100 else 0.0)
    # The lighter 40% is paper, its 10th to 40th percentile 1.03 deviations of the noise. In a
    # picture of a few pixels a digit may leave less than that, and noise cannot be told.
    low, paper, high = percentiles(smooth, 10, 25, 40)
    noise = (high - low) / 1.03 if max(ink.shape) > 2 * config.IMAGE_SIZE else 0.0
    contrast = float(smooth.max()) - paper
    if min(contrast, _sharpest_edge(smooth)) < max(FAINTEST_INK, NOISE_PEAK * noise):
        raise NoInk
    threshold = paper + max(INK_SHARE * contrast, 4 * noise)
    labels, parts = connected_parts(smooth > threshold, ink)
    parts = digit_parts(_sharp_parts(smooth, labels, parts), ink.shape)
    if not parts:
        raise NoInk
    return labels, parts


def _sharp_parts(ink: np.ndarray, labels: np.ndarray, parts: list[Part]) -> list[Part]:
    """Leave out parts whose edges are soft beside the sharpest: the remains of shadows."""
    if max(ink.shape) <= PAPER_SIDE or min(ink.shape) < 2 or len(parts) < 2:
        return parts  # too coarse to tell, or nothing to tell apart
    slope = np.hypot(*np.gradient(smoothed(ink, 0.006 * max(ink.shape))))
    sharpness = {}
    for part in parts:
        box = slice(part.top, part.bottom), slice(part.left, part.right)
        (sharpness[part],) = percentiles(slope[box][labels[box] == part.label], 90)
    large = [part for part in parts if part.side >= LARGE_PART * max(ink.shape)] or parts
    least = SHARP * max(sharpness[part] for part in large)
    return [part for part in parts if sharpness[part] >= least]


def _sharpest_edge(ink: np.ndarray) -> float:
    """Return the largest change of (H, W) ink within the width of an edge, in [0, 1]."""
    step = max(1, round(EDGE * max(ink.shape)))
    changes = ink[:, step:] - ink[:, :-step], ink[step:] - ink[:-step]
    return max(float(max(change.max(initial=0.0), -change.min(initial=0.0))) for change in changes)


def _joint_box(parts: list[Part]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom around all parts."""
    return (
        min(part.left for part in parts),
        min(part.top for part in parts),
        max(part.right for part in parts),
        max(part.bottom for part in parts),
    )


def _closer(grey: Image.Image, parts: list[Part], found_at: int) -> Image.Image | None:
    """Cut the surroundings out of a large picture whose digit was lost in shrinking, or None."""
    scale = max(grey.size) / found_at
    left, top, right, bottom = _joint_box(parts)
    side = max(right - left, bottom - top)
    if scale <= 1.0 or side >= BOX:
        return None
    margin = 0.6 * side
    return grey.crop(
        (
            max(0, int((left - margin) * scale)),
            max(0, int((top - margin) * scale)),
            min(grey.width, int((right + margin) * scale)),
            min(grey.height, int((bottom + margin) * scale)),
        )
    )


def _cut_out(ink: np.ndarray, labels: np.ndarray, parts: list[Part]) -> np.ndarray:
    """Return the ink in the digit's box, with all that is not the digit wiped out."""
    left, top, right, bottom = _joint_box(parts)
    soft_edge = max(3, 2 * round(0.01 * max(ink.shape)) + 1)
    ink, labels = ink[top:bottom, left:right], labels[top:bottom, left:right]
    strokes = np.isin(labels, [part.label for part in parts])
    (level,) = percentiles(ink[strokes], 75)  # the pen's full darkness
    kept = running(strokes, soft_edge, np.maximum)
    return np.clip(ink * kept / max(level, 1e-3), 0.0, 1.0)


def _in_box(digit: np.ndarray) -> np.ndarray:
    """Scale a digit of any size to fit the box with its aspect, in the middle of the field."""
    height, width = fitted(digit.shape, BOX, enlarge=True)
    field = np.zeros((FIELD, FIELD), np.float32)
    top, left = (FIELD - height) // 2, (FIELD - width) // 2
    field[top : top + height, left : left + width] = resized(digit, (height, width))
    return field


def stroke_width(field: np.ndarray) -> float:
    """Estimate the stroke's width in pixels: twice the area of the ink over its outline."""
    solid = field > 0.5
    inside = running(solid, 3, np.minimum)
    return 2.0 * float(solid.sum()) / max(float(solid.sum() - inside.sum()), 1.0)


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
        field = running(field, 3, operation) if step % 2 else cross(field, operation)
    occupied = field > 0.3
    rows, columns = np.flatnonzero(occupied.any(axis=1)), np.flatnonzero(occupied.any(axis=0))
    if not len(rows):
        raise NoInk
    return _in_box(field[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _centred(field: np.ndarray) -> np.ndarray:
    """Move the centre of mass to the centre of the field and shrink it to (28, 28, 1)."""
    mass = float(field.sum())
    axis = np.arange(FIELD) - CENTRE_OF_MASS
    low = round(float((field.sum(axis=1) * axis).sum()) / mass)
    right = round(float((field.sum(axis=0) * axis).sum()) / mass)
    # The box leaves 16 pixels of margin; ink beyond the field's edge would be lost.
    margin, side = FIELD // 2, config.IMAGE_SIZE
    wide = np.zeros((FIELD + 2 * margin, FIELD + 2 * margin), np.float32)
    wide[margin:-margin, margin:-margin] = field
    moved = wide[margin + low :, margin + right :][:FIELD, :FIELD]
    image = moved.reshape(side, FINE, side, FINE).mean(axis=(1, 3))
    return np.clip(image / max(float(image.max()), 1e-3), 0, 1).astype(np.float32)[..., None]


def _shrunk(grey: Image.Image) -> np.ndarray:
    """Return the picture as (H, W) float32 in [0, 1], its longer side at most WORKING_SIDE."""
    height, width = fitted((grey.height, grey.width), WORKING_SIDE)
    if (width, height) != grey.size:
        grey = grey.resize((width, height), Image.Resampling.BOX)
    return np.asarray(grey, np.float32) / 255.0
