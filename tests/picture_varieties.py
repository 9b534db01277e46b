"""Valid pictures large enough to be shrunk, of every variety that a decoder has a path for.

Each builder takes draws and returns the file and where its header ends.
"""

import random
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
from jpegs import LAYOUTS, PROCESSES, Factors, flat_blocks, of_process
from PIL import Image
from samples import chunk, encoded

Built = tuple[bytes, int]
Builder = Callable[[random.Random], Built]
# Below, at and above what is shrunk, to every fraction, and narrow; width and height by turns.
SIZES = (
    (1023, 1025),
    (2047, 2049),
    (2048, 2048),
    (2049, 2053),
    (4095, 4097),
    (4096, 4103),
    (129, 65_500),
    (511, 16_383),
    (513, 40_001),
    (1025, 32_771),
)
PASSES = (  # of Adam7: the first column and row, and the steps across and down
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def drawn_size(draws: random.Random, most: int = 65_535) -> tuple[int, int]:
    size = draws.choice([size for size in SIZES if max(size) <= most])
    return size if draws.random() < 0.5 else size[::-1]


def noise(size: tuple[int, int], mode: str, draws: random.Random) -> Image.Image:
    """Return waves with some noise, so that lossy and lossless coders have something to do."""
    width, height = size
    rows, columns = (np.arange(side, dtype=np.float32) for side in (height, width))
    period, strength = draws.randrange(20, 400), draws.choice((0, 0, 20))
    tile = np.random.default_rng(draws.randrange(2**32)).integers(0, strength + 1, (64, 64))
    level = 110 + 90 * np.outer(np.sin(rows / period), np.cos(columns / period))
    level += np.tile(tile, (height // 64 + 1, width // 64 + 1))[:height, :width]
    grey = Image.fromarray(level.astype(np.uint8))
    if mode == "L":
        return grey
    bands = [grey.point([value ^ turned for value in range(256)]) for turned in (0, 16, 32, 48)]
    return Image.merge(mode, bands[: len(mode)])


def jpeg(process: str, mode: str, subsampling: int) -> Builder:
    def build(draws: random.Random) -> Built:
        options = {
            "quality": draws.choice((20, 75, 95)),
            "restart_marker_blocks": draws.choice((0, 0, 1, 7, 100)),
        }
        picture = noise(drawn_size(draws), mode, draws)
        content = of_process(process, picture, subsampling=subsampling, **options)
        if (
            process == "progressive" and draws.random() < 0.5
        ):  # some scans only: the rest is guessed
            scans = [match.start() for match in re.finditer(rb"\xff\xda", content)]
            content = content[: draws.choice(scans[1:])] + b"\xff\xd9"
        return content, content.index(b"\xff\xda") + 14

    return build


def rare_jpeg(factors: Factors) -> Builder:
    def build(draws: random.Random) -> Built:
        size = draws.choice([(2049, 2053), (2048, 2048), (129, 65_500), (65_500, 129)])
        content = flat_blocks(size, factors, draws.choice((0, 1, 50)))
        return content, content.index(b"\xff\xda") + 14

    return build


def png(depth: int, colour: int, interlaced: bool) -> Builder:
    """Return a builder of PNG of any filter, with a transparency where there can be one."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def rows(width: int, height: int, draws: random.Random) -> bytes:
        length = -(-width * depth * channels // 8)
        row = (draws.randbytes(257) * (length // 257 + 1))[:length]
        filters = draws.choices(range(5), k=height)
        return b"".join(bytes([number]) + row for number in filters) if length else b""

    def build(draws: random.Random) -> Built:
        width, height = drawn_size(draws)
        if interlaced:
            data = b"".join(
                rows(-(-(width - x) // across), -(-(height - y) // down), draws)
                for x, y, across, down in PASSES
            )
        else:
            data = rows(width, height, draws)
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
        parts = [chunk(b"IHDR", header)]
        if colour == 3:
            parts.append(chunk(b"PLTE", draws.randbytes(3 * draws.randint(1, 2**depth))))
        if colour in (0, 2, 3) and draws.random() < 0.5:
            known = {0: 2, 2: 6, 3: draws.randint(1, 2**depth)}[colour]
            parts.append(chunk(b"tRNS", draws.randbytes(known)))
        head = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
        packed = chunk(b"IDAT", zlib.compress(data, draws.choice((0, 1))))  # 0: as they are
        return head + packed + chunk(b"IEND", b""), len(head) + 8

    return build


def webp(mode: str, lossless: bool) -> Builder:
    def build(draws: random.Random) -> Built:
        options = {"lossless": lossless, "quality": draws.choice((0, 60))}
        content = encoded(
            noise(drawn_size(draws, 16_383), mode, draws), "WEBP", method=0, **options
        )
        return content, 64

    return build


def gif(interlaced: bool, inside: bool) -> Builder:
    """inside: the frame is within its canvas; otherwise it reaches beyond it."""

    def build(draws: random.Random) -> Built:
        picture = noise(drawn_size(draws), "L", draws)
        options = {"transparency": 3} if draws.random() < 0.5 else {}
        content = encoded(picture, "GIF", interlace=interlaced, **options)
        if not inside:
            canvas = draws.randrange(1, picture.width), draws.randrange(1, picture.height + 999)
            content = content[:6] + struct.pack("<HH", *canvas) + content[10:]
        return content, content.index(b",", 13 + 3 * 256) + 11

    return build


def bmp(bits: int, masks: tuple[int, ...] = (), header: int = 40) -> Builder:
    def build(draws: random.Random) -> Built:
        width, height = drawn_size(draws)
        if width * height * bits > 8 * 16_000_000:
            width, height = 2049, 1500 if bits > 16 else 2053
        body = draws.randbytes(-(-width * bits // 32) * 4) * height
        colours = 2**bits if bits <= 8 else 0
        if header == 12:
            info = struct.pack("<IHHHH", 12, width, height, 1, bits)
            palette = draws.randbytes(3 * colours)
        else:
            stored = height * draws.choice((1, -1))
            fields = (width, stored, 1, bits, 3 if masks else 0, len(body), 1, 1, colours, 0)
            info = struct.pack("<IiiHHIIiiII", header, *fields)
            info += struct.pack(f"<{len(masks)}I", *masks)
            info += bytes(max(0, header - len(info)))
            palette = draws.randbytes(4 * colours)
        start = 14 + len(info) + len(palette)
        head = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + palette
        return head + body, start

    return build


INTERLACED = ("", ", interlaced")
VARIETIES: dict[str, Builder] = {
    **{
        f"JPEG, {process} {mode} {subsampling}": jpeg(process, mode, subsampling)
        for process in PROCESSES
        for mode, subsampling in (("L", 0), ("RGB", 0), ("RGB", 1), ("RGB", 2), ("CMYK", 0))
    },
    **{f"JPEG, {layout}": rare_jpeg(factors) for layout, factors in LAYOUTS.items()},
    **{
        f"PNG, {depth} bits, colour {colour}{INTERLACED[interlaced]}": png(
            depth, colour, interlaced
        )
        for depth, colour in (
            *((depth, 0) for depth in (1, 2, 4, 8, 16)),
            *((depth, 3) for depth in (1, 2, 4, 8)),
            *((depth, colour) for depth in (8, 16) for colour in (2, 4, 6)),
        )
        for interlaced in (False, True)
    },
    "WebP, lossy": webp("RGB", False),
    "WebP, lossy with alpha": webp("RGBA", False),
    "WebP, lossless": webp("RGB", True),
    "WebP, lossless with alpha": webp("RGBA", True),
    **{
        f"GIF, frame {place}{INTERLACED[interlaced]}": gif(interlaced, place == "inside")
        for interlaced in (False, True)
        for place in ("inside", "beyond")
    },
    **{f"BMP, {bits} bits": bmp(bits) for bits in (1, 4, 8, 16, 24, 32)},
    **{f"BMP, {bits} bits, OS/2": bmp(bits, header=12) for bits in (1, 4, 8, 24)},
    "BMP, 5-6-5": bmp(16, (0xF800, 0x7E0, 0x1F)),
    "BMP, 5-5-5": bmp(16, (0x7C00, 0x3E0, 0x1F)),
    "BMP, 32 bits, masks": bmp(32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), header=124),
    "BMP, 32 bits, other masks": bmp(32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF), header=108),
}
