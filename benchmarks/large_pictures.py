"""The largest pictures that are accepted, through `decode` and `enhanced`: seconds and memory.

    python benchmarks/large_pictures.py

Each is read in a process of its own, since peak memory only rises. Linux only: it is read from
/proc.
"""

import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
SIZE = 8160, 6120  # 49.9 million pixels
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
ADAM7 = (*PASSES, (1, 0, 2, 1))  # top, left, and the steps down and across
READ = """
import contextlib, re, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import enhanced, utils
utils.to_mnist_form(utils.decode(np.eye(60) * 255))

def peak():  # since this program began: getrusage counts its parent too
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

content = Path(sys.argv[2]).read_bytes()
before, begun = peak(), time.perf_counter()
picture = utils.decode(content)
with contextlib.suppress(utils.PictureError, enhanced.NoInk):
    utils.to_mnist_form(picture)
seconds = time.perf_counter() - begun
print(f"{len(content):>10,} bytes  {seconds:5.2f} s  {(peak() - before) // 1024:4d} MiB")
"""


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def clear_png(depth: int, interlaced: bool) -> bytes:
    """Return an RGBA PNG as Pillow writes none: stripes, by Paeth's filter, or in seven passes."""
    (width, height), pixel = SIZE, depth // 2
    packer, packed = zlib.compressobj(1), []
    for top, left, down, across in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns = -(-(width - left) // across)
        for row in range(top, height, down):
            first = b"\1" + b"\x7f" * pixel + (b"\0" * 99 * pixel + b"\x40" * pixel) * columns
            packed.append(packer.compress((first if row == top else b"\4")[: columns * pixel + 1]))
            if row > top:
                packed.append(packer.compress(bytes(columns * pixel)))
    header = struct.pack(">IIBBBBB", width, height, depth, 6, 0, 0, interlaced)
    data = chunk(b"IDAT", b"".join(packed) + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def write_all(folder: Path) -> None:
    """Write a picture of each kind: a hook, in ink that shades off."""
    grey = Image.linear_gradient("L").resize(SIZE).point(lambda level: 215 + level // 7)
    ImageDraw.Draw(grey).line([(2400, 1200), (2000, 4800), (6000, 4600)], fill=20, width=240)
    colour = Image.merge("RGB", [grey, grey, grey.point(lambda level: level // 2 + 100)])
    clear = colour.copy()
    clear.putalpha(grey.point(lambda level: 255 - level))
    grey.save(folder / "grey.png")
    grey.convert("I;16").save(folder / "grey, 16 bits.png")
    colour.save(folder / "colour.png")
    for depth in (8, 16):
        for interlaced in (False, True):
            name = f"clear, {depth} bits{', interlaced' if interlaced else ''}.png"
            (folder / name).write_bytes(clear_png(depth, interlaced))
    colour.save(folder / "colour.jpg", quality=90)
    colour.save(folder / "progressive.jpg", quality=95, progressive=True, subsampling=0)
    colour.convert("CMYK").save(folder / "progressive, CMYK.jpg", progressive=True)
    colour.save(folder / "lossy.webp", method=0)
    clear.save(folder / "lossy, clear.webp", method=0)
    clear.save(folder / "lossless, clear.webp", lossless=True, method=0, quality=0)
    grey.save(folder / "grey.gif")
    colour.quantize(64).save(folder / "clear, interlaced.gif", transparency=3, interlace=1)
    grey.convert("1").save(folder / "one bit.bmp")


def main() -> int:
    """Write, read and measure each; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        for path in sorted(Path(folder).iterdir()):
            command = [sys.executable, "-c", READ, str(ROOT), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{path.name:30}", done.stdout.strip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
