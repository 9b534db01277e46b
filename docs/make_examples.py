"""Make the page's example pictures: digits written by strokes or taken from the test set, on paper.

    python docs/make_examples.py

Writes page/examples/*, the same files each time; `page/gallery.py` says what each shows.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import config  # noqa: E402
import load_mnist_local  # noqa: E402
import paper  # noqa: E402
import strokes  # noqa: E402
import utils  # noqa: E402

EXAMPLES = ROOT / "page" / "examples"
SIDE = 320  # pixels of a drawing
SHEET = (300, 400)  # pixels of a photographed sheet
FOUR_OR_NINE = 4_823  # in the test set: the model gives both about half
Picture = Image.Image
Lines = tuple[str, ...]

# Points in hundredths of a square that a hand goes through, as in strokes.py.
GAPPED_EIGHT = (
    "62,18 48,10 36,20 38,34 47,43",
    "58,50 68,62 66,80 52,90",
    "42,89 31,76 37,58 62,37",
)
LETTER = ("24,90 24,90 50,10 50,10 76,90", "34,62 66,62")
SCRIBBLE = (
    "12,40 30,18 34,70 48,22 52,78 64,20 70,74 84,26 88,60 20,56 80,44 26,30 74,84 40,12 58,90",
)
LIGHT = paper.Scene(paper=(0.92, 0.92), ink=(0.15, 0.15), grain=(0.02, 0.02))
SHADED = paper.Scene(
    paper=(0.85, 0.85), ink=(0.2, 0.2), grain=(0.03, 0.03), light=(0.6, 0.6), shadow=(0.6, 0.6)
)
DESK = paper.Scene(
    paper=(0.9, 0.9), ink=(0.2, 0.2), grain=(0.02, 0.02), light=(0.7, 0.7), desk=(0.12, 0.12)
)


def written(
    lines: Lines,
    width: float,
    size: tuple[int, int] = (SIDE, SIDE),
    height: float = 0.7,
    place: tuple[float, float] = (0.5, 0.5),
) -> Picture:
    """Write strokes on a field: mode L, ink 255.

    width: of the pen, as a share of the writing's height; height: of the field's width; place:
    of the writing's middle, in shares of the field.
    """
    curves = [strokes.curve(strokes.points(line)) for line in lines]
    chance = np.random.default_rng(1)
    ink = strokes.draw(curves, round(height * size[0]), strokes.Pen(width), chance)
    field = Image.new("L", size)
    left, top = place[0] * size[0] - ink.width / 2, place[1] * size[1] - ink.height / 2
    field.paste(ink, (round(left), round(top)))
    return field


def on_white(field: Picture) -> Picture:
    """Return ink as black on white."""
    return ImageOps.invert(field)


def photographed(scene: paper.Scene, field: Picture, chance: int) -> Picture:
    """Return ink on a sheet in that light; chance: a seed, tried until light and shadow show."""
    return paper.photograph(scene, field, np.random.default_rng(chance))


def four_or_nine() -> Picture:
    """Return a digit of the test set that could be both, written on a sheet."""
    images = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    image = (images[FOUR_OR_NINE] / np.float32(255))[..., None]
    scene = replace(LIGHT, size=(0.6, 0.6))
    return paper.compose(scene, image, np.random.default_rng(1), (SIDE, SIDE))


def on_ruled_paper(field: Picture) -> Picture:
    """Return ink on lines and the margin of an exercise book."""
    sheet = Image.new("RGB", field.size, "#fbf9f2")
    pen = ImageDraw.Draw(sheet)
    for height in range(22, field.height, 34):
        pen.line([(0, height), (field.width, height)], "#a9c4e0", 2)
    pen.line([(48, 0), (48, field.height)], "#e6a5a5", 2)
    sheet.paste("#26418f", (0, 0), field)
    return sheet


def chalk(field: Picture) -> Picture:
    """Return ink as chalk on a blackboard."""
    dust = np.random.default_rng(1).normal(0, 9, (*field.size[::-1], 3))
    board = Image.new("RGB", field.size, "#26382f")
    board.paste("#e8e6dc", (0, 0), field)
    return Image.fromarray(np.clip(np.asarray(board) + dust, 0, 255).astype(np.uint8))


def examples() -> dict[str, Callable[[], Picture]]:
    """Return by file name what makes each picture."""
    shape = strokes.DIGITS
    return {
        "two.png": lambda: on_white(written(shape[2][0], 0.11)),
        "gaps.png": lambda: on_white(written(GAPPED_EIGHT, 0.07)),
        "four_or_nine.jpg": four_or_nine,
        "hairline.png": lambda: on_white(written(shape[3][0], 0.012)),
        "marker.png": lambda: on_white(written(shape[5][0], 0.2)),
        "corner.png": lambda: on_white(written(shape[1][3], 0.1, height=0.2, place=(0.82, 0.8))),
        "photo.jpg": lambda: photographed(SHADED, written(shape[9][0], 0.06, SHEET, 0.5), 5),
        "desk.jpg": lambda: photographed(DESK, written(shape[4][1], 0.07, SHEET, 0.45), 2),
        "ruled.png": lambda: on_ruled_paper(
            written(shape[7][2], 0.05, height=0.6, place=(0.58, 0.5))
        ),
        "chalk.jpg": lambda: chalk(written(shape[6][0], 0.09, height=0.6)),
        "letter.png": lambda: on_white(written(LETTER, 0.09)),
        "scribble.png": lambda: on_white(written(SCRIBBLE, 0.04)),
    }


def main(argv: list[str] | None = None) -> int:
    """Make all pictures; return the exit status."""
    argparse.ArgumentParser(prog="make_examples.py", description=__doc__).parse_args(argv)
    for name, make in examples().items():
        with utils.atomic_path(EXAMPLES / name) as file:
            picture = make()
            if file.suffix == ".png":
                picture = picture.quantize(32)
            picture.save(file, optimize=True, quality=75)
        print(f"{name}: {(EXAMPLES / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
