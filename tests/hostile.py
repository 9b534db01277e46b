"""Small files that ask a reader for much memory or time, each a fault that pictures are sent with.

Every builder returns the file and what is to come of it: the size of the picture that is read, or
words of the refusal.
"""

import io
import struct
import zlib
from collections.abc import Callable

from jpegs import frame, header_only
from PIL import Image
from samples import chunk, drawing, encoded, png

Expected = tuple[int, int] | str
MOST_BYTES = 16 * 1024 * 1024  # of a request's body
AS_DRAWN = (40, 30)
PNG, JPEG, GIF = (encoded(drawing(), kind) for kind in ("PNG", "JPEG", "GIF"))
ZEROS = zlib.compress(bytes(200_000_000), 9)  # 200 MB in 200 kB
HUGE_EXIF = struct.pack("<2sHIH", b"II", 42, 8, 65_535) + b"".join(
    struct.pack("<HHII", tag, 7, 700_000, 0) for tag in range(65_535)
)  # 65,535 entries that each name the whole of it: 46 GB if all are read
LOOP = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x8769, 4, 1, 8, 8)  # leads to itself, twice


def png_with(*chunks: bytes, after: bool = False) -> bytes:
    """Return the drawing as PNG, with more chunks after its header, or after its pixels."""
    place = len(PNG) - 12 if after else 33
    return PNG[:place] + b"".join(chunks) + PNG[place:]


def swallowing() -> bytes:
    """Return pixels that hold a chunk of text, and after them one that ends beyond the file."""
    hidden = chunk(b"zTXt", b"a\0\0" + ZEROS)
    return chunk(b"IDAT", bytes(9) + hidden) + struct.pack(">I", 21) + b"tRNS"


def jpeg_with(*segments: bytes) -> bytes:
    parts = (struct.pack(">BBH", 0xFF, part[0], len(part) + 1) + part[1:] for part in segments)
    return JPEG[:2] + b"".join(parts) + JPEG[2:]


