"""Small pictures that several tests send."""

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image, ImageDraw


def drawing() -> Image.Image:
    """A black hook on white, 40x30, that looks different however it is turned or mirrored."""
    picture = Image.new("L", (40, 30), 255)
    ImageDraw.Draw(picture).line([(6, 4), (6, 24), (30, 24), (30, 18)], fill=0, width=3)
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def png(width: int, height: int, depth: int, colour: int, row: bytes) -> bytes:
    """Build a PNG of equal rows by hand, for what Pillow does not write."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" + row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@cache
def blank_png(width: int, height: int, grey: int = 255) -> bytes:
    """Return the bytes of an even grey PNG, without ever holding its pixels."""
    if grey == 255:  # a bit a pixel: large ones are sooner made
        return png(width, height, 1, 0, b"\xff" * ((width + 7) // 8))
    return png(width, height, 8, 0, bytes([grey]) * width)
