"""Ink told from paper: polarity, uneven light, hard shadows, a sheet on a darker desk.

The first step of the `enhanced` method; see `enhanced.py`.
"""

import math

import numpy as np

from image_filters import blur_reach, fitted, resized, running, smoothed
from ink_parts import connected_parts

PAPER_SIDE = 56  # longer side of the picture in which the paper's brightness is estimated
WIDEST_STROKE = 12  # pixels of that picture
SHADOW_EDGE = 0.3  # of its pixels: standard deviation of the blur that calms the grain
LEAST_SHEET = 0.3  # of a picture: a smaller bright thing on a dark ground is no sheet of paper
MOST_MARKS = 0.25  # of a sheet: what is written on it covers less
FOUR_SIDED = 0.85  # of a sheet's area lies between its outermost corners; of an oval's 0.64
ROUNDING = 1e-5  # far less than one grey level, of one pixel, in the mean that makes a small one
DARKEST_PAPER = 0.3  # brightness: on darker paper the grain would be blown up to ink


def flat_ink(grey: np.ndarray) -> np.ndarray:
    """Return how much ink covers each pixel, float32 in [0, 1], whatever paper and light.

    grey: (H, W) float32 in [0, 1]. Ink is one minus picture over paper; the paper's brightness
    is the picture with all dark marks closed (grey-scale closing, Serra 1982). It is taken
    twice and the lesser ink counts: smoothed, which grain does not fool, and unsmoothed, which
    follows the hard edge of a shadow however wide it closes.
    """
    small = resized(grey, fitted(grey.shape, PAPER_SIDE))
    if _is_light_on_dark(small):
        ground = _ground_around_sheet(small)
        if ground is None:
            grey, small = 1.0 - grey, 1.0 - small
        else:
            grey, small = _without_ground(grey, small, ground)
    # Wider than a stroke and no wider: what it spans is taken for evenly lit.
    reach = min(round(0.4 * max(small.shape)), WIDEST_STROKE)
    if reach < 2:
        return 1.0 - grey
    lightest = grey.max()
    clean = small > lightest - ROUNDING
    paper = _smooth_paper(grey, small, clean, reach)
    if small.shape != grey.shape:
        paper = np.minimum(paper, _shadowed_paper(grey, small, clean, reach))
    return _over(paper, grey)


def _smooth_paper(
    grey: np.ndarray, small: np.ndarray, clean: np.ndarray, reach: int
) -> np.ndarray | np.float32:
    """Return the paper's brightness (H, W), or the one that it has everywhere.

    clean: (h, w) bool, where the small picture has the lightest level of all. If that is found
    everywhere within its reach a closing gives it everywhere: nothing is left to be smoothed.
    """
    if running(clean, reach, np.maximum).all():
        return grey.max()
    return resized(smoothed(_closed(small, reach), reach / 3), grey.shape)


def _shadowed_paper(
    grey: np.ndarray, small: np.ndarray, clean: np.ndarray, reach: int
) -> np.ndarray | np.float32:
    """Return the paper's brightness, (H, W) or one, up to the hard edge of a shadow."""
    enlarged = max(grey.shape) / max(small.shape)
    deviation, reach = SHADOW_EDGE * enlarged, round(1.5 * reach * enlarged)
    # As above; what is clean must stay so when smoothed, and lie whole within the reach.
    around = math.ceil(blur_reach(deviation) / int(enlarged))
    calm = running(clean, 2 * around + 1, np.minimum)
    if running(calm, int(reach / enlarged) - 1, np.maximum).all():
        return grey.max()
    return _closed(smoothed(grey, deviation), reach)


def _closed(grey: np.ndarray, reach: int) -> np.ndarray:
    """Fill all dark marks up to `reach` pixels wide with the brightness around them."""
    return running(running(grey, reach, np.maximum), reach, np.minimum)


def _over(paper: np.ndarray | np.float32, grey: np.ndarray) -> np.ndarray:
    """Return the ink, in [0, 1], that makes this paper this grey."""
    ink = paper - grey
    ink /= np.maximum(paper, DARKEST_PAPER)
    return ink.clip(0.0, 1.0, out=ink)


def _ground_around_sheet(small: np.ndarray) -> np.ndarray | None:
    """Return what lies around a bright sheet on a darker ground, (H, W) bool, or None.

    A sheet is large, has four straight sides, and holds something dark that is little of it.
    """
    if max(small.shape) < PAPER_SIDE:
        return None
    middle = (float(small.max()) + float(small.min())) / 2
    labels, parts = connected_parts(small > middle, small)
    if not parts:
        return None
    sheet = max(parts, key=lambda part: part.weight)
    dark_labels, dark = connected_parts(labels != sheet.label, small)
    height, width = small.shape
    outside = [
        part.label
        for part in dark
        if part.left == 0 or part.top == 0 or part.right == width or part.bottom == height
    ]
    ground = np.isin(dark_labels, outside)
    whole, marks = float((~ground).sum()), float((~ground & (labels != sheet.label)).sum())
    if whole < LEAST_SHEET * small.size or not 0 < marks < MOST_MARKS * whole:
        return None
    y, x = np.nonzero(~ground)
    corners = [int(np.argmin(side)) for side in (x + y, y - x, -x - y, x - y)]
    cx, cy = x[corners].astype(float), y[corners].astype(float)
    span = 0.5 * abs(float(np.sum(cx * np.roll(cy, -1) - cy * np.roll(cx, -1))))
    return ground if span > FOUR_SIDED * whole else None


def _without_ground(
    grey: np.ndarray, small: np.ndarray, ground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return picture and small picture with the ground, and the sheet's rim, made paper."""
    wide = running(ground, 5, np.maximum)
    level = float(np.median(small[~wide])) if not wide.all() else 1.0
    large = resized(wide.astype(np.float32), grey.shape) > 0.3
    return np.where(large, np.float32(level), grey), np.where(wide, np.float32(level), small)


def _is_light_on_dark(small: np.ndarray) -> bool:
    """Tell light ink on dark paper from dark on light: ink is the minority, under any light.

    small: (H, W) float32 in [0, 1], the picture at PAPER_SIDE. The rim is paper more surely
    than the middle, so it counts as much as all the rest; and fine detail is skewed towards the
    ink even where a shadow makes half the paper dark.
    """
    dark = small < (float(small.max()) + float(small.min())) / 2
    rim = dark[0], dark[-1], dark[:, 0], dark[:, -1]
    on_rim = sum(map(np.count_nonzero, rim)) / sum(map(len, rim))
    darkness = np.count_nonzero(dark) / dark.size + on_rim - 1.0

    detail = (small - smoothed(small, max(small.shape) / 6)).ravel()
    square = detail * detail
    mean, variance, cubic = (
        float(total) / detail.size
        for total in (detail.sum(), np.dot(detail, detail), np.dot(detail, square))
    )
    deviation = math.sqrt(max(variance - mean * mean, 0.0))
    skew = cubic / (deviation**3 + 1e-9)
    return darkness + min(max(skew, -1.0), 1.0) > 0
