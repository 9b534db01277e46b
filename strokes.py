"""Characters as strokes of a pen: the digits in the shapes that people give them, and the pen.

MNIST's writers were Americans around 1990 (LeCun et al. 1998). Flags and feet on ones, bars
through sevens, open fours, hooked sixes and snowman eights are how much of the world writes,
so they are written down here, as points a hand goes through, and every one is written anew.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

Stroke = np.ndarray  # (P, 2) float, x and y of points close together

STEPS = 8  # points of a curve between two that are given
# Points in hundredths of a square; a point given twice is a corner, between others it is a curve.
DIGITS: dict[int, tuple[tuple[str, ...], ...]] = {
    0: (
        ("52,12 34,20 26,50 34,80 52,88 68,80 75,50 68,20 52,12",),
        ("60,14 40,12 24,34 24,66 40,88 62,86 76,64 75,34 60,14 48,14",),
        ("66,22 48,10 30,26 26,56 38,86 58,88 74,68 74,38 60,14 44,14",),
        ("50,10 40,22 36,50 40,78 50,90 60,78 64,50 60,22 50,10",),
        ("30,14 30,14 70,14 70,14 70,86 70,86 30,86 30,86 30,14",),
        ("52,12 34,20 26,50 34,80 52,88 68,80 75,50 68,20 52,12", "72,14 28,88"),
    ),
    1: (
        ("50,10 50,90",),
        ("56,10 50,48 46,90",),
        ("34,30 54,10 54,10 54,90",),
        ("24,42 54,10 54,10 54,90",),
        ("40,20 52,10 52,10 52,90", "34,90 70,90"),
        ("28,36 54,10 54,10 54,90", "30,90 76,90"),
        ("50,10 50,90", "34,90 66,90"),
        ("22,50 38,34 54,10 54,10 52,50 52,90",),
        ("30,28 46,22 54,10 54,10 54,90", "36,90 72,88"),
        ("18,60 54,10 54,10 54,90",),
        ("22,76 36,46 56,10 56,10 56,90",),
        ("26,50 50,12 50,12 46,90",),
    ),
    2: (
        ("26,32 34,14 54,10 70,24 66,44 46,66 26,88 26,88 74,88",),
        ("28,30 40,12 60,12 70,28 60,50 40,72 26,88 26,88 50,84 76,90",),
        ("26,26 46,10 68,20 66,42 46,70 30,86 24,78 36,74 52,84 76,84",),
        ("26,14 26,14 72,14 72,14 26,88 26,88 76,88",),
        ("30,22 50,10 68,26 56,56 38,78 28,84 34,72 48,80 74,90",),
        ("26,38 28,16 50,10 72,18 72,38 50,54 28,70 26,88 26,88 74,88",),
    ),
    3: (
        ("28,20 48,10 66,22 62,40 44,48 44,48 66,56 70,74 52,90 28,80",),
        ("28,12 28,12 70,12 70,12 44,44 44,44 66,54 70,74 52,90 26,80",),
        ("30,16 54,10 64,26 48,46 48,46 72,62 62,86 40,90 26,78",),
        ("28,22 46,10 64,24 54,42 40,50 48,50 68,58 68,80 46,90 26,80",),
        ("28,14 66,12 66,28 42,48 70,50 74,72 58,90 28,86",),
        ("30,12 30,12 66,12 66,12 66,48 66,48 38,48 38,48 66,48 66,88 66,88 30,88",),
    ),
    4: (
        ("34,12 28,34 24,54 24,54 76,54", "64,12 62,50 60,90"),
        ("60,10 60,10 22,60 22,60 78,60", "60,10 60,90"),
        ("30,12 30,56 30,56 74,56", "66,30 66,90"),
        ("26,14 26,50 26,50 68,50", "68,10 68,90"),
        ("52,10 52,10 24,58 24,58 76,58", "58,36 54,90"),
        ("50,10 36,36 22,58 22,58 48,56 78,58", "62,38 58,64 54,92"),
        ("44,8 44,8 24,54 24,54 66,50 66,50 52,92",),
        ("54,8 54,8 26,52 26,52 64,46 64,46 42,92",),
        ("40,8 36,34 22,56 22,56 74,52", "62,34 50,92"),
        ("64,50 24,50 24,50 62,10 62,10 62,90",),
        ("30,14 28,36 36,50 60,50 70,34 70,12 70,12 68,60 64,90",),
    ),
    5: (
        ("32,12 32,12 30,46 30,46 52,40 70,56 66,80 46,90 26,80", "32,12 72,12"),
        ("70,12 70,12 34,12 34,12 30,46 30,46 54,40 72,58 66,82 46,90 26,82",),
        ("68,14 44,12 34,22 36,42 56,50 70,64 62,86 40,90 26,80",),
        ("70,12 70,12 30,12 30,12 30,46 30,46 70,46 70,46 70,88 70,88 28,88",),
        ("36,10 36,10 34,40 34,40 60,42 72,62 58,86 34,92", "36,10 66,6"),
        ("40,16 32,48 32,48 56,44 66,62 58,82 36,86", "42,18 74,14"),
    ),
    6: (
        ("62,12 40,28 28,58 36,84 56,90 70,74 62,56 44,54 30,68",),
        ("52,8 34,36 28,70 44,90 66,84 70,64 54,52 36,60 30,74",),
        ("68,20 56,10 38,24 28,56 34,84 54,90 68,76 60,58 42,56 30,70",),
        ("40,8 32,40 30,72 42,88 58,82 60,68 48,60 34,70",),
        ("66,10 66,10 28,54 28,54 28,88 28,88 70,88 70,88 70,54 70,54 28,54",),
        ("58,10 38,40 30,72 40,90 60,88 64,74 52,66 36,74",),
        ("64,12 64,12 30,14 30,14 30,88 30,88 68,88 68,88 68,52 68,52 30,52",),
    ),
    7: (
        ("26,14 26,14 72,12 72,12 56,50 46,90",),
        ("26,14 26,14 74,14 74,14 44,90",),
        ("24,14 24,14 74,12 74,12 54,52 44,90", "36,52 70,50"),
        ("26,26 26,12 26,12 74,12 74,12 52,54 48,90",),
        ("26,28 26,14 26,14 74,14 74,14 46,90", "32,52 66,50"),
        ("24,24 34,14 54,18 74,12 74,12 58,46 50,90",),
        ("24,22 32,14 52,20 74,12 74,12 56,48 46,90", "36,54 70,48"),
        ("26,16 26,16 70,12 70,12 62,34 60,62 60,90",),
    ),
    8: (
        ("66,22 50,10 34,20 38,38 56,50 70,68 60,88 40,88 30,70 44,52 64,36 66,22",),
        (
            "50,10 36,18 36,36 50,44 64,36 64,18 50,10",
            "50,44 32,54 30,76 50,90 70,76 68,54 50,44",
        ),
        ("70,14 46,10 34,26 50,44 70,62 64,86 40,90 28,72 42,54 62,38 68,18",),
        ("30,16 50,48 72,82 50,92 28,82 50,48 70,18 50,8 30,16",),
        ("56,10 44,14 44,28 54,36 72,60 60,88 36,88 28,64 46,40 60,26 56,10",),
        (
            "50,16 42,20 42,32 50,36 58,32 58,20 50,16",
            "50,36 30,46 26,72 50,90 74,72 70,46 50,36",
        ),
        ("34,14 66,36 66,14 36,38 30,70 48,90 68,72 60,48 36,38",),
    ),
    9: (
        ("66,28 50,10 34,22 34,42 50,50 64,40 66,24 66,24 62,60 58,90",),
        ("66,22 48,10 32,28 40,48 58,46 68,26 68,26 68,62 56,88 34,86",),
        ("68,16 44,10 30,28 38,46 58,44 68,16 68,16 64,90",),
        ("64,30 50,12 34,24 36,42 52,48 66,38 66,60 56,82 34,90",),
        ("30,12 30,12 68,12 68,12 68,90 68,90", "30,12 30,48 30,48 68,48"),
        ("62,14 42,12 32,30 46,44 62,32 66,14 66,14 66,64 72,88",),
        ("66,26 52,10 36,16 36,34 54,38 66,22 66,22 60,52 40,88",),
        ("34,10 34,10 66,10 66,10 66,90", "34,10 34,46 34,46 66,46"),
    ),
}


@dataclass(frozen=True)
class Pen:
    """What draws: widths as shares of the character's height."""

    width: float  # of a round pen, or of a flat one along its edge
    flat: float = 0.0  # how much thinner a flat pen is across: 0 is round, 1 a blade
    angle: float = 0.0  # of a flat pen's edge, radians
    swell: float = 0.0  # how far the width comes and goes along a stroke, as a share
    smooth: bool = True  # False: the jagged pixels of a simple paint program


