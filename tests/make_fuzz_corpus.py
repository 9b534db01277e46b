"""Write the seeds of `make fuzz` into tests/fuzz_corpus: small pictures of every kind, and faults.

What the decoder is to do stands in each name: `read-…` or `refused-…`. Run it when a kind is
added; what was found by fuzzing gets a test of its own.
"""

import base64
import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzzing import CORPUS
from hostile import HUGE_EXIF, LOOP, bmp_of, gif_of, gif_with, jpeg_with, png_with, webp_with
from jpegs import LAYOUTS, flat_blocks, header_only, of_process
from PIL import Image
from samples import chunk, drawing, encoded, png


def turned(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(drawing().convert("RGB"), kind, exif=exif)


def animation(kind: str) -> bytes:
    others = [Image.new("L", (40, 30), level) for level in (0, 99)]
    return encoded(drawing(), kind, save_all=True, append_images=others)


def interlaced_png() -> bytes:
    """Return 8x8 grey pixels in the seven passes of Adam7."""
    sizes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    plain = png(8, 8, 8, 0, bytes(range(0, 256, 32)))
    rows = b"".join((b"\0" + bytes([30 * w]) * w) * h for w, h in sizes)
    header = plain[16:28] + b"\1"
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return plain[:8] + chunks


def os2_bmp() -> bytes:
    """Return a BMP with the 12-byte header of OS/2."""
    body = bytes(12) * 4
    header = struct.pack("<IHHHH", 12, 4, 4, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(body), 0, 0, 26) + header + body


def from_the_top(content: bytes) -> bytes:
    """Return a BMP with its height negative."""
    (height,) = struct.unpack_from("<i", content, 22)
    return content[:22] + struct.pack("<i", -height) + content[26:]


def url(content: bytes, head: bytes) -> bytes:
    return head + base64.b64encode(content)


def read() -> dict[str, bytes]:
    """Return what is to be read, by the rest of its name."""
    ink = drawing()
    clear = ink.convert("RGBA")
    clear.putalpha(ink.point(lambda level: 255 - level))
    colours = ink.convert("RGB").quantize(8)
    files = {
        **{f"{mode}.png": encoded(ink.convert(mode), "PNG") for mode in ("1", "L", "RGB", "LA")},
        "clear.png": encoded(clear, "PNG"),
        "palette.png": encoded(colours, "PNG", transparency=b"\0\x80\xff"),
        "16-bit-grey.png": png(40, 8, 16, 0, bytes(range(80))),
        "16-bit-clear.png": png(10, 8, 16, 6, bytes(range(80))),
        "2-bit.png": png(40, 8, 2, 0, bytes(range(10))),
        "interlaced.png": interlaced_png(),
        "turned.png": turned("PNG"),
        "animated.png": animation("PNG"),
        "texts.png": png_with(chunk(b"tEXt", b"a\0b"), chunk(b"zTXt", b"a\0\0x")),
        "grey.jpg": encoded(ink, "JPEG", quality=30),
        "colour.jpg": encoded(ink.convert("RGB"), "JPEG", quality=30),
        "progressive.jpg": encoded(ink.convert("RGB"), "JPEG", quality=30, progressive=True),
        "cmyk.jpg": encoded(ink.convert("CMYK"), "JPEG", quality=30),
        "restarts.jpg": encoded(ink, "JPEG", quality=30, restart_marker_blocks=2),
        "extended.jpg": of_process("extended", ink, quality=30),
        "4-1-1.jpg": flat_blocks((40, 30), LAYOUTS["4:1:1"], restart=2),
        "turned.jpg": turned("JPEG"),
        "phone.jpg": animation("MPO"),
        "looped.jpg": jpeg_with(b"\xe1Exif\0\0" + LOOP),
        "many-entries.jpg": jpeg_with(b"\xe1Exif\0\0" + HUGE_EXIF[:1000]),
        "lossy.webp": encoded(ink, "WEBP", quality=20),
        "lossless.webp": encoded(ink, "WEBP", lossless=True),
        "clear.webp": encoded(clear, "WEBP", quality=20),
        "turned.webp": turned("WEBP"),
        "animated.webp": animation("WEBP"),
        "extended.webp": webp_with(b"XMP ", b"<x/>"),
        "grey.gif": encoded(ink, "GIF"),
        "clear.gif": encoded(colours, "GIF", transparency=1, interlace=1),
        "animated.gif": animation("GIF"),
        "comment.gif": gif_with(b"!\xfe\3abc\2de\0"),
        "small-frame.gif": gif_of((9, 9), (1, 1), 2),
        **{f"{mode}.bmp": encoded(ink.convert(mode), "BMP") for mode in ("1", "P", "RGB", "RGBA")},
        "os2.bmp": os2_bmp(),
        "from-the-top.bmp": from_the_top(encoded(ink.convert("1"), "BMP")),
    }
    return files | {
        "png.url": url(files["1.png"], b"data:image/png;base64,"),
        "gif.url": url(files["grey.gif"], b"data:;charset=x;base64,"),
    }


def refused(whole: dict[str, bytes]) -> dict[str, bytes]:
    """Return what is to be refused, by the rest of its name; `whole`: files to cut short."""
    return {
        "empty.bin": b"",
        "text.bin": b"This is no picture.",
        "lossless.jpg": header_only(0xC3),
        "arithmetic.jpg": header_only(0xC9),
        "hierarchical.jpg": header_only(0xDE),
        "12-bit.jpg": header_only(0xC1, bits=12),
        "half.png": whole["RGB.png"][: len(whole["RGB.png"]) // 2],
        "half.jpg": whole["grey.jpg"][:200],
        "half.gif": whole["grey.gif"][:60],
        "half.webp": whole["lossy.webp"][:90],
        "half.bmp": whole["1.bmp"][:90],
        "huge.png": png(60_000, 60_000, 1, 0, b"")[:80],
        "huge.gif": gif_of((65_535, 65_535), (1, 1), 2),
        "huge.webp": webp_with(b"XMP ", b"", (2**24, 2**24)),
        "run-lengths.bmp": bmp_of((40, 30), 1, b"\0\2\xff\xff"),
        "plain.url": b"data:image/png,abc",
        "broken.url": b"data:image/png;base64,####",
        "text.url": b"data:image/png;base64,VGV4dA==",
        **{
            f"other.{kind.lower()}": encoded(Image.new("1", (9, 9)), kind)
            for kind in ("TIFF", "PPM")
        },
        "other.ico": encoded(Image.new("RGBA", (16, 16)), "ICO"),
        "other.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "other.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    }


def main() -> None:
    """Write the corpus anew."""
    CORPUS.mkdir(exist_ok=True)
    for old in CORPUS.iterdir():
        old.unlink()
    whole = read()
    for outcome, files in (("read", whole), ("refused", refused(whole))):
        for name, content in files.items():
            (CORPUS / f"{outcome}-{name}").write_bytes(content)


if __name__ == "__main__":
    main()
