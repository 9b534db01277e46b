"""Ink told from paper: polarity, uneven light, hard shadows, a sheet on a darker desk.

The first step of the `enhanced` method; see `enhanced.py`.
"""

import numpy as np

from image_filters import fitted, resized, running, smoothed
from ink_parts import connected_parts

PAPER_SIDE = 56  # longer side of the picture in which the paper's brightness is estimated
WIDEST_STROKE = 12  # pixels of that picture
SHADOW_EDGE = 0.3  # of its pixels: standard deviation of the blur that calms the grain
LEAST_SHEET = 0.3  # of a picture: a smaller bright thing on a dark ground is no sheet of paper
MOST_MARKS = 0.25  # of a sheet: what is written on it covers less
FOUR_SIDED = 0.85  # of a sheet's area lies between its outermost corners; of an oval's 0.64
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
    paper = resized(smoothed(_closed(small, reach), reach / 3), grey.shape)
    ink = _over(paper, grey)
    enlarged = max(grey.shape) / max(small.shape)
    if enlarged > 1:
        calm = smoothed(grey, SHADOW_EDGE * enlarged)
        ink = np.minimum(ink, _over(_closed(calm, round(1.5 * reach * enlarged)), grey))
    return ink


def _closed(grey: np.ndarray, reach: int) -> np.ndarray:
    """Fill all dark marks up to `reach` pixels wide with the brightness around them."""
    return running(running(grey, reach, np.maximum), reach, np.minimum)


def _over(paper: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Return the ink, in [0, 1], that makes this paper this grey."""
    return np.clip((paper - grey) / np.maximum(paper, DARKEST_PAPER), 0.0, 1.0)


def _ground_around_sheet(small: np.ndarray) -> np.ndarray | None:
    """Return what lies around a bright sheet on a darker ground, (H, W) bool, or None.

    A sheet is large, has four straight sides, and holds something dark that is little of it.
    """
    middle = (float(small.max()) + float(small.min())) / 2
    if max(small.shape) < PAPER_SIDE:
        return None
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
    middle = (float(small.max()) + float(small.min())) / 2
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    darkness = float(np.mean(small < middle)) + float(np.mean(rim < middle)) - 1.0
    detail = small - smoothed(small, max(small.shape) / 6)
    skew = float(np.mean(detail * detail * detail)) / (float(np.std(detail)) ** 3 + 1e-9)
    return darkness + float(np.clip(skew, -1.0, 1.0)) > 0
