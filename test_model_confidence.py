"""Compare the preprocessing methods: how right and how sure the answers are, on what pictures.

A network that reads 99% of MNIST's test set may call a clean "8" that somebody drew on the
screen an 8 with 46% confidence: the picture, not the network, is unlike MNIST. This script
measures that gap, and what each way of preparing pictures makes of it. It is no pytest test.

    python test_model_confidence.py
    python test_model_confidence.py --pictures my_digits --pictures your_digits.zip
"""

import csv
import os
import sys
import zlib
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

import cli
import config
import metrics
import paper
import picture_sets
import plots
import utils
from classifier import Classifier
from load_mnist_local import Split, read_idx, to_images
from plots import Comparison

METHODS = ("basic", "enhanced")
TEST_SET = "test set"
NO_DIGIT = ", no digit"  # after the name of a set: those of its pictures that show none
ENOUGH = 2_000  # test digits: two standard errors of 99% are then half a percent
HEADINGS = ("pictures", "accuracy", "confidence", "below 50%", "ECE", "misjudged", "refused")
LEGEND = """
accuracy    share read right; a refused picture counts as wrong here, and nowhere else
confidence  mean confidence of the answers; below 50%: the share of answers less sure than that
ECE         expected calibration error: how far confidence and the share right lie apart
misjudged   digits that is_digit takes for none; in a set of no digit, pictures it takes for one
refused     pictures without an answer: no ink to be found, or unreadable"""
SEPARATION = """
AUROC       how often is_digit is higher for a digit of the test set than for one of these:
            1 tells them apart, 0.5 is chance"""
Prepared = tuple[int | None, list[np.ndarray | None]]  # a picture's digit, an image a method
CSV_COLUMNS = {
    "pictures": "pictures",
    "method": "method",
    "count": "number",
    "accuracy": "accuracy",
    "mean_confidence": "mean_confidence",
    "low_confidence": "below_50_percent",
    "calibration_error": "calibration_error",
    "misjudged": "misjudged",
    "refused": "refused",
}


@dataclass(frozen=True)
class Source:
    """A named set of pictures: each its digit (None: no digit) and how to get it; the methods."""

    name: str
    pictures: Sequence[tuple[int | None, Callable[[], utils.Source]]]
    methods: tuple[str, ...] = METHODS


def composed_sources(
    digits: Split, number: int, seed: int, conditions: Sequence[str] = tuple(paper.CONDITIONS)
) -> list[Source]:
    """Return conditions of paper.py on the same test digits, drawn at random; 0 is all."""
    chosen = np.random.default_rng(seed).permutation(len(digits))[: number or None].tolist()
    return [
        Source(
            condition,
            [
                (int(digits.labels[i]), partial(_compose, condition, digits, i, seed))
                for i in chosen
            ],
            ("none", *METHODS) if condition == TEST_SET else METHODS,
        )
        for condition in conditions
    ]


def _compose(condition: str, digits: Split, index: int, seed: int) -> utils.Source:
    # Seeded one by one: a picture is the same whichever others are asked for.
    rng = np.random.default_rng((seed, zlib.crc32(condition.encode()), index))
    return paper.CONDITIONS[condition](digits.images[index], rng)


def own_sources(paths: Sequence[Path]) -> list[Source]:
    """Return the user's own sets of pictures, named by their folder or zip file."""
    sources: list[Source] = []
    for path in paths:
        found = picture_sets.read_pictures(path)
        taken = {source.name for source in sources} | set(paper.CONDITIONS)
        name = str(path) if found.name in taken else found.name
        pictures = [(label, partial(found.read, file)) for file, label in found.labels]
        sources.append(Source(name, pictures))
    return sources


def compare(source: Source, classifier: Classifier, bar: "tqdm[None]") -> list[Comparison]:
    """Answer one set of pictures by each method; those of no digit are compared on their own."""

    def prepare(picture: tuple[int | None, Callable[[], utils.Source]]) -> Prepared:
        content = picture[1]()
        return picture[0], [_prepare(content, method) for method in source.methods]

    digits: list[Prepared] = []
    others: list[Prepared] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for prepared in pool.map(prepare, source.pictures):
            (others if prepared[0] is None else digits).append(prepared)
            bar.update()
    return [
        measure(name, method, [(label, images[place]) for label, images in kind], classifier)
        for name, kind in ((source.name, digits), (source.name + NO_DIGIT, others))
        if kind
        for place, method in enumerate(source.methods)
    ]


def _prepare(picture: utils.Source, method: str) -> np.ndarray | None:
    """Bring a picture to MNIST form; None if it is refused."""
    try:
        return utils.to_mnist_form(utils.decode(picture), method)
    except config.ReaderError:
        return None


def measure(
    name: str,
    method: str,
    pictures: Sequence[tuple[int | None, np.ndarray | None]],
    classifier: Classifier,
) -> Comparison:
    """Return the figures of labelled images (28, 28, 1); None in place of a refused one.

    The labels are all digits, or all None for pictures of no digit: then accuracy and
    calibration have no meaning and are left out.
    """
    digits = pictures[0][0] is not None
    answered = [(label or 0, image) for label, image in pictures if image is not None]
    total, refused = len(pictures), len(pictures) - len(answered)
    if not answered:
        return Comparison(name, method, total, 0.0 if digits else None, None, None, None, refused)
    labels, images = zip(*answered, strict=True)
    probabilities, is_digit = classifier.outputs(np.stack(images))
    figures = metrics.figures(probabilities, np.array(labels))
    return Comparison(
        name,
        method,
        total,
        figures["accuracy"] * len(answered) / total if digits else None,
        figures["mean_confidence"],
        figures["low_confidence"],
        figures["ece"] if digits else None,
        refused,
        None if is_digit is None else _misjudged(is_digit, digits),
        is_digit,
    )


