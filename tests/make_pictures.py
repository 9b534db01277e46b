"""Compose the pictures that tests and README use, from test-set digits: tests/pictures/.

Run by hand, `python tests/make_pictures.py`, after a change here; it makes the same files
every time.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import config
import load_mnist_local
import paper
import utils

FOLDER = config.ROOT / "tests" / "pictures"
# Which image of the test set stands for each digit: plainly written ones.
CHOSEN = (13, 5, 35, 32, 27, 127, 21, 17, 134, 58)
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EIGHT = 8
SMALL, PHOTO = (280, 280), (800, 600)
UPRIGHT_BY_A_RIGHT_TURN = 6  # EXIF orientation: to be turned 90 degrees clockwise
ORIENTATION_TAG = 0x0112

DRAWN = paper.Scene(size=(0.45, 0.8), anywhere=True)
DRAWN_LARGE = paper.Scene(size=(0.7, 0.7))
CHALK = paper.Scene(size=(0.6, 0.6), anywhere=True, paper=(0.12, 0.12), ink=(0.92, 0.92))
SNAPSHOT = paper.Scene(
    size=(0.5, 0.5),
    anywhere=True,
    pen=-2,
    tilt=5,
    paper=(0.85, 0.85),
    ink=(0.25, 0.25),
    grain=(0.03, 0.03),
    light=(0.6, 0.6),
    shadow=(0.75, 0.75),
)


def make_pictures() -> dict[str, bytes]:
    """Return the content of every picture file by its name."""
    raw = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    digits = load_mnist_local.to_images(raw[list(CHOSEN)])

    def composed(digit: int, scene: paper.Scene, size: tuple[int, int]) -> Image.Image:
        return paper.compose(scene, digits[digit], np.random.default_rng(digit), size)

    files = {
        f"{name}.png": _png(composed(digit, DRAWN, SMALL))
        for digit, name in enumerate(NAMES)
        if digit != EIGHT
    }
    eight = composed(EIGHT, DRAWN_LARGE, SMALL)
    return (
        files
        | _eights(eight)
        | {
            "eight_inverted.png": _png(composed(EIGHT, CHALK, SMALL)),
            "eight_shaded.jpg": _jpeg(composed(EIGHT, SNAPSHOT, PHOTO)),
            "blank.png": _png(Image.new("L", SMALL, 255)),
        }
    )


def _eights(eight: Image.Image) -> dict[str, bytes]:
    """Return one picture in the forms that programs and cameras store."""
    ink = Image.eval(eight, lambda level: 255 - level)
    coloured = Image.composite(
        Image.new("RGB", eight.size, "navy"), Image.new("RGB", eight.size, "ivory"), ink
    )
    turned = Image.Exif()
    turned[ORIENTATION_TAG] = UPRIGHT_BY_A_RIGHT_TURN
    return {
        "eight.png": _png(eight),
        "eight_transparent.png": _png(_on_nothing("black", ink)),
        "eight_white_transparent.png": _png(_on_nothing("white", ink)),
        "eight_rotated_exif.jpg": _jpeg(eight.transpose(Image.Transpose.ROTATE_90), turned),
        "palette.png": _png(coloured.quantize(16)),
        "sixteen_bit.png": _png(Image.fromarray(np.asarray(eight).astype(np.uint16) * 257)),
        "cmyk.jpg": _jpeg(coloured.convert("CMYK")),
    }


def _on_nothing(colour: str, ink: Image.Image) -> Image.Image:
    picture = Image.new("RGBA", ink.size, colour)
    picture.putalpha(ink)
    return picture


def _png(picture: Image.Image) -> bytes:
    return _saved(lambda file: picture.save(file, "PNG", optimize=True))


def _jpeg(picture: Image.Image, exif: Image.Exif | None = None) -> bytes:
    return _saved(lambda file: picture.save(file, "JPEG", quality=80, exif=exif or Image.Exif()))


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def main() -> None:
    """Write every picture."""
    for name, content in make_pictures().items():
        with utils.atomic_path(FOLDER / name) as aside:
            aside.write_bytes(content)
        print(f"{len(content):>8,} bytes  {name}")


if __name__ == "__main__":
    main()
