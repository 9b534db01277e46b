"""Digits in MNIST form put on paper as people send them: any place, size, pen, light and grain.

Measures how reading holds up outside the test set, and gives training its pictures of paper. All
chance comes from the generator that is given, so the same seed gives the same pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

import config

Range = tuple[float, float]  # drawn from evenly
Condition = Callable[[np.ndarray, np.random.Generator], Image.Image]

SMALLEST_SHEET, LARGEST_SHEET = 200, 1000  # pixels a side
NARROWEST = 0.6  # a sheet's shorter side, of its longer one
EDGE = 0.04  # of the sheet's shorter side: kept free around the digit
FINE = 4  # strokes are prepared at 4 times MNIST's resolution
INK_LEVEL = 0.4  # of full ink: where a stroke ends whose edge MNIST has greyed
EDGE_WIDTH = 2.0  # pixels in which a stroke's edge goes from paper to ink
RING = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))  # neighbours, from north


@dataclass(frozen=True)
class Scene:
    """How a digit lies on its sheet. Brightness runs from 0 (black) to 1 (white)."""

    size: Range = (0.5, 0.5)  # the digit's longer side, of the sheet's shorter side
    anywhere: bool = False  # on the sheet; otherwise in the middle
    pen: int = 0  # fine pixels put on a stroke's edges; below 0 taken off
    tilt: float = 0.0  # degrees, either way
    paper: Range = (1.0, 1.0)
    ink: Range = (0.0, 0.0)
    grain: Range = (0.0, 0.0)  # standard deviation of the noise
    light: Range = (1.0, 1.0)  # left at the darker end of the sheet; 1 is even light
    shadow: Range = (1.0, 1.0)  # light left inside a shadow; 1 is no shadow
    softness: Range = (0.04, 0.2)  # of the shadow's edge, of half the sheet
    desk: Range = (0.0, 0.0)  # width of the dark desk seen around, of the shorter side


def compose(
    scene: Scene,
    image: np.ndarray,
    rng: np.random.Generator,
    sheet: tuple[int, int] | None = None,
) -> Image.Image:
    """Put a digit (28, 28, 1), float32 in [0, 1], ink 1, on a sheet; return mode L.

    sheet: (width, height) in pixels; None draws both, from 200 to 1000. Raises ValueError
    for an image without ink.
    """
    width, height = sheet or _sheet_size(rng)
    short = min(width, height)
    margin = EDGE * short
    side = min(rng.uniform(*scene.size) * short, short - 2 * margin)
    strokes = strokes_of(image, scene, round(side), rng)
    place = rng.uniform(0, 1, 2) if scene.anywhere else (0.5, 0.5)
    left = margin + place[0] * (width - strokes.width - 2 * margin)
    top = margin + place[1] * (height - strokes.height - 2 * margin)
    field = Image.new("L", (width, height))
    field.paste(strokes, (round(left), round(top)))
    return photograph(scene, field, rng)


def photograph(scene: Scene, field: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a sheet whose ink is `field` (mode L, ink 255), as the scene's light shows it."""
    width, height = field.size
    paper, ink = rng.uniform(*scene.paper), rng.uniform(*scene.ink)
    covered = np.asarray(field, np.float32) / 255
    picture = paper + (ink - paper) * covered
    if scene.desk[1]:
        around = round(rng.uniform(*scene.desk) * min(width, height))
        picture = np.pad(picture, around, constant_values=rng.uniform(*DESK))
    picture = picture * _light(scene, picture.shape, rng)
    picture += _grain(scene, picture.shape, rng)
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))


