"""Pictures, the one way in: safely decoded, and brought to MNIST form by named methods.

Also files, the one way out: written aside and renamed, so that they are whole or not there.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

import config
from containers import FORMAT_NAMES
from decoding import (
    MalformedPicture,
    PictureError,
    Source,
    UnreadablePicture,
    UnsupportedPicture,
    alike,
    decode,
    from_base64,
)
from enhanced import FAINTEST_RANGE, Box, NoInk, enhance
from enhanced import located as locate_enhanced

__all__ = [  # what is imported from here, wherever it is made
    "FORMAT_NAMES",
    "METHODS",
    "Box",
    "MalformedPicture",
    "PictureError",
    "Source",
    "UnreadablePicture",
    "UnsupportedPicture",
    "atomic_path",
    "basic",
    "check_method",
    "decode",
    "from_base64",
    "located",
    "none",
    "to_mnist_form",
]


WHOLE = Box(0.0, 0.0, 1.0, 1.0)  # what every method but `enhanced` takes


def to_mnist_form(picture: Image.Image, method: str = config.DEFAULT_PREPROCESSING) -> np.ndarray:
    """Bring a decoded picture to MNIST form, (28, 28, 1) float32 in [0, 1], ink 1 on paper 0.

    method: one of `METHODS`. Raises NoInk for a blank page, MalformedPicture for an
    unknown method or a picture that the method cannot take.
    """
    check_method(method)
    return METHODS[method](_grey(picture))


def located(picture: Image.Image, method: str) -> tuple[np.ndarray, Box]:
    """Do what `to_mnist_form` does; also say what part of the picture the image shows."""
    if method == "enhanced":
        return locate_enhanced(_grey(picture))
    return to_mnist_form(picture, method), WHOLE


def check_method(method: str) -> None:
    """Raise MalformedPicture unless `method` is one of `METHODS`."""
    if method not in METHODS:
        raise MalformedPicture(f"preprocessing {method!r} is unknown: choose {', '.join(METHODS)}")


def _grey(picture: Image.Image) -> Image.Image:
    """Return mode L: brightness, or that of red, green and blue which shows the ink best.

    Yellow on white, or red on blue, hardly differ in brightness but do in one of the colours.
    """
    if picture.mode == "L":
        return picture
    # Grey in colour's form, as most drawings are; a glance at few pixels spares photos the rest.
    glance = picture.resize((8, 8), Image.Resampling.NEAREST)
    if alike(glance.split()) and alike(bands := picture.split()):
        return bands[0]
    few = picture.resize((min(64, picture.width), min(64, picture.height)), Image.Resampling.BOX)
    ranges = [np.ptp(np.asarray(band)) for band in few.split()]
    if np.ptp(np.asarray(few.convert("L"))) < 0.5 * max(ranges):
        return picture.getchannel(int(np.argmax(ranges)))
    return picture.convert("L")


def basic(grey: Image.Image) -> np.ndarray:
    """Do what most tutorials do: turn dark-on-light round and squash the picture to 28x28."""
    side = config.IMAGE_SIZE
    pixels = np.asarray(grey, np.uint8)
    if np.ptp(pixels) < FAINTEST_RANGE:
        raise NoInk
    squashed = np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
    image = 1.0 - squashed if pixels.mean() > 127 else squashed
    return image[..., None]


def none(grey: Image.Image) -> np.ndarray:
    """Take a picture that is in MNIST form already, light on dark and 28x28, as it is."""
    side = config.IMAGE_SIZE
    if grey.size != (side, side):
        raise MalformedPicture(
            f"the picture is {grey.width}x{grey.height}: without preprocessing it must be "
            f"{side}x{side}, light on dark, centred; otherwise use enhanced"
        )
    image = np.asarray(grey, np.float32)[..., None] / 255
    if np.ptp(image) == 0:
        raise NoInk
    return image


METHODS: dict[str, Callable[[Image.Image], np.ndarray]] = {
    "enhanced": enhance,
    "basic": basic,
    "none": none,
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; rename it on success, remove it on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
