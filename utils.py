"""Pictures, the one way in: safely decoded, and brought to MNIST form by named methods.

Also files, the one way out: written aside and renamed, so that they are whole or not there.
"""

import base64
import binascii
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import config
from enhanced import FAINTEST_RANGE, NoInk, enhance

# Pillow's own limit warns or raises without naming ours, which is checked before any decoding.
Image.MAX_IMAGE_PIXELS = None

Source = bytes | str | Path | Image.Image | np.ndarray

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
FORMAT_NAMES = "PNG, JPEG, WebP, BMP, GIF, TIFF or PNM"
SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"RIFF": "WebP",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
ENOUGH_PIXELS = 1024  # a side; a larger JPEG is decoded at a fraction of its size
MOSTLY_OPAQUE = [0] * 128 + [255] * 128  # by the level of alpha
UNIFORM = 96  # grey levels: opaque pixels that differ less are all ink, without paper


class PictureError(config.ReaderError):
    """A picture that cannot be used."""


class MalformedPicture(PictureError):
    """What was sent is not a picture in the promised form: no base64, numbers out of range."""


class UnsupportedPicture(PictureError):
    """The bytes are of no picture format that is read here."""


class UnreadablePicture(PictureError):
    """A picture of a known format that is damaged, or larger than the limit."""


def decode(source: Source, max_pixels: int = config.Settings.max_pixels) -> Image.Image:
    """Decode a picture, upright and opaque, as a Pillow image of mode L or RGB.

    source: an encoded picture as bytes, path, or base64 text or data URL; a Pillow image; or
    an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), of whole numbers 0-255 or fractions 0-1.
    EXIF orientation is applied; 16 bits become 8; transparency is laid on paper that the ink
    stands out from. Raises MalformedPicture, UnsupportedPicture or UnreadablePicture.
    """
    if isinstance(source, np.ndarray):
        return _opaque(_from_array(source, max_pixels))
    if isinstance(source, Image.Image):
        return _opaque(_loaded(source, max_pixels))
    if isinstance(source, str):
        source = _from_base64(source)
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except (OSError, ValueError) as fault:  # ValueError: a name that no file can have
            raise UnreadablePicture(f"the picture file cannot be read: {fault}") from None
    return _opaque(_from_bytes(source, max_pixels))