def _misjudged(is_digit: np.ndarray, digits: bool) -> float:
    """Return the share of is_digit (N,) on the wrong side, of pictures that are digits or not."""
    return float(np.mean((is_digit >= config.IS_DIGIT_THRESHOLD) != digits))


def separation_lines(rows: Sequence[Comparison], widest: int) -> list[str]:
    """Lay out how well is_digit tells the test set's digits from each set of no digit.

    No line for a model without it, and for a set whose pictures were all refused.
    """
    digits = {row.method: row.is_digit for row in rows if row.pictures == TEST_SET}
    lines = []
    for row in rows:
        scores = digits.get(row.method)
        if row.accuracy is None and scores is not None and row.is_digit is not None:
            area = metrics.auroc(scores, row.is_digit)
            lines.append(f"{row.pictures:<{widest}}  {row.method:<8}{area:>12.4f}")
    return lines


def table_line(row: Comparison | None, widest: int) -> str:
    """Lay out one row of the table; None gives the headings. widest: letters of a name."""
    if row is None:
        return f"{'':<{widest}}  {'method':<8}" + "".join(f"{text:>12}" for text in HEADINGS)
    shares = (
        row.accuracy,
        row.mean_confidence,
        row.low_confidence,
        row.calibration_error,
        row.misjudged,
    )
    cells = [f"{row.count:,}", *("-" if s is None else f"{100 * s:.2f}%" for s in shares)]
    cells.append(f"{row.refused:,}")
    return f"{row.pictures:<{widest}}  {row.method:<8}" + "".join(f"{cell:>12}" for cell in cells)


def write_csv(rows: Sequence[Comparison], path: Path) -> None:
    """Write the rows as CSV, shares from 0 to 1, empty where there is nothing to measure."""
    with utils.atomic_path(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS.values())
        for row in rows:
            values = (getattr(row, field) for field in CSV_COLUMNS)
            writer.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in values])


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser(
        "test_model_confidence.py",
        "Compare how right and how sure the answers are under each preprocessing method: on "
        "the test set, on its digits as people send them, and on your own pictures.",
    )
    parser.epilog = (
        'Why: a network can read 99% of the test set and yet give a clean "8" drawn on a screen '
        "46% confidence, because the picture was not prepared as MNIST's were."
    )
    add = parser.add_argument
    add("--model", type=Path, default=settings.model, help="the model file")
    add("--data-dir", type=Path, default=settings.data_dir, help="the IDX files")
    add("--images", type=_count, default=ENOUGH, help="test digits a condition; 0 is all")
    add(
        "--condition",
        action="append",
        choices=list(paper.CONDITIONS),
        help="only this one; repeatable (default: all)",
    )
    add("--seed", type=_count, default=1, help="of the digits' choice, and of the pictures")
    add(
        "--pictures",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER_OR_ZIP",
        help="your own pictures, with labels.csv (file,label) or in folders 0 to 9; repeatable",
    )
    add("--output-dir", type=Path, default=config.DOCS_DIR, help="where table and plot go")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _work(args: Namespace) -> int:
    # First, so that a mistyped folder does not cost a minute.
    own = own_sources(args.pictures)
    with _writable(args.output_dir):
        args.output_dir.mkdir(parents=True, exist_ok=True)
    files = [config.DATA_FILES[part] for part in ("test_images", "test_labels")]
    images, labels = (read_idx(args.data_dir, file) for file in files)
    digits = Split(to_images(images), labels.astype(np.int64))
    conditions = args.condition or list(paper.CONDITIONS)
    sources = composed_sources(digits, args.images, args.seed, conditions) + own
    classifier = Classifier.load(args.model)

    widest = max(len(source.name) for source in sources) + len(NO_DIGIT) * bool(own)
    rows: list[Comparison] = []
    total = sum(len(source.pictures) for source in sources)
    with tqdm(total=total, unit="picture", disable=None, dynamic_ncols=True) as bar:
        bar.write(table_line(None, widest))
        for source in sources:
            found = compare(source, classifier, bar)
            rows += found
            bar.write("\n".join(table_line(row, widest) for row in found))
    print(LEGEND)
    if lines := separation_lines(rows, widest):
        print(SEPARATION, *lines, sep="\n")
    return _write(rows, args.output_dir)


def _write(rows: Sequence[Comparison], folder: Path) -> int:
    table, plot = folder / "confidence_comparison.csv", folder / "confidence_comparison.png"
    with _writable(folder):
        write_csv(rows, table)
        plots.confidence_comparison(rows, plot)
    print(f"\nwritten: {table}, {plot}")
    return 0


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise config.ReaderError(
            f"{folder} cannot be written to ({fault.strerror}): choose another with --output-dir"
        ) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the methods, print and write the table and draw it; return the exit status."""
    return cli.run("test_model_confidence", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
