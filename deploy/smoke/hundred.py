"""One hundred pictures with known digits, made of validation digits on paper."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

import paper
from load_mnist_local import load_mnist

SEED = 7
EACH = 10  # pictures of a digit, one a condition
CONDITIONS = (
    "moved",
    "scaled",
    "inverted",
    "thinned",
    "thickened",
    "noisy paper",
    "shaded paper",
    "hard shadow",
    "on a desk",
    "photo",
)
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture file as a person would send it, its content type, and the digit it shows."""

    content: bytes
    content_type: str
    digit: int


@cache
def pictures() -> tuple[Picture, ...]:
    """Return ten pictures of each digit, one under each condition; the same every time."""
    split = load_mnist().validation
    rng = np.random.default_rng(SEED)
    made: list[Picture] = []
    for digit in range(10):
        chosen = rng.choice(np.flatnonzero(split.labels == digit), EACH, replace=False)
        for index, condition in zip(chosen, CONDITIONS, strict=True):
            picture = paper.CONDITIONS[condition](split.images[index], rng)
            made.append(_encoded(picture, list(FORMATS)[len(made) % len(FORMATS)], digit))
    return tuple(made)


def _encoded(picture: Image.Image, kind: str, digit: int) -> Picture:
    file = io.BytesIO()
    picture.save(file, kind)
    return Picture(file.getvalue(), FORMATS[kind], digit)