def random_pen(rng: np.random.Generator) -> Pen:
    """Draw a pen, from hairline to marker; every fourth is flat, every third uneven."""
    return Pen(
        width=float(np.exp(rng.uniform(math.log(0.015), math.log(0.2)))),
        flat=float(rng.uniform(0.3, 0.85)) if rng.uniform() < 0.25 else 0.0,
        angle=float(rng.uniform(0, math.pi)),
        swell=float(rng.uniform(0.1, 0.5)) if rng.uniform() < 0.33 else 0.0,
        smooth=bool(rng.uniform() < 0.7),
    )


def curve(corners: np.ndarray) -> Stroke:
    """Return points close together on a Catmull-Rom curve through corners (K, 2)."""
    points = np.concatenate([corners[:1], corners, corners[-1:]])
    before, a, b, after = points[:-3], points[1:-2], points[2:-1], points[3:]
    t = np.linspace(0, 1, STEPS, endpoint=False)[None, :, None]
    before, a, b, after = (p[:, None] for p in (before, a, b, after))
    bend = (2 * before - 5 * a + 4 * b - after) * t**2 + (3 * a - before - 3 * b + after) * t**3
    through = a + ((b - before) * t + bend) / 2
    return np.concatenate([through.reshape(-1, 2), corners[-1:]])


