"""A picture file taken apart before anything decodes it: its kind, its size, its first picture.

Only what makes the first picture is handed on to Pillow. Metadata, comments and further frames
stay unread: a few bytes of them can ask a reader for gigabytes or minutes, and none of them
changes what the picture shows, except the orientation, which is read here. Every walk through a
file ends after MOST_PARTS of its parts.
"""

import re
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

FORMAT_NAMES = "PNG, JPEG, WebP, BMP or GIF"
MOST_PARTS = 10_000  # chunks, segments or blocks of one file; a walk of so many takes milliseconds
MOST_SEGMENTS = 1_000  # of a JPEG: profiles and metadata in full are 500
MOST_SCANS = 30  # of a progressive JPEG; encoders write 10 to 18, and each costs a whole pass

# What begins so is of a kind that is known by name, and not read.
REFUSED = {
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "PNM": rb"P[1-7FfPy]\s",
    "icon (ICO)": rb"\0\0[\1\2]\0",
    "Photoshop (PSD)": rb"8BPS",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(hei[cxmsf]|hev[cmx]|mif1|msf1)",
    "PDF": rb"%PDF",
    "PostScript (EPS)": rb"%!PS|\xc5\xd0\xd3\xc6",
    "SVG": rb"(\xef\xbb\xbf)?\s*(<\?xml.{0,2000}?|<!--.{0,2000}?)?<(!DOCTYPE )?svg\b",
    "DDS": rb"DDS ",
    "Apple icon (ICNS)": rb"icns",
    "OpenEXR": rb"v/1\x01",
    "QOI": rb"qoif",
}
SIGNATURES = {
    "PNG": rb"\x89PNG",
    "JPEG": rb"\xff\xd8\xff",
    "WebP": rb"RIFF....WEBP|RIFF.{0,7}\Z",
    "BMP": rb"BM",
    "GIF": rb"GIF8",
}
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
ZEROS = re.compile(rb"\0+")
COMPRESSED_BMP = {1: "run lengths", 2: "run lengths", 4: "JPEG", 5: "PNG"}

# JPEG: what ends a scan's data (ITU-T T.81, B.1.1.3), and the markers that are told apart.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
WINDOW = 256 * 1024  # bytes: a search of so many takes 5 ms at most
ALONE, END, SCAN, EXIF_SEGMENT = (0x01, 0xD8), 0xD9, 0xDA, 0xE1
TABLES = (0xC4, 0xDB, 0xDD)
COLOUR_HINTS = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}  # without them the colours are guessed
# The coding processes that are read, each tried at every scale: a frame of any other is refused
# before the decoder sees it.
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2  # Huffman-coded
FRAMES = (BASELINE, EXTENDED, PROGRESSIVE)
OTHER_FRAMES = {
    0xC3: "lossless JPEG",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "arithmetic-coded JPEG"),
    0xC8: "non-standard JPEG",
    0xF7: "JPEG-LS",
}
ORIENTATION_TAG, SHORT, LONG = 0x0112, 3, 4  # of TIFF 6.0, which EXIF is written in


class NotRead(Exception):
    """A file of a kind, or of a variety of a kind, that is not read; says what to send."""


class Parts(NamedTuple):
    """What is known of a picture file, and the file with its first picture only."""

    kind: str  # of SIGNATURES
    size: tuple[int, int]  # width, height as stored, pixels: what the decoder allocates
    orientation: int  # as EXIF counts it: 1, upright, to 8
    pieces: Sequence[bytes | memoryview]

    @property
    def content(self) -> bytes:
        """The file with its first picture only, copied together."""
        return b"".join(self.pieces)


def kind_of(content: bytes) -> str | None:
    """Return which of SIGNATURES a file begins with, or None."""
    return _named(SIGNATURES, content)


def take_apart(content: bytes) -> Parts:
    """Return the first picture of a file, without its pixels being decoded or copied.

    Raises NotRead for what is not read here. Damage raises ValueError, or is left for the
    decoder to find.
    """
    kind = kind_of(content)
    if kind is None:
        refused = _named(REFUSED, content)
        if refused:
            raise NotRead(
                f"this is a {refused} picture, which is not read here: send {FORMAT_NAMES}"
            )
        raise NotRead(
            f"these {len(content):,} bytes are not a picture that is read here: send {FORMAT_NAMES}"
        )
    try:
        size, orientation, pieces = WALKS[kind](content)
    except (struct.error, IndexError):
        raise ValueError("it ends in the middle of its header") from None
    return Parts(kind, size, orientation, pieces)