def _from_base64(text: str) -> bytes:
    """Return the bytes of base64 text, plain or as a data URL (RFC 2397)."""
    match = re.match(r"data:[^,]{0,200}?;base64,", text)
    if text.startswith("data:") and not match:
        raise MalformedPicture("the data URL is not base64: it must begin data:image/…;base64,")
    try:
        return base64.b64decode("".join(text[match.end() if match else 0 :].split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedPicture(
            "the text is not valid base64: send the picture file's bytes in base64, "
            "or a data URL that begins data:image/png;base64,"
        ) from None


def _from_bytes(content: bytes, max_pixels: int) -> Image.Image:
    if not content:
        raise UnsupportedPicture(f"the picture is empty (0 bytes): send a {FORMAT_NAMES} file")
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Exception:  # a damaged header makes Pillow's readers raise almost anything
        kind = next((kind for start, kind in SIGNATURES.items() if content.startswith(start)), None)
        if kind:
            raise UnreadablePicture(
                f"the {kind} picture is damaged or cut short ({len(content):,} bytes): "
                "send the whole file"
            ) from None
        raise UnsupportedPicture(
            f"these {len(content):,} bytes are not a picture that is read here: "
            f"send a {FORMAT_NAMES} file"
        ) from None
    return _loaded(picture, max_pixels)


def _loaded(picture: Image.Image, max_pixels: int) -> Image.Image:
    """Decode the pixels of an opened picture, within the limit, and turn it upright."""
    _check_size(picture, max_pixels)
    try:
        if picture.format in ("JPEG", "MPO"):  # MPO: several JPEGs in one file, as phones write
            picture.draft(picture.mode, (ENOUGH_PIXELS, ENOUGH_PIXELS))
        picture.load()
        return ImageOps.exif_transpose(picture)
    except Exception as fault:  # as above, for damaged contents
        raise UnreadablePicture(
            f"the {picture.format or 'given'} picture is damaged or cut short ({fault}): "
            "send the whole file"
        ) from None


def _from_array(array: np.ndarray, max_pixels: int) -> Image.Image:
    """Turn an array of pixels into a Pillow image of mode L, RGB or RGBA."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise MalformedPicture(
            f"the pixels have the shape {array.shape}: expected (height, width), "
            "or (height, width, 3 or 4) in colour"
        )
    if array.shape[0] * array.shape[1] > max_pixels:
        raise _too_large(array.shape[1], array.shape[0], max_pixels)
    if array.dtype.kind == "b":
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf":
        raise MalformedPicture(f"the pixels are {array.dtype}: expected numbers 0-255 or 0-1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # also true of NaN
        raise MalformedPicture(f"the pixels run from {low:g} to {high:g}: expected 0-255 or 0-1")
    fractions = high <= 1 and (np.issubdtype(array.dtype, np.floating) or high > low)
    return Image.fromarray(np.rint(array * (255.0 if fractions else 1.0)).astype(np.uint8))


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise _too_large(picture.width, picture.height, max_pixels)
    if not picture.width * picture.height:
        raise MalformedPicture(f"the picture is {picture.width}x{picture.height}: it is empty")


def _too_large(width: int, height: int, max_pixels: int) -> UnreadablePicture:
    return UnreadablePicture(
        f"the picture is {width}x{height} = {width * height:,} pixels: "
        f"at most {max_pixels:,} are accepted"
    )


def _opaque(picture: Image.Image) -> Image.Image:
    """Return the picture as mode L or RGB, transparency laid on fitting paper."""
    if picture.mode in ("L", "RGB"):
        if "transparency" not in picture.info:
            return picture
    elif picture.mode[0] in "IF":  # 16 or 32 bits, whole or floating
        return _eight_bits(picture)
    if picture.has_transparency_data:
        return _on_paper(picture if picture.mode in ("LA", "RGBA") else picture.convert("RGBA"))
    return picture.convert("L" if picture.mode == "1" else "RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = np.array(picture, np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    high = float(values.max())
    values *= 255.0 / next((top for top in (1.0, 255.0, 65_535.0) if high <= top), high)
    return Image.fromarray(np.clip(values, 0.0, 255.0, out=values).astype(np.uint8))


def _on_paper(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture (mode LA or RGBA) on paper that its ink stands out from.

    Where what is opaque is of one brightness it is all ink: white paper for dark, black for
    light. Otherwise it has a paper of its own, which is most of it and is continued.
    """
    *colours, alpha = picture.split()
    grey = colours[0] if _alike(colours) else None
    opaque = picture.convert("RGB") if grey is None else grey
    if alpha.getextrema()[0] == 255:
        return opaque
    brightness = grey or picture.convert("L")
    counts = brightness.histogram(alpha.point(MOSTLY_OPAQUE))
    if not any(counts):
        counts = brightness.histogram(alpha)
    if not any(counts):
        paper = 255.0
    else:
        dark, paper, light = _percentiles(counts, 5, 50, 95)
        if light - dark <= UNIFORM:
            paper = 255.0 if paper < 128 else 0.0
    sheet = Image.new(opaque.mode, picture.size, (round(paper),) * len(opaque.getbands()))
    sheet.paste(opaque, (0, 0), alpha)
    return sheet


def _alike(bands: Sequence[Image.Image]) -> bool:
    """Tell if all bands (mode L) are the same: the picture is grey."""
    return len({band.tobytes() for band in bands}) == 1


def _percentiles(counts: list[int], *percents: float) -> list[float]:
    """Return what np.percentile would of pixels of which these are the counts by level."""
    up_to = np.cumsum(counts)
    places = np.array(percents) / 100 * (up_to[-1] - 1)
    below, above = (np.searchsorted(up_to, p, "right") for p in (np.floor(places), np.ceil(places)))
    return (below + (above - below) * (places % 1)).tolist()


def to_mnist_form(picture: Image.Image, method: str = config.DEFAULT_PREPROCESSING) -> np.ndarray:
    """Bring a decoded picture to MNIST form, (28, 28, 1) float32 in [0, 1], ink 1 on paper 0.

    method: one of `METHODS`. Raises NoInk for a blank page, MalformedPicture for an
    unknown method or a picture that the method cannot take.
    """
    check_method(method)
    return METHODS[method](_grey(picture))


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
    if _alike(glance.split()) and _alike(bands := picture.split()):
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