def digit(number: int, rng: np.random.Generator) -> list[Stroke]:
    """Write a digit in one of its shapes, as one hand would once; strokes about 0 to 1."""
    shapes = DIGITS[number]
    return by_hand([points(stroke) for stroke in shapes[rng.integers(len(shapes))]], rng)


def points(stroke: str) -> np.ndarray:
    """Return the points (K, 2) in [0, 1] of a stroke as it is written down above."""
    return np.array([pair.split(",") for pair in stroke.split()], float) / 100


def by_hand(strokes: list[np.ndarray], rng: np.random.Generator) -> list[Stroke]:
    """Write strokes, given by their corners (K, 2), as a hand would: each time otherwise.

    Corners go astray, the whole is slanted, turned and stretched, and the line trembles.
    """
    astray = rng.uniform(0.005, 0.04)
    tremble = rng.uniform(0.0, 0.012) * (rng.uniform() < 0.4)
    slant, turn = rng.uniform(-0.25, 0.4), rng.normal(0, 0.1)
    wide, high = 2.0 ** rng.uniform(-0.6, 0.35), 1.0
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    form = turned @ np.array([[wide, -slant], [0.0, high]])
    written = []
    for corners in strokes:
        # A corner is a point given twice: both copies go astray together.
        moves = np.append(True, (np.diff(corners, axis=0) != 0).any(axis=1))
        strayed = rng.normal(0, astray, (int(moves.sum()), 2))
        line = curve(corners + strayed[np.cumsum(moves) - 1])
        if tremble:
            line = line + rng.normal(0, tremble, line.shape)
        written.append((line - 0.5) @ form.T + 0.5 + rng.normal(0, astray / 2, 2))
    return written


def draw(strokes: list[Stroke], height: int, pen: Pen, rng: np.random.Generator) -> Image.Image:
    """Draw strokes `height` pixels high (1 or more), in a tight box: mode L, ink 255 on 0."""
    low = np.min([line.min(axis=0) for line in strokes], axis=0)
    high = np.max([line.max(axis=0) for line in strokes], axis=0)
    fine = (4 if height < 100 else 2) if pen.smooth else 1
    scale = fine * height / max(float((high - low).max()), 1e-3)
    width = max(pen.width * fine * height, 1.0)
    margin = math.ceil(width)
    size = np.ceil((high - low) * scale).astype(int) + 2 * margin + 1
    sheet = Image.new("L", (int(size[0]), int(size[1])))
    brush = ImageDraw.Draw(sheet)
    for line in strokes:
        _draw_line(brush, (line - low) * scale + margin, width, pen, rng)
    if fine > 1:
        small = (max(1, sheet.width // fine), max(1, sheet.height // fine))
        sheet = sheet.resize(small, Image.Resampling.BOX)
    box = sheet.getbbox()
    return sheet.crop(box) if box else sheet


def _draw_line(
    brush: ImageDraw.ImageDraw, line: Stroke, width: float, pen: Pen, rng: np.random.Generator
) -> None:
    if pen.flat:
        nib = np.array([math.cos(pen.angle), math.sin(pen.angle)]) * width / 2
        for a, b in pairwise(line):
            corners = [tuple(p) for p in (a - nib, a + nib, b + nib, b - nib)]
            brush.polygon(corners, fill=255)
        width *= 1 - pen.flat
    widths = np.full(len(line), width)
    if pen.swell:
        waves = np.sin(np.linspace(0, rng.uniform(2, 9), len(line)) + rng.uniform(0, 6))
        widths = width * (1 + pen.swell * waves)
    for a, b, thick in zip(line, line[1:], widths, strict=False):
        brush.line([tuple(a), tuple(b)], fill=255, width=max(1, round(thick)))
    for (x, y), thick in zip(line, widths, strict=True):
        if thick > 2:
            r = thick / 2
            brush.ellipse((x - r, y - r, x + r, y + r), fill=255)
