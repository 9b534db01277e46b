"""What holds for every input of the decoder, and how to damage a picture below its checksums."""

import base64
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import BmpImagePlugin, Image, PngImagePlugin

import config
from decoding import PictureError, decode
from enhanced import NoInk
from utils import to_mnist_form

CORPUS = Path(__file__).resolve().parent / "fuzz_corpus"
TEXT = b"data:"  # what begins so is sent as text
FEW_PIXELS = 2**20  # the limit of most inputs, so that many can be tried in a second
# What Pillow is never to be asked for, however a file is damaged: each unpacks or walks what a
# stranger wrote without a bound of ours.
NEVER = (
    (Image.Exif, "load"),
    (Image.Exif, "load_from_fp"),
    (PngImagePlugin, "_safe_zlib_decompress"),
    (PngImagePlugin.PngStream, "chunk_tEXt"),
    (PngImagePlugin.PngStream, "chunk_iTXt"),
    (PngImagePlugin.PngStream, "chunk_fcTL"),
    (BmpImagePlugin.BmpRleDecoder, "decode"),
)
PNG_MARK = b"\x89PNG\r\n\x1a\n"


class Asked(BaseException):
    """Pillow was asked for one of NEVER. No Exception: the decoder takes any for damage."""


def refuse(*arguments: object) -> object:
    """Stand in for one of NEVER."""
    raise Asked


def check(content: bytes) -> bool:
    """Decode, and say whether it was read; anything but a picture or a promised refusal raises.

    One input in 32 is decoded under the default limit of pixels, and one in 4 goes on to MNIST
    form; which ones follows from their bytes, so that a finding can be repeated.
    """
    drawn = zlib.crc32(content)
    most = config.Settings.max_pixels if drawn % 32 == 0 else FEW_PIXELS
    source = content.decode("latin-1") if content.startswith(TEXT) else content
    try:
        picture = decode(source, most)
    except PictureError as fault:
        assert str(fault)
        return False
    assert picture.mode in ("L", "RGB")
    assert not picture.has_transparency_data
    assert 0 < picture.width * picture.height <= most
    if drawn % 4 == 0:
        try:
            image = to_mnist_form(picture, "enhanced")
        except NoInk as fault:
            assert str(fault)
            return True
        assert image.shape == (28, 28, 1)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert 0 < image.max() <= 1
    return True


def damaged(content: bytes, alter: Callable[[bytes], bytes], below: bool) -> bytes:
    """Alter a picture so that the damage gets past the checksums.

    alter: returns other bytes than it is given. below: alter what is packed, the pixels of a PNG
    or the picture in a data URL, and pack it again; otherwise the file as it is, with its
    checksums made to fit.
    """
    if content.startswith(TEXT) and below:
        head, _, packed = content.partition(b",")
        return head + b"," + base64.b64encode(damaged(_decoded(packed), alter, False))
    if content.startswith(PNG_MARK):
        return _sealed(content if below else alter(content), alter if below else None)
    return alter(content)


def _decoded(packed: bytes) -> bytes:
    try:
        return base64.b64decode(packed)
    except ValueError:
        return packed


def _sealed(content: bytes, alter: Callable[[bytes], bytes] | None) -> bytes:
    """Return a PNG with fitting checksums and, if asked for, its packed pixels altered."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        place += 12 + length
        if name == b"IDAT" and alter:
            body, alter = _repacked(body, alter), None
        checksum = struct.pack(">I", zlib.crc32(name + body))
        parts.append(struct.pack(">I", len(body)) + name + body + checksum)
    return b"".join(parts) + content[place:]


def _repacked(body: bytes, alter: Callable[[bytes], bytes]) -> bytes:
    try:
        return zlib.compress(alter(zlib.decompressobj().decompress(body, 100_000)), 1)
    except zlib.error:
        return alter(body)
