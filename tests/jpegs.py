"""JPEG files that Pillow does not write: of any sampling factors, or of a frame header alone."""

import random
import struct
from collections.abc import Sequence

from PIL import Image
from samples import encoded

Factors = Sequence[tuple[int, int]]  # horizontal and vertical, of each component
PROCESSES = {"baseline": 0xC0, "extended": 0xC1, "progressive": 0xC2}
LAYOUTS: dict[str, Factors] = {
    "4:1:1": ((4, 1), (1, 1), (1, 1)),
    "4:4:0": ((1, 2), (1, 1), (1, 1)),
    "4:1:0": ((4, 2), (1, 1), (1, 1)),
    "3:1": ((3, 1), (1, 1), (1, 1)),
    "1:4": ((1, 4), (1, 1), (1, 1)),
    "chroma finer": ((1, 1), (2, 2), (2, 1)),
    "grey, 4x4": ((4, 4),),
    "CMYK, 2x2": ((2, 2), (1, 1), (1, 1), (2, 2)),
}


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frame(
    marker: int,
    size: tuple[int, int] = (40, 30),
    factors: Factors = ((1, 1),),
    bits: int = 8,
) -> bytes:
    """Return the frame header of a coding process (ITU-T T.81, B.2.2)."""
    width, height = size
    components = (bytes([i + 1, h << 4 | v, 0]) for i, (h, v) in enumerate(factors))
    head = struct.pack(">BHHB", bits, height, width, len(factors))
    return segment(marker, head + b"".join(components))


def header_only(marker: int, bits: int = 8) -> bytes:
    """Return a file of nothing but a frame header: there is nothing in it to decode."""
    return b"\xff\xd8" + frame(marker, bits=bits) + b"\xff\xd9"


def flat_blocks(size: tuple[int, int], factors: Factors, restart: int = 0) -> bytes:
    """Return a baseline JPEG of blocks of one level each, at random but smooth.

    restart: how many groups of blocks there are between two restart markers; 0: no markers.
    """
    width, height = size
    blocks = factors if len(factors) > 1 else ((1, 1),)  # of one component they are not grouped
    widest, highest = (max(pair[axis] for pair in blocks) for axis in (0, 1))
    groups = -(-width // (8 * widest)) * -(-height // (8 * highest))
    draws = random.Random(f"{size} {factors}")
    level, scan, bits = [0] * len(factors), bytearray(), ""
    for group in range(groups):
        if restart and group and group % restart == 0:
            scan += _packed(bits) + bytes([0xFF, 0xD0 + (group // restart - 1) % 8])
            bits = ""
            level = [0] * len(factors)
        for component, (across, down) in enumerate(blocks):
            for _ in range(across * down):
                step = (
                    draws.randint(-3, 3) if abs(level[component]) < 50 else -level[component] // 9
                )
                level[component] += step
                bits += _difference(step) + "0"  # and the end of the block
    quantized = segment(0xDB, b"\0" + bytes([16] * 64))
    huffman = segment(0xC4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    huffman += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
    intervals = segment(0xDD, struct.pack(">H", restart)) if restart else b""
    selected = b"".join(bytes([i + 1, 0]) for i in range(len(factors)))
    start = segment(0xDA, bytes([len(factors)]) + selected + b"\0\x3f\0")
    parts = (quantized, frame(PROCESSES["baseline"], size, factors), huffman, intervals, start)
    return b"\xff\xd8" + b"".join(parts) + bytes(scan) + _packed(bits) + b"\xff\xd9"


def _difference(step: int) -> str:
    """Return the code of a difference of levels: its length in 4 bits, and itself (F.1.2.1)."""
    length = abs(step).bit_length()
    value = step if step > 0 else step + (1 << length) - 1
    return f"{length:04b}" + (f"{value:0{length}b}" if length else "")


def _packed(bits: str) -> bytes:
    """Return bits as bytes, filled up with ones, a zero after each byte of ones."""
    if not bits:
        return b""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def of_process(process: str, picture: Image.Image, **options: object) -> bytes:
    """Return what Pillow writes, as a JPEG of one of PROCESSES.

    What is baseline is extended too: only the marker of the frame differs.
    """
    content = encoded(picture, "JPEG", progressive=process == "progressive", **options)
    if process != "extended":
        return content
    place = content.index(b"\xff\xc0")
    return content[: place + 1] + b"\xc1" + content[place + 2 :]