def flooded(part: bytes, around: Callable[[bytes], bytes]) -> bytes:
    """Return a file of nearly the largest size, filled up with one small part, many times."""
    return around(part * ((MOST_BYTES - 10_000) // len(part)))


def gif_with(blocks: bytes) -> bytes:
    start = GIF.index(b",", 13)
    return GIF[:start] + blocks + GIF[start:]


def gif_of(screen: tuple[int, int], frame: tuple[int, int], disposal: int) -> bytes:
    """Return a GIF of a few bytes that announces these sizes."""
    control = b"!\xf9\4" + bytes([disposal << 2, 0, 0, 0, 0])
    image = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2\x4c\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0) + control + image + b";"


def bmp_of(size: tuple[int, int], compression: int, body: bytes) -> bytes:
    palette = b"".join(bytes([level, level, 128, 0]) for level in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, compression, len(body), 1, 1, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body


def webp_with(name: bytes, body: bytes, size: tuple[int, int] = AS_DRAWN) -> bytes:
    """Return the drawing as WebP in the extended form, with one more chunk."""

    def part(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    width, height = (struct.pack("<I", side - 1)[:3] for side in size)
    frame = encoded(drawing(), "WEBP")[12:]
    parts = part(b"VP8X", b"\x08\0\0\0" + width + height) + frame + part(name, body)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def webp_flooded(count: int) -> bytes:
    """Return the drawing as WebP, and after it this many empty chunks of no known name."""
    content = webp_with(b"abcd", b"") + b"abcd\0\0\0\0" * count
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def many_scans(times: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG whose last scan, of few bytes however large it is, comes many times."""
    plain = Image.new("RGB", size, (250, 240, 230))
    content = encoded(plain, "JPEG", progressive=True, subsampling=0)
    last = content[content.rindex(b"\xff\xc4") : -2]
    return content[:-2] + last * times + content[-2:]


def animated_png(disposal: int) -> bytes:
    """Return a PNG of 49 megapixels in few bytes, the first frame of an animation."""
    content = png(7000, 7000, 1, 0, bytes(875))
    control = struct.pack(">5I2H2B", 0, 7000, 7000, 0, 0, 1, 1, disposal, 0)
    frames = chunk(b"acTL", struct.pack(">II", 1000, 0)) + chunk(b"fcTL", control)
    return content[:33] + frames + content[33:]


def frames(kind: str, count: int) -> bytes:
    """Return the drawing, and after it many frames of something else."""
    other = [Image.new("L", AS_DRAWN, level % 200) for level in range(count - 1)]
    return encoded(drawing(), kind, save_all=True, append_images=other, duration=20)


def narrow(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, 200).save(file, "JPEG")
    return file.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], Expected]] = {
    "PNG, packed text of 200 MB": (
        lambda: png_with(chunk(b"zTXt", b"a\0\0" + ZEROS), chunk(b"iTXt", b"a\0\1\0\0\0" + ZEROS)),
        AS_DRAWN,
    ),
    "PNG, packed text after the pixels": (
        lambda: png_with(chunk(b"zTXt", b"a\0\0" + ZEROS), after=True),
        AS_DRAWN,
    ),
    "PNG, colour profile of 200 MB": (
        lambda: png_with(chunk(b"iCCP", b"a\0\0" + ZEROS)),
        AS_DRAWN,
    ),
    "PNG, EXIF of 46 GB": (lambda: png_with(chunk(b"eXIf", HUGE_EXIF)), AS_DRAWN),
    "PNG, EXIF that leads to itself": (lambda: png_with(chunk(b"eXIf", LOOP)), AS_DRAWN),
    "PNG, a chunk that would swallow the pixels": (
        lambda: PNG[:33] + swallowing(),
        "ends beyond the file",
    ),
    "PNG, a million empty data chunks": (
        lambda: flooded(chunk(b"IDAT", b""), png_with),
        "more than 10,000 chunks",
    ),
    "PNG, a million chunks of text": (
        lambda: flooded(chunk(b"tEXt", b"a\0b"), lambda parts: png_with(parts, after=True)),
        "more than 10,000 chunks",
    ),
    "PNG, pixels that go on": (
        lambda: png(40, 30, 8, 0, bytes(5_000_000)),
        AS_DRAWN,
    ),
    "animated PNG of 49 megapixels": (lambda: animated_png(1), (1750, 1750)),
    "JPEG, a million pieces of EXIF": (
        lambda: flooded(b"\xff\xe1\0\x0cExif\0\0abcd", lambda parts: JPEG[:2] + parts + JPEG[2:]),
        "more than 1,000 segments",
    ),
    "JPEG, 900 pieces of EXIF": (
        lambda: jpeg_with(*[b"\xe1Exif\0\0" + bytes(9_000)] * 900),
        AS_DRAWN,
    ),
    "JPEG, EXIF of 65 kB that is read 5,000 times": (
        lambda: jpeg_with(b"\xe1Exif\0\0" + HUGE_EXIF[:65_000]),
        AS_DRAWN,
    ),
    "JPEG, EXIF that leads to itself": (lambda: jpeg_with(b"\xe1Exif\0\0" + LOOP), AS_DRAWN),
    "JPEG, 16 MB of what is no marker": (
        lambda: flooded(b"\xff\0", lambda parts: JPEG[:2] + parts + JPEG[2:]),
        AS_DRAWN,
    ),
    "JPEG, EXIF behind a segment of no length": (
        lambda: JPEG[:2] + b"\xff\xdb\0\0" + jpeg_with(b"\xdb\0\xff\xe1\1\1Exif\0\0")[2:],
        "a length that cannot be",
    ),
    "JPEG, a pixel high": (lambda: narrow((65_500, 1)), (65_500, 1)),
    "JPEG, a pixel wide": (lambda: narrow((1, 65_500)), (1, 65_500)),
    "JPEG of 1,000 scans": (lambda: many_scans(1_000, (816, 612)), "more than 30 scans"),
    "JPEG, lossless": (lambda: header_only(0xC3), "a lossless JPEG picture, which is not read"),
    "JPEG, a second frame of 4 gigapixels": (
        lambda: JPEG[:-2] + frame(0xC0, (65_535, 65_535)) + JPEG[-2:],
        "more than one frame",
    ),
    "GIF, comment of 16 MB": (
        lambda: flooded(b"\xff" + bytes(255), lambda parts: gif_with(b"!\xfe" + parts + b"\0")),
        "more than 10,000 blocks",
    ),
    "GIF, a million comments": (
        lambda: flooded(b"!\xfe\1a\0", gif_with),
        "more than 10,000 blocks",
    ),
    "GIF, a screen of 4 gigapixels": (
        lambda: gif_of((65_535, 65_535), (1, 1), 2),
        "65535x65535",
    ),
    "GIF, a frame of 4 gigapixels": (
        lambda: gif_of((1, 1), (65_535, 65_535), 2),
        "65535x65535",
    ),
    "GIF of 1,000 frames": (lambda: frames("GIF", 1_000), AS_DRAWN),
    "PNG of 1,000 frames": (lambda: frames("PNG", 1_000), AS_DRAWN),
    "WebP of 300 frames": (lambda: frames("WEBP", 300), AS_DRAWN),
    "BMP, run lengths that ask for 12 GB": (
        lambda: bmp_of((50_000_000, 1), 1, b"\0\2\xff\xff" * 100),
        "compressed by run lengths",
    ),
    "BMP, run lengths that are 8 million nothings": (
        lambda: bmp_of((1, 10_000), 2, b"\5\5" * 8_000_000),
        "compressed by run lengths",
    ),
    "BMP, a JPEG in it": (lambda: bmp_of(AS_DRAWN, 4, JPEG), "compressed by JPEG"),
    "BMP, a PNG in it": (lambda: bmp_of(AS_DRAWN, 5, PNG), "compressed by PNG"),
    "BMP of 4 exapixels": (
        lambda: bmp_of((2**31 - 1, -(2**31)), 0, b""),
        "pixels: at most",
    ),
    "BMP, a height that Pillow takes for 4 billion": (
        lambda: bmp_of((1, -(2**24) - 1), 0, b""),
        "its header tells two sizes",
    ),
    "WebP, EXIF of 46 GB": (lambda: webp_with(b"EXIF", HUGE_EXIF), AS_DRAWN),
    "WebP, a million chunks": (
        lambda: webp_flooded(1_000_000),
        "more than 10,000 chunks",
    ),
    "WebP, 9,000 empty chunks": (lambda: webp_flooded(9_000), AS_DRAWN),
    "WebP, a canvas of 281 terapixels": (
        lambda: webp_with(b"abcd", b"", (2**24, 2**24)),
        "16777216x16777216",
    ),
}
