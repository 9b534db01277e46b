"""Pictures that show no digit: what a reader of digits must learn to turn away.

All are made here, from strokes, from the fonts that come with matplotlib, from filled shapes
and noise, and from MNIST's own digits cut, mirrored, turned, crossed out or set side by side.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import letters
import strokes

Ink = Image.Image  # mode L, 255 where the ink is, in a box of any size


def letter(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a character of a font."""
    return _boxed(letters.letter(rng))


def glyph(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a character of an alphabet that does not exist: one to five simple strokes."""
    lines: list[np.ndarray] = []
    for _ in range(rng.choice([1, 2, 3, 4, 5], p=[0.1, 0.35, 0.3, 0.15, 0.1])):
        line = _primitive(rng)
        if lines and rng.uniform() < 0.6:  # hung on a stroke that is there
            other = lines[rng.integers(len(lines))]
            end = 0 if rng.uniform() < 0.5 else -1
            line = line + other[rng.integers(len(other))] - line[end]
        lines.append(line)
    if len(lines) == 1:  # one simple stroke may well be a digit: make it a long one
        lines = [np.concatenate([lines[0], _primitive(rng), _primitive(rng)])]
    return _drawn(lines, rng)


def _primitive(rng: np.random.Generator) -> np.ndarray:
    """Return the corners (K, 2) of a line, arc, ring, hook, zigzag, or a curve at random."""
    start, size = rng.uniform(0.1, 0.9, 2), rng.uniform(0.2, 0.9)
    angle = rng.choice([0, math.pi / 2, rng.uniform(0, 2 * math.pi)]) + rng.normal(0, 0.1)
    kind = rng.integers(6)
    if kind == 0:
        along = np.linspace(0, 1, 3)[:, None] * [[1.0, 0.0]]
    elif kind in (1, 2):  # an arc, or a whole ring
        reach = 2 * math.pi if kind == 2 else rng.uniform(1.5, 5)
        turn = np.linspace(0, reach, 10)[:, None]
        along = np.hstack([np.cos(turn), np.sin(turn) * rng.uniform(0.5, 1.2)]) / 2
        size = size * (0.6 if kind == 2 else 1.0)
    elif kind == 3:
        along = np.array([[0, 0], [0.6, 0], [0.9, 0.1], [0.95, 0.35], [0.7, 0.45]])
    elif kind == 4:
        teeth = int(rng.integers(3, 6))
        along = np.column_stack([np.linspace(0, 1, teeth), 0.35 * (np.arange(teeth) % 2)])
        along = np.repeat(along, 2, axis=0)
    else:
        along = rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2))
    mirror = rng.choice([-1, 1])
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(start + size * (along * [1, mirror]) @ turned.T)


def doodle(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a scribble, a star, a spiral, a heart, a face, a house or an arrow."""
    kind = rng.integers(7)
    t = np.linspace(0, 1, 40)
    if kind == 0:  # a hand that goes to and fro
        steps = rng.normal(0, 0.25, (int(rng.integers(8, 40)), 2))
        return _drawn([np.clip(np.cumsum(steps, axis=0) * 0.7, -1, 1)], rng)
    if kind == 1:
        spikes = int(rng.integers(4, 9))
        turn = np.arange(2 * spikes + 1) * math.pi / spikes + rng.uniform(0, 3)
        reach = np.where(np.arange(2 * spikes + 1) % 2, rng.uniform(0.2, 0.5), 1.0)
        star = np.column_stack([np.cos(turn), np.sin(turn)]) * reach[:, None] / 2
        return _drawn([np.repeat(star, 2, axis=0)], rng)
    if kind == 2:
        turn = t * rng.uniform(12, 30)
        return _drawn([np.column_stack([np.cos(turn), np.sin(turn)]) * t[:, None] / 2], rng)
    if kind == 3:
        turn = t * 2 * math.pi
        x = 16 * np.sin(turn) ** 3
        y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        return _drawn([np.column_stack([x, -y]) / 34], rng)
    if kind == 4:
        ring = np.column_stack([np.cos(t * 6.4), np.sin(t * 6.4)]) / 2
        dots = [np.array([[x, -0.15], [x, -0.12]]) for x in (-0.18, 0.18)]
        mouth = np.column_stack(
            [0.3 * np.cos(t * 3.1), rng.choice([-1, 1]) * 0.25 * np.sin(t * 3.1)]
        )
        return _drawn([ring, *dots, mouth + np.array([0, 0.1])], rng)
    if kind == 5:
        house = "20,50 20,50 20,90 20,90 80,90 80,90 80,50 80,50 20,50 20,50 50,14 50,14 80,50"
        return _drawn([strokes.points(house), strokes.points("44,90 44,66 56,66 56,90")], rng)
    head = strokes.points("60,25 60,25 90,50 90,50 60,75")
    return _drawn([strokes.points("10,50 50,50 90,50"), head], rng)


def _drawn(corners: list[np.ndarray], rng: np.random.Generator) -> Ink:
    pen = strokes.random_pen(rng)
    return strokes.draw(strokes.by_hand(corners, rng), int(rng.integers(24, 120)), pen, rng)


def solid(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a thing seen as a surface: a few filled shapes, often mirrored, often patterned."""
    side = 64
    sheet = Image.new("L", (side, side))
    brush = ImageDraw.Draw(sheet)
    for _ in range(rng.integers(1, 6)):
        level = int(rng.uniform(60, 255))
        x, y = rng.uniform(4, 40, 2)
        w, h = rng.uniform(6, 44, 2)
        if rng.uniform() < 0.4:
            brush.rectangle((x, y, x + w, y + h), fill=level)
        elif rng.uniform() < 0.5:
            brush.ellipse((x, y, x + w, y + h), fill=level)
        else:
            corners = rng.uniform(4, 60, (int(rng.integers(3, 8)), 2))
            brush.polygon([tuple(corner) for corner in corners], fill=level)
    pixels = np.asarray(sheet, np.float32)
    if rng.uniform() < 0.6:
        pixels = np.maximum(pixels, pixels[:, ::-1])
    if rng.uniform() < 0.6:
        pixels = pixels * rng.uniform(0.2, 1.0) + pixels * texture_field(side, rng) * 0.8
    return _boxed(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))


def thing(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return an upright thing with two like sides: a vase, a bottle, a garment, a figure."""
    side = 64
    y, x = np.mgrid[:side, :side].astype(np.float32) / (side - 1)
    across = np.abs(x - 0.5)
    knots = rng.uniform(0.1, 1.0, int(rng.integers(3, 7)))
    half = np.interp(y, np.linspace(0, 1, len(knots)), knots) * rng.uniform(0.12, 0.5)
    inside = across <= half
    if rng.uniform() < 0.4:  # two legs
        hip = rng.uniform(0.1, 0.7)
        inside &= across > rng.uniform(0.02, 0.3) * np.maximum(y - hip, 0)
    if rng.uniform() < 0.4:  # two arms
        reach, drop, width = rng.uniform(0.2, 0.5), rng.uniform(0.0, 2.0), rng.uniform(0.05, 0.2)
        inside |= (across < reach) & (np.abs(y - width - drop * across) < width)
    if rng.uniform() < 0.3:  # an opening, or a handle
        inside &= (across / rng.uniform(0.05, 0.25)) ** 2 + (y / rng.uniform(0.05, 0.4)) ** 2 > 1
    shade = 1 - rng.uniform(0, 0.9) * np.clip(1 - across / np.maximum(half, 0.02), 0, 1)
    if rng.uniform() < 0.5:
        mixed = rng.uniform(0.1, 0.9)
        shade = shade * (1 - mixed * texture_field(side, rng))
    level = rng.uniform(60, 255) * np.clip(shade, 0.1, 1)
    ink = Image.fromarray((inside * level).astype(np.uint8))
    tilt = rng.uniform(0, 360) if rng.uniform() < 0.15 else rng.normal(0, 4)
    return _boxed(ink.rotate(tilt, Image.Resampling.BILINEAR))


def silhouette(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a thing seen from its side: one closed outline, filled; half stand on a flat foot."""
    side = 64
    turn = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    waves = np.arange(1, 6)
    size = rng.normal(0, 1, 5) / (1 + waves) ** rng.uniform(0.5, 1.5)
    reach = 1 + rng.uniform(0.2, 1.2) * np.cos(waves * turn[:, None] + rng.uniform(0, 7, 5)) @ size
    outline = np.column_stack([np.cos(turn), np.sin(turn)]) * np.maximum(reach, 0.15)[:, None]
    outline *= [1, rng.uniform(0.4, 1.4)]
    if rng.uniform() < 0.5:
        outline[:, 1] = np.minimum(outline[:, 1], rng.uniform(0.0, 0.5) * outline[:, 1].max())
    outline = 4 + (side - 8) * (outline - outline.min(axis=0)) / np.ptp(outline, axis=0).max()
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in outline], fill=255)
    shade = np.interp(np.linspace(0, 1, side), np.linspace(0, 1, 4), rng.uniform(0.3, 1, 4))
    level = shade[:, None] if rng.uniform() < 0.5 else shade[None, :]
    if rng.uniform() < 0.5:
        level = level * (1 - rng.uniform(0.1, 0.9) * texture_field(side, rng))
    ink = np.asarray(mask, np.float32) * np.clip(level, 0.15, 1)
    return _boxed(Image.fromarray(ink.astype(np.uint8)))


def texture_field(side: int, rng: np.random.Generator) -> np.ndarray:
    """Return (side, side) float32 in [0, 1]: stripes, checks, clouds or noise."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle, period = rng.uniform(0, math.pi), rng.uniform(3, 20)
    along = (x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period
    kind = rng.integers(4)
    if kind == 0:
        return np.asarray((np.sin(along) + 1) / 2, np.float32)
    if kind == 1:
        across = (y * math.cos(angle) - x * math.sin(angle)) * 2 * math.pi / period
        return np.asarray(np.sin(along) * np.sin(across) > 0, np.float32)
    grain = 1 if kind == 3 else int(rng.integers(3, 10))
    noise = rng.uniform(0, 255, (max(2, side // grain),) * 2).astype(np.uint8)
    clouds = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(clouds, np.float32) / 255


def texture(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a patch of a pattern or of noise, whole or only its darkest parts."""
    field = texture_field(int(rng.integers(20, 64)), rng)
    if rng.uniform() < 0.6:
        field = np.clip((field - rng.uniform(0.3, 0.8)) * rng.uniform(2, 20), 0, 1)
    return Image.fromarray((255 * field).astype(np.uint8))


def several(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return two to four digits in a row, or one over another."""
    count = int(rng.choice([2, 3, 4], p=[0.7, 0.2, 0.1]))
    gap = int(rng.integers(-4, 5)) if rng.uniform() < 0.85 else -16
    found = [_boxed(_any(digits, rng)) for _ in range(count)]
    width = sum(ink.width for ink in found) + gap * (count - 1)
    sheet = np.zeros((28, max(width, 28) + 4), np.uint8)
    left = 0
    for ink in found:
        left = max(left, 0)
        top = int(rng.integers(0, 28 - ink.height + 1)) if ink.height < 28 else 0
        place = sheet[top : top + ink.height, left : left + ink.width]
        np.maximum(place, np.asarray(ink)[:, : place.shape[1]], out=place)
        left += ink.width + gap
    return _boxed(Image.fromarray(sheet))


def part(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a digit of which a third to a half is cut away, left or right."""
    ink = _boxed(_any(digits, rng))
    if ink.width < 12:  # half a one is a one
        return several(digits, rng)
    kept = round(ink.width * rng.uniform(0.4, 0.6))
    left = 0 if rng.uniform() < 0.5 else ink.width - kept
    return ink.crop((left, 0, left + kept, ink.height))


def turned(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a digit on its side or mirrored, of those that are no digit then."""
    which = "on its side" if rng.uniform() < 0.5 else "mirrored"
    wanted = (2, 3, 4, 5, 7) if which == "on its side" else (3, 4, 6, 7, 9)
    ink = _any(digits, rng, wanted)
    if which == "on its side":
        return ink.transpose(
            Image.Transpose.ROTATE_90 if rng.uniform() < 0.5 else Image.Transpose.ROTATE_270
        )
    return ink.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crossed_out(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return a digit that its writer struck out, with a zigzag or three strokes and more."""
    ink = _any(digits, rng).resize((84, 84), Image.Resampling.BICUBIC)
    brush = ImageDraw.Draw(ink)
    width = int(rng.integers(4, 9))
    if rng.uniform() < 0.5:
        x = np.linspace(rng.uniform(8, 20), rng.uniform(64, 76), int(rng.integers(6, 14)))
        y = np.where(np.arange(len(x)) % 2, rng.uniform(8, 30), rng.uniform(54, 76))
        brush.line([*zip(x, y + rng.normal(0, 3, len(x)), strict=True)], 255, width)
    else:
        for _ in range(rng.integers(3, 6)):
            (x, y), (dx, dy) = rng.uniform(8, 30, 2), rng.uniform(38, 60, 2)
            ends = [(x, y), (x + dx, y + dy)] if rng.uniform() < 0.5 else [(x, y + dy), (x + dx, y)]
            brush.line(ends, 255, width)
    return _boxed(ink.filter(ImageFilter.GaussianBlur(0.8)))


def dirt(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return what lies on an empty sheet: specks, a smear, a rule, a corner of a fold."""
    side = 96
    sheet = Image.new("L", (side, side))
    brush = ImageDraw.Draw(sheet)
    for _ in range(rng.integers(1, 12)):
        x, y = rng.uniform(0, side, 2)
        r = rng.uniform(0.5, 6)
        brush.ellipse(
            (x - r, y - r * rng.uniform(0.3, 1), x + r, y + r), fill=int(rng.uniform(60, 255))
        )
    if rng.uniform() < 0.4:
        for y in np.arange(rng.uniform(4, 20), side, rng.uniform(12, 30)):
            brush.line(
                [(0, y), (side, y + rng.normal(0, 2))], fill=int(rng.uniform(80, 255)), width=2
            )
    return sheet.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.5)))


def _any(
    digits: np.ndarray, rng: np.random.Generator, wanted: tuple[int, ...] | None = None
) -> Ink:
    """Return one of the digits; `digits` is a structured array of `image` and `label`."""
    while True:
        chosen = digits[rng.integers(len(digits))]
        if wanted is None or int(chosen["label"]) in wanted:
            return Image.fromarray(chosen["image"])


def _boxed(ink: Ink) -> Ink:
    box = ink.point(lambda level: 255 * (level > 40)).getbbox()
    return ink.crop(box) if box else ink


KINDS: dict[Callable[[np.ndarray, np.random.Generator], Ink], float] = {
    letter: 0.21,
    glyph: 0.23,
    doodle: 0.07,
    solid: 0.09,
    thing: 0.13,
    silhouette: 0.08,
    texture: 0.04,
    several: 0.07,
    part: 0.02,
    turned: 0.03,
    crossed_out: 0.02,
    dirt: 0.01,
}


def random_ink(digits: np.ndarray, rng: np.random.Generator) -> Ink:
    """Return the ink of a picture that shows no digit: mode L, 255 where ink is, any size.

    digits: structured array with `image` (28, 28) uint8 and `label`, of which some are made.
    """
    kinds = list(KINDS)
    return kinds[rng.choice(len(kinds), p=list(KINDS.values()))](digits, rng)