def _named(patterns: dict[str, bytes], content: bytes) -> str | None:
    start = content[:4096]
    return next((name for name, p in patterns.items() if re.match(p, start, re.DOTALL)), None)


Walked = tuple[tuple[int, int], int, Sequence[bytes | memoryview]]


def _png(content: bytes) -> Walked:
    """Keep the header, the palette, its transparency, and the chunks of image data."""
    kept: dict[bytes, bytes] = {}
    data: list[bytes | memoryview] = []
    orientation, place, view = 1, 8, memoryview(content)
    for _ in range(MOST_PARTS):
        if place + 8 > len(content):
            break  # cut short: whether the data are whole, the decoder will tell
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if name == b"IEND":
            data.append(PNG_END)
            break
        if name == b"IDAT":
            data.append(view[place:end])
        elif name in (b"IHDR", b"PLTE", b"tRNS"):
            if end > len(content):  # it would swallow what is put after it
                raise ValueError(f"its chunk {name.decode()} ends beyond the file")
            kept.setdefault(name, content[place:end])
        elif name == b"eXIf":
            orientation = _orientation(content[place + 8 : end - 4])
        place = end
    else:
        raise ValueError(f"it has more than {MOST_PARTS:,} chunks")
    width, height = struct.unpack_from(">II", kept.get(b"IHDR", b""), 8)
    chunks = [kept[name] for name in (b"IHDR", b"PLTE", b"tRNS") if name in kept]
    return (width, height), orientation, [content[:8], *chunks, *data]


def _jpeg(content: bytes) -> Walked:
    """Keep the tables, the frame and its scans up to the first picture's end."""
    kept: list[bytes | memoryview] = [content[:2]]
    hints, size, orientation, scans, place, view = set(), None, 1, 0, 2, memoryview(content)
    for _ in range(MOST_SEGMENTS):
        found = _next_marker(content, place)
        if scans:
            kept.append(view[place : found.start() if found else None])
        if not found or found[0][1] == END:
            break
        marker, place = found[0][1], found.end()
        if marker in ALONE:
            continue
        if marker in OTHER_FRAMES and not size:
            raise NotRead(
                f"this is a {OTHER_FRAMES[marker]} picture, which is not read here: "
                "save it as a baseline JPEG or PNG file"
            )
        (length,) = struct.unpack_from(">H", content, place)
        start, place = place, place + length
        if length < 2 or place > len(content):  # else what is kept could be read as other segments
            raise ValueError("a segment of it has a length that cannot be")
        segment = content[start + 2 : place]
        if marker == EXIF_SEGMENT and segment.startswith(b"Exif\0\0") and orientation == 1:
            orientation = _orientation(segment[6:])
        elif marker in FRAMES or marker in OTHER_FRAMES:
            if size:
                raise ValueError("it has more than one frame")
            size = _frame_size(marker, segment)
        hint = COLOUR_HINTS.get(marker)
        if hint and marker not in hints and segment.startswith(hint):
            hints.add(marker)
        elif marker == SCAN:
            scans += 1
        elif marker not in TABLES and marker not in FRAMES:
            continue
        if scans and not size:
            raise ValueError("it has a scan before its frame")
        if scans > MOST_SCANS:
            raise ValueError(f"it is drawn in more than {MOST_SCANS} scans")
        kept += (found[0], view[start:place])
    else:
        raise ValueError(f"it has more than {MOST_SEGMENTS:,} segments")
    if size is None:
        raise ValueError("it has no frame")
    return size, orientation, [*kept, found[0]] if found else kept


def _next_marker(content: bytes, place: int) -> "re.Match[bytes] | None":
    """Search in windows: a search holds Python's global lock, and 16 MB would take 300 ms."""
    for start in range(place, len(content), WINDOW):
        if found := MARKER.search(content, start, start + WINDOW + 1):
            return found
    return None


