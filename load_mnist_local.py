"""MNIST from the four IDX files in `data/`, verified byte for byte; never from the network.

Run as a script, it prints a summary and draws a picture of samples.
"""

import gzip
import hashlib
import struct
import sys
import zlib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cli
import config
import utils

IDX_UNSIGNED_BYTE = 0x08


class DataError(config.ReaderError):
    """A data file is missing, damaged or not the one that its name says."""


@dataclass(frozen=True)
class Split:
    """Images (N, 28, 28, 1) float32 in MNIST form, and labels (N,) int64 from 0 to 9."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Mnist:
    """The 60,000 training images in two parts, and the 10,000 of the test set."""

    train: Split
    validation: Split
    test: Split


def load_mnist(data_dir: Path = config.DATA_DIR) -> Mnist:
    """Read, verify and split MNIST.

    The validation split is stratified and fixed by `config.SPLIT_SEED`.
    Raises DataError, naming the file, what was found and what was expected.
    """
    arrays = {part: read_idx(data_dir, file) for part, file in config.DATA_FILES.items()}
    images, labels = to_images(arrays["train_images"]), arrays["train_labels"].astype(np.int64)
    held_out = validation_indices(labels)
    mask = np.zeros(len(labels), bool)
    mask[held_out] = True
    return Mnist(
        train=Split(images[~mask], labels[~mask]),
        validation=Split(images[mask], labels[mask]),
        test=Split(to_images(arrays["test_images"]), arrays["test_labels"].astype(np.int64)),
    )


def to_images(raw: np.ndarray) -> np.ndarray:
    """Turn bytes (N, 28, 28) uint8 into images (N, 28, 28, 1) float32 in [0, 1]."""
    return (raw.astype(np.float32) / 255.0)[..., None]


def validation_indices(labels: np.ndarray, size: int = config.VALIDATION_SIZE) -> np.ndarray:
    """Choose `size` indices, each class in its share of the labels, the same at every call."""
    random = np.random.default_rng(config.SPLIT_SEED)
    shares = np.bincount(labels, minlength=config.CLASSES) * size / len(labels)
    counts = np.floor(shares).astype(int)
    most_cut_off = np.argsort(counts - shares, kind="stable")[: size - counts.sum()]
    counts[most_cut_off] += 1
    chosen = [
        random.permutation(np.flatnonzero(labels == digit))[:count]
        for digit, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(chosen))


def read_idx(data_dir: Path, file: config.DataFile) -> np.ndarray:
    """Read one IDX file, gzipped or plain, as uint8 of `file.shape`.

    Raises DataError unless header, length and SHA-256 are all as expected.
    """
    path, content = _read_bytes(data_dir, file)
    header_length = 4 + 4 * len(file.shape)
    expected = struct.pack(">HBB", 0, IDX_UNSIGNED_BYTE, len(file.shape))
    expected += struct.pack(f">{len(file.shape)}I", *file.shape)
    if content[:header_length] != expected:
        raise DataError(
            f"{path} is not {file.name}: its header is {_describe_header(content)}, "
            f"expected {_shape(file.shape)} unsigned bytes; {_REMEDY}"
        )
    length = header_length + int(np.prod(file.shape))
    if len(content) != length:
        raise DataError(
            f"{path} has {len(content):,} bytes once unpacked, expected {length:,}; {_REMEDY}"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise DataError(
            f"{path} was altered: its SHA-256 is {digest}, expected {file.sha256}; {_REMEDY}"
        )
    return np.frombuffer(content, np.uint8, offset=header_length).reshape(file.shape)


_REMEDY = "restore it with `git checkout -- data`"


def _read_bytes(data_dir: Path, file: config.DataFile) -> tuple[Path, bytes]:
    packed, plain = data_dir / f"{file.name}.gz", data_dir / file.name
    path = packed if packed.exists() else plain
    try:
        content = path.read_bytes()
        return path, gzip.decompress(content) if path == packed else content
    except FileNotFoundError:
        raise DataError(
            f"{packed} is missing, and so is {plain.name}: "
            f"expected one of them in {data_dir}; {_REMEDY}"
        ) from None
    except (OSError, EOFError, zlib.error) as fault:
        raise DataError(
            f"{path} cannot be unpacked: {fault}; expected a whole gzip file; {_REMEDY}"
        ) from None


def _describe_header(content: bytes) -> str:
    if len(content) < 8 or content[:2] != b"\0\0":
        return f"no IDX header ({content[:8].hex(' ') or 'empty'})"
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        return "cut short"
    sides = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    kind = "unsigned bytes" if content[2] == IDX_UNSIGNED_BYTE else f"type 0x{content[2]:02x}"
    return f"{_shape(sides)} {kind}"


def _shape(sides: Sequence[int]) -> str:
    return "x".join(str(side) for side in sides)


def summary(mnist: Mnist) -> str:
    """Describe the splits: size, images a class, mean and deviation of the pixels."""
    lines = [f"{'split':<12}{'images':>7}  images of each digit 0-9"]
    for name, split in (
        ("train", mnist.train),
        ("validation", mnist.validation),
        ("test", mnist.test),
    ):
        counts = np.bincount(split.labels, minlength=config.CLASSES)
        lines.append(f"{name:<12}{len(split):>7}  {' '.join(f'{n:>5}' for n in counts)}")
    pixels = mnist.train.images
    lines.append(
        f"training pixels: mean {pixels.mean():.4f}, standard deviation {pixels.std():.4f}"
    )
    return "\n".join(lines)


def draw_samples(split: Split, path: Path, columns: int = 20) -> None:
    """Write a picture with a row of the first `columns` images of each digit, ink on paper."""
    from PIL import Image

    rows = [split.images[split.labels == digit][:columns] for digit in range(config.CLASSES)]
    sheet = np.concatenate([np.concatenate(list(row[..., 0]), axis=1) for row in rows])
    picture = Image.fromarray((255 - 255 * sheet).astype(np.uint8))
    with utils.atomic_path(path) as aside:
        picture.resize((picture.width * 2, picture.height * 2)).save(aside, "PNG")


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("load_mnist_local.py", "Verify the data files and show what they hold.")
    parser.add_argument("--data-dir", type=Path, default=settings.data_dir, help="the IDX files")
    parser.add_argument(
        "--samples", type=Path, default=config.DOCS_DIR / "mnist_samples.png", help="the picture"
    )
    return parser


def _work(args: Namespace) -> int:
    mnist = load_mnist(args.data_dir)
    print(summary(mnist))
    draw_samples(mnist.train, args.samples)
    print(f"samples drawn in {cli.shown(args.samples)}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Verify the data and draw samples; return the exit status."""
    return cli.run("load_mnist_local", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
