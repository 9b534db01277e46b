"""A picture safely decoded, whatever bytes come: upright, opaque, of mode L or RGB, or refused."""

import base64
import binascii
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

import config
from containers import FORMAT_NAMES, ORIENTATION_TAG, NotRead, kind_of, take_apart

# Pillow's own limit warns or raises without naming ours, which is checked before any decoding.
Image.MAX_IMAGE_PIXELS = None

Source = bytes | str | Path | Image.Image | np.ndarray

READERS: dict[str, Callable[[io.BytesIO], Image.Image]] = {  # no other of Pillow's is ever asked
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
TURNS = {  # from as it is stored, by EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
WHITESPACE = b" \t\r\n\v\f"  # of base64 text, which some encoders break into lines
ENOUGH_SIDE = 1024  # pixels of the shorter side: a picture of twice that is shrunk to a fraction
ENOUGH_PIXELS = 2**23  # and so is one of more than these, however narrow
FRACTIONS = (1, 2, 4, 8)  # those that a JPEG can be decoded at
STRIP = 256  # rows that are shrunk at a time, so that no second copy of a large picture is made
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

    source: a PNG, JPEG, WebP, BMP or GIF file as bytes, path, or base64 text or data URL; a
    Pillow image; or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), of whole numbers 0-255
    or fractions 0-1. Of several frames the first is taken. EXIF orientation is applied; 16 bits
    become 8; transparency is laid on paper that the ink stands out from; what is larger than
    `ENOUGH_SIDE` and `ENOUGH_PIXELS` say comes out at a fraction of its size.
    Raises MalformedPicture, UnsupportedPicture or UnreadablePicture.
    """
    if isinstance(source, np.ndarray):
        picture = _from_array(source, max_pixels)
        return _opaque(_shrunk(picture, _fraction(*picture.size)))
    if isinstance(source, Image.Image):
        _check_size(source.size, max_pixels)
        return _finished(source, _fraction(*source.size))
    if isinstance(source, str):
        source = from_base64(source)
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except (OSError, ValueError) as fault:  # ValueError: a name that no file can have
            raise UnreadablePicture(f"the picture file cannot be read: {fault}") from None
    return _from_bytes(source, max_pixels)


def from_base64(text: str) -> bytes:
    """Return the bytes of base64 text, plain or as a data URL (RFC 2397)."""
    match = re.match(r"data:[^,]{0,200}?;base64,", text)
    if text.startswith("data:") and not match:
        raise MalformedPicture("the data URL is not base64: it must begin data:image/…;base64,")
    try:
        data = text[match.end() if match else 0 :].encode("ascii").translate(None, WHITESPACE)
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedPicture(
            "the text is not valid base64: send the picture file's bytes in base64, "
            "or a data URL that begins data:image/png;base64,"
        ) from None


def _from_bytes(content: bytes, max_pixels: int) -> Image.Image:
    """Decode the first picture of a file, within the limit, and turn it upright."""
    if not content:
        raise UnsupportedPicture(f"the picture is empty (0 bytes): send {FORMAT_NAMES}")
    try:
        parts = take_apart(content)
    except NotRead as fault:
        raise UnsupportedPicture(str(fault)) from None
    except Exception as fault:
        raise _damaged(kind_of(content), fault) from None
    _check_size(parts.size, max_pixels)
    try:
        picture = READERS[parts.kind](io.BytesIO(parts.content))
    except Exception as fault:  # a damaged header makes Pillow's readers raise almost anything
        raise _damaged(parts.kind, fault) from None
    if picture.size != parts.size:  # what was judged is not what would be allocated
        raise _damaged(parts.kind, "its header tells two sizes")
    width, height = picture.size
    fraction = _fraction(width, height)
    if parts.kind == "JPEG" and fraction > 1:  # the decoder shrinks it, of a process that it can
        picture.draft(None, (width // fraction, height // fraction))
        fraction = 1
    return _finished(picture, fraction, parts.orientation)


def _finished(picture: Image.Image, fraction: int, orientation: int | None = None) -> Image.Image:
    """Decode the pixels of an opened picture, and shrink them by the fraction.

    orientation: as EXIF counts it; None: as Pillow finds it in the picture.
    """
    try:
        picture.load()
        if orientation is None:
            orientation = picture.getexif().get(ORIENTATION_TAG, 1)
        turn = TURNS.get(orientation)
        small = _shrunk(picture, fraction)
        return _opaque(small if turn is None else small.transpose(turn))
    except Exception as fault:  # as above, for damaged contents
        raise _damaged(picture.format, fault) from None


def _damaged(kind: str | None, fault: Exception | str) -> UnreadablePicture:
    return UnreadablePicture(
        f"the {kind or 'given'} picture is damaged or cut short ({fault}): send the whole file"
    )


def _from_array(array: np.ndarray, max_pixels: int) -> Image.Image:
    """Turn an array of pixels into a Pillow image of mode L, RGB or RGBA."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise MalformedPicture(
            f"the pixels have the shape {array.shape}: expected (height, width), "
            "or (height, width, 3 or 4) in colour"
        )
    _check_size((array.shape[1], array.shape[0]), max_pixels)
    if array.dtype.kind == "b":
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf":
        raise MalformedPicture(f"the pixels are {array.dtype}: expected numbers 0-255 or 0-1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # also true of NaN
        raise MalformedPicture(f"the pixels run from {low:g} to {high:g}: expected 0-255 or 0-1")
    fractions = high <= 1 and (np.issubdtype(array.dtype, np.floating) or high > low)
    return Image.fromarray(np.rint(array * (255.0 if fractions else 1.0)).astype(np.uint8))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UnreadablePicture(
            f"the picture is {width}x{height} = {width * height:,} pixels: "
            f"at most {max_pixels:,} are accepted"
        )
    if not width * height:
        raise MalformedPicture(f"the picture is {width}x{height}: it is empty")


def _fraction(width: int, height: int) -> int:
    """Return by how much a picture of this size is shrunk: 1, not at all, 2, 4 or 8."""
    spared = min(width, height) // ENOUGH_SIDE
    by_side = max(fraction for fraction in FRACTIONS if fraction <= max(spared, 1))
    small = (f for f in FRACTIONS if width * height <= ENOUGH_PIXELS * f * f)
    return max(by_side, next(small, FRACTIONS[-1]))


def _shrunk(picture: Image.Image, fraction: int) -> Image.Image:
    """Return the picture, or a fraction of its size as mode L, RGB or RGBA."""
    if fraction == 1:
        return picture
    high, size = _highest(picture), tuple(-(-side // fraction) for side in picture.size)
    small: Image.Image | None = None
    for top in range(0, picture.height, STRIP):
        bottom = min(top + STRIP, picture.height)
        strip = _eight_bits(picture.crop((0, top, picture.width, bottom)), high).reduce(fraction)
        small = small or Image.new(strip.mode, (size[0], size[1]))
        small.paste(strip, (0, top // fraction))
    return small or picture


def _highest(picture: Image.Image) -> float:
    """Return the highest value of a picture of more than 8 bits; of any other, 255."""
    if picture.mode == "F":
        return float(np.nan_to_num(np.array(picture), nan=0.0, posinf=0.0, neginf=0.0).max())
    return float(np.max(picture.getextrema())) if picture.mode[0] == "I" else 255.0


def _eight_bits(picture: Image.Image, high: float) -> Image.Image:
    """Return the picture as mode L, RGB, or RGBA if it has any transparency.

    high: its highest value, by which 16 or 32 bits, whole or floating, are told apart.
    """
    if picture.mode[0] in "IF":
        values = np.array(picture, np.float32)
        if picture.mode == "F":
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        values *= 255.0 / next((top for top in (1.0, 255.0, 65_535.0) if high <= top), high)
        return Image.fromarray(np.clip(values, 0.0, 255.0, out=values).astype(np.uint8))
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """Return the picture as mode L or RGB, transparency laid on fitting paper."""
    picture = _eight_bits(picture, _highest(picture))
    return _on_paper(picture) if picture.mode == "RGBA" else picture


def _on_paper(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture (mode RGBA) on paper that its ink stands out from.

    Where what is opaque is of one brightness it is all ink: white paper for dark, black for
    light. Otherwise it has a paper of its own, which is most of it and is continued.
    """
    *colours, alpha = picture.split()
    grey = colours[0] if alike(colours) else None
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


def alike(bands: Sequence[Image.Image]) -> bool:
    """Tell if all bands (mode L) are the same: the picture is grey."""
    return len({band.tobytes() for band in bands}) == 1


def _percentiles(counts: list[int], *percents: float) -> list[float]:
    """Return what np.percentile would of pixels of which these are the counts by level."""
    up_to = np.cumsum(counts)
    places = np.array(percents) / 100 * (up_to[-1] - 1)
    below, above = (np.searchsorted(up_to, p, "right") for p in (np.floor(places), np.ceil(places)))
    return (below + (above - below) * (places % 1)).tolist()