def _frame_size(marker: int, segment: bytes) -> tuple[int, int]:
    """Return the width and height of a frame header, if it is one that is read (T.81, B.2.2)."""
    bits, height, width, components = struct.unpack_from(">BHHB", segment)
    if bits == 12 and marker in (EXTENDED, PROGRESSIVE):
        raise NotRead(
            "this is a JPEG picture of 12 bits a sample, which is not read here: "
            "save it with 8 bits"
        )
    factors = [nibble for byte in segment[7::3] for nibble in divmod(byte, 16)]
    if (
        bits != 8
        or not width * height  # a height of 0 is told after the first scan: not read here
        or components not in (1, 3, 4)
        or len(segment) != 6 + 3 * components
        or not all(1 <= factor <= 4 for factor in factors)
    ):
        raise ValueError("its frame header is not valid")
    return width, height


def _webp(content: bytes) -> Walked:
    """Keep all: its decoder reads no more than the first frame, and none beyond the canvas."""
    size, orientation, place = _webp_size(content[12:16], content[20:30]), 1, 12
    for _ in range(MOST_PARTS):
        if place + 8 > len(content):
            break
        name, length = struct.unpack_from("<4sI", content, place)
        if name == b"EXIF":
            body = content[place + 8 : place + 8 + length]
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        place += 8 + length + length % 2
    else:
        raise ValueError(f"it has more than {MOST_PARTS:,} chunks")
    return size, orientation, [content]


def _webp_size(name: bytes, body: bytes) -> tuple[int, int]:
    """Return the canvas that the first chunk tells: it is one of three (RFC 9649)."""
    if name == b"VP8X":
        width, height = body[4:7], body[7:10]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ValueError("it does not begin with a picture")


def _bmp(content: bytes) -> Walked:
    """Keep all, if the pixels are not compressed: Pillow unpacks run lengths in slow Python."""
    (header,) = struct.unpack_from("<I", content, 14)
    if header == 12:
        return struct.unpack_from("<HH", content, 18), 1, [content]
    width, height = struct.unpack_from("<Ii", content, 18)  # negative: from the top down
    (compression,) = struct.unpack_from("<I", content, 30)
    if compression in COMPRESSED_BMP:
        raise NotRead(
            f"the BMP picture is compressed by {COMPRESSED_BMP[compression]}, which is not read "
            "here: send it uncompressed, or as a PNG file"
        )
    return (width, abs(height)), 1, [content]


def _gif(content: bytes) -> Walked:
    """Keep the first frame's transparency and what comes after it: its decoder reads no further."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    head, control, in_extension = content[:place], b"", False
    for _ in range(MOST_PARTS):
        if in_extension:
            length = content[place]
            place, in_extension = place + 1 + length, length > 0
        elif content[place : place + 1] == b",":
            left, top, wide, high = struct.unpack_from("<HHHH", content, place + 1)
            size = max(width, left + wide), max(height, top + high)
            return size, 1, [head, control, memoryview(content)[place:]]
        elif content[place : place + 1] == b"!":
            if content[place + 1 : place + 3] == b"\xf9\x04":
                # Without its disposal, which is for the frame after it.
                transparent = content[place + 3] & 1
                control = b"!\xf9\4" + bytes([transparent]) + content[place + 4 : place + 7] + b"\0"
            place, in_extension = place + 2, True
        elif zeros := ZEROS.match(content, place):
            place = zeros.end()
        else:
            raise ValueError("it has no picture")
    raise ValueError(f"it has more than {MOST_PARTS:,} blocks")


WALKS: dict[str, Callable[[bytes], Walked]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WebP": _webp,
    "BMP": _bmp,
    "GIF": _gif,
}


def _orientation(exif: bytes) -> int:
    """Return the orientation that EXIF's first directory holds, 1 to 8; 1 if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, form = struct.unpack_from(order + "HH", exif, entry)
            if tag == ORIENTATION_TAG and form in (SHORT, LONG):
                letter = "H" if form == SHORT else "I"
                (value,) = struct.unpack_from(order + letter, exif, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:  # cut short
        pass
    return 1


def pixels_of(content: bytes) -> int:
    """Return how many pixels a picture file's header states; 0 where it does not say."""
    try:
        if content[:4] == b"\x89PNG" and content[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", content, 16)
        else:
            width, height = take_apart(content).size
    except Exception:  # not a picture, or a damaged one: its decoder will say so
        return 0
    return int(width * height)