def as_it_is(image: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Return the digit (28, 28, 1) itself, light on dark and 28x28; nothing is drawn."""
    return Image.fromarray((image[..., 0] * 255 + 0.5).astype(np.uint8))


def _sheet_size(rng: np.random.Generator) -> tuple[int, int]:
    """Draw width and height: small sheets as often as large ones, upright or lying."""
    longer = round(SMALLEST_SHEET * (LARGEST_SHEET / SMALLEST_SHEET) ** rng.uniform())
    shorter = max(SMALLEST_SHEET, round(longer * rng.uniform(NARROWEST, 1.0)))
    return (longer, shorter) if rng.uniform() < 0.5 else (shorter, longer)


def strokes_of(image: np.ndarray, scene: Scene, side: int, rng: np.random.Generator) -> Image.Image:
    """Draw the digit anew, its longer side `side` pixels: ink 255 in its box, mode L."""
    fine = as_it_is(image, rng).resize((FINE * config.IMAGE_SIZE,) * 2, Image.Resampling.BICUBIC)
    fine = fine.filter(ImageFilter.GaussianBlur(FINE * 0.35))  # no staircase of 28x28 pixels
    if scene.tilt:
        turn = rng.uniform(-scene.tilt, scene.tilt)
        fine = fine.rotate(turn, Image.Resampling.BICUBIC)
    if scene.pen:
        fine = _with_pen(fine, scene.pen)
    # Half of the outline's level: the box must not cut off the soft edge of a stroke.
    box = fine.point(lambda level: 255 * (level >= 127 * INK_LEVEL)).getbbox()
    if box is None:
        raise ValueError("the image has no ink to draw")
    enlargement = side / max(box[2] - box[0], box[3] - box[1])
    size = [max(1, round(enlargement * length)) for length in (box[2] - box[0], box[3] - box[1])]
    fine = fine.resize((size[0], size[1]), Image.Resampling.BICUBIC, box)
    steepness = max(1.0, FINE * enlargement / EDGE_WIDTH)
    return fine.point([_edge(level / 255, steepness) for level in range(256)])


def _edge(level: float, steepness: float) -> int:
    return round(255 * min(1.0, max(0.0, 0.5 + (level - INK_LEVEL) * steepness)))


def _with_pen(fine: Image.Image, pixels: int) -> Image.Image:
    """Make the strokes of a fine field (mode L) that many pixels wider, or narrower, each edge."""
    solid = np.asarray(fine) >= 255 * INK_LEVEL
    if pixels < 0:
        # One pixel more is taken off and put back: the thinnest line is then three wide.
        solid, pixels = _peeled(solid, 1 - pixels), 1
    pen = Image.fromarray(solid.astype(np.uint8) * 255)
    pen = pen.filter(ImageFilter.MaxFilter(2 * pixels + 1))
    return pen.filter(ImageFilter.GaussianBlur(1.2))  # rounds the square nib


def _peeled(solid: np.ndarray, layers: int) -> np.ndarray:
    """Take layers of pixels off a mask (H, W), never cutting a stroke (Zhang and Suen 1984)."""
    height, width = solid.shape
    for step in range(2 * layers):
        edged = np.pad(solid, 1)
        around = np.stack([edged[y : y + height, x : x + width] for y, x in RING])
        neighbours = around.sum(axis=0)
        rises = (~around & np.roll(around, -1, axis=0)).sum(axis=0)
        north, east, south, west = around[::2]
        kept = north & west & (east | south) if step % 2 else east & south & (north | west)
        edge = (neighbours >= 2) & (neighbours <= 6) & (rises == 1) & ~kept
        solid = solid & ~edge
    return solid


def _light(scene: Scene, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray | float:
    """Return the light on each pixel (H, W), in (0, 1]: brighter to one side, a soft shadow."""
    light: np.ndarray | float = 1.0
    darkest, left_in_shadow = rng.uniform(*scene.light), rng.uniform(*scene.shadow)
    if darkest < 1:
        across = _ramp(shape, rng.uniform(0, 2 * np.pi))
        light = 1 - (1 - darkest) * (across + 1) / 2
    if left_in_shadow < 1:
        across = _ramp(shape, rng.uniform(0, 2 * np.pi))
        softness, place = rng.uniform(*scene.softness), rng.uniform(-0.6, 0.6)
        beyond = np.clip((place - across) / softness, -60, 60)
        light = light * (1 - (1 - left_in_shadow) / (1 + np.exp(beyond)))
    return light


def _ramp(shape: tuple[int, int], angle: float) -> np.ndarray:
    """Return (H, W) float32 rising evenly from -1 in one corner to 1 in the opposite one."""
    down = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    across = np.linspace(-1, 1, shape[1], dtype=np.float32) * np.float32(np.cos(angle))
    return (down + across) / np.float32(abs(np.sin(angle)) + abs(np.cos(angle)))


def _grain(scene: Scene, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray | float:
    """Return noise (H, W): half of it a pixel wide, as of a camera, half two, as of paper."""
    deviation = rng.uniform(*scene.grain)
    if not deviation:
        return 0.0
    fine = rng.standard_normal(shape, np.float32)
    coarse = rng.standard_normal(((shape[0] + 1) // 2, (shape[1] + 1) // 2), np.float32)
    fine += coarse.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
    return fine * np.float32(deviation / np.sqrt(2))


LOOSE: Range = (0.3, 0.8)  # of the sheet: as large as people write
WHITE: Range = (0.85, 1.0)
BLACK: Range = (0.05, 0.3)
DESK: Range = (0.1, 0.45)

SCENES = {
    "moved": Scene(anywhere=True),
    "scaled": Scene(size=(0.12, 0.92)),
    "inverted": Scene(LOOSE, True, paper=(0.0, 0.2), ink=(0.75, 1.0)),
    "thinned": Scene(LOOSE, True, pen=-3),
    "thickened": Scene(LOOSE, True, pen=2),
    "noisy paper": Scene(LOOSE, True, paper=WHITE, ink=BLACK, grain=(0.04, 0.12)),
    "shaded paper": Scene(LOOSE, True, paper=WHITE, ink=BLACK, light=(0.4, 0.8), shadow=(0.5, 0.8)),
    "hard shadow": Scene(
        LOOSE,
        True,
        paper=WHITE,
        ink=BLACK,
        grain=(0.01, 0.04),
        shadow=(0.4, 0.7),
        softness=(0.001, 0.004),
    ),
    "on a desk": Scene(
        LOOSE, True, paper=WHITE, ink=BLACK, grain=(0.01, 0.04), desk=(0.04, 0.2), light=(0.7, 1.0)
    ),
    # A phone's picture: all of it at once, and the sheet held a little askew.
    "photo": Scene(
        LOOSE,
        True,
        pen=-2,
        tilt=8,
        paper=(0.6, 0.95),
        ink=(0.1, 0.35),
        grain=(0.02, 0.06),
        light=(0.4, 0.8),
        shadow=(0.5, 0.9),
    ),
}

CONDITIONS: dict[str, Condition] = {
    "test set": as_it_is,
    **{name: partial(compose, scene) for name, scene in SCENES.items()},
}
