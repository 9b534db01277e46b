"""A million pictures of digits in files of every kind that batch_predict.py reads.

    python benchmarks/batch_pictures.py FOLDER COUNT         in an environment that has PyArrow

Each is a training digit, moved and scaled on a sheet, dark on light or light on dark, as PNG or
JPEG; one in twenty fills a sheet of 280x280 pixels. Its name is its number and its digit. Six
tenths of them are in Parquet files, two in zip files, one in TFRecord files, one are single files.
"""

import io
import multiprocessing
import struct
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from load_mnist_local import load_mnist

FILE = 10_000  # pictures of one file, and of a folder of single ones
KINDS = ("parquet",) * 6 + ("zip",) * 2 + ("tfrecord", "folder")  # of ten files in turn
LARGE = 20  # one of so many is large


def picture(number: int, images: np.ndarray, labels: np.ndarray) -> tuple[str, bytes]:
    """Return the name and the file of the picture with that number."""
    rng = np.random.default_rng(number)
    which = number % len(labels)
    side = 280 if number % LARGE == 0 else int(rng.integers(28, 64))
    size = int(side * rng.uniform(0.5, 0.9))
    digit = Image.fromarray(images[which]).resize((size, size), Image.Resampling.BILINEAR)
    field = Image.new("L", (side, side))
    left, top = (int(rng.integers(0, side - size + 1)) for _ in range(2))
    field.paste(digit, (left, top))
    if rng.uniform() < 0.5:
        field = field.point(lambda level: 255 - level)
    file = io.BytesIO()
    if rng.uniform() < 0.8:
        field.save(file, "PNG", compress_level=1)
    else:
        field.save(file, "JPEG", quality=90)
    return f"{number:07d}_{labels[which]}", file.getvalue()


def write(folder: Path, count: int, first: int) -> None:
    """Write the file, or the folder of files, of the pictures from the one numbered `first` on."""
    numbers = range(first, min(first + FILE, count))
    made = [picture(number, *_digits()) for number in numbers]
    kind, path = KINDS[first // FILE % len(KINDS)], folder / f"{first:07d}"
    if kind == "parquet":
        names, contents = zip(*made, strict=True)
        table = pa.table({"name": names, "image": contents})
        pq.write_table(table, path.with_suffix(".parquet"), row_group_size=2_000)
    elif kind == "zip":
        with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
            for name, content in made:
                archive.writestr(name, content)
    elif kind == "tfrecord":
        with path.with_suffix(".tfrecord").open("wb") as file:
            for name, content in made:
                file.write(record(example({"name": name.encode(), "image": content})))
    else:
        path.mkdir()
        for name, content in made:
            suffix = ".png" if content[:1] == b"\x89" else ".jpg"
            (path / f"{name}{suffix}").write_bytes(content)


def example(features: dict[str, bytes]) -> bytes:
    """Return a tf.train.Example of bytes, in protobuf's wire format."""

    def field(data: bytes, number: int = 1) -> bytes:
        length, said = len(data), bytearray([number << 3 | 2])
        while length > 127:
            said.append(length & 127 | 128)
            length >>= 7
        return bytes([*said, length]) + data

    entries = [
        field(field(name.encode()) + field(field(field(value)), 2))
        for name, value in features.items()
    ]
    return field(b"".join(entries))


def record(data: bytes) -> bytes:
    def masked(part: bytes) -> bytes:
        value = google_crc32c.value(part)
        return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def _digits(kept: dict[str, Any] = {}) -> tuple[np.ndarray, np.ndarray]:  # noqa: B006
    """Return the training images (55000, 28, 28) uint8 and labels, loaded once a process."""
    if not kept:
        split = load_mnist().train
        kept["images"] = np.rint(255 * split.images[..., 0]).astype(np.uint8)
        kept["labels"] = split.labels
    return kept["images"], kept["labels"]


def main() -> None:
    """Write the pictures in all processes that the machine has cores for."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True)
    with multiprocessing.Pool() as workers:
        workers.map(partial(write, folder, count), range(0, count, FILE), chunksize=1)


if __name__ == "__main__":
    main()
