"""May this model file be shipped? Only if it is not worse than the one that is.

    python deploy/pipeline/gate.py new.keras                  or: make gate CANDIDATE=new.keras
    python deploy/pipeline/gate.py models/mnist_cnn.keras --shipped-at main
    python deploy/pipeline/gate.py models/mnist_cnn.keras --shipped-at previous-release

Both read the same images: MNIST's test set, its digits on paper under the conditions of paper.py
through `enhanced`, and pictures of no digit. Exits 1 with one line for each figure that is
worse. A figure is worse if it is so for certain, or if more than its margin cannot be ruled out.
"""

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import paired  # noqa: E402
from paired import Asked, Rule, Verdict  # noqa: E402

import cli  # noqa: E402
import config  # noqa: E402
import evaluation  # noqa: E402
import model_files  # noqa: E402
import paper  # noqa: E402
import test_model_confidence as confidence  # noqa: E402
import training_pool  # noqa: E402
import utils  # noqa: E402
from classifier import Classifier  # noqa: E402
from load_mnist_local import Split, load_mnist  # noqa: E402
from outputs import Outputs  # noqa: E402

TEST_SET, ON_PAPER, NO_DIGIT = "test set", "on paper, all conditions", "pictures of no digit"
CONDITIONS = tuple(name for name in paper.CONDITIONS if name != TEST_SET)
DIGITS = 1_000  # test digits on paper, each under every condition; and pictures of no digit
SEED = 1  # of both, as test_model_confidence.py has it
# Margins: a model as good, of another seed, keeps within them (docs/releasing.md).
RULES = [
    Rule((TEST_SET,), "misread", 0.003),
    Rule((TEST_SET,), "calibration error", 0.003),
    Rule((TEST_SET,), "negative log-likelihood", 0.005),
    Rule((ON_PAPER,), "misread", 0.005),
    Rule((ON_PAPER,), "calibration error", 0.004),
    Rule((ON_PAPER,), "negative log-likelihood", 0.01),
    *(Rule((condition,), "misread", 0.02) for condition in CONDITIONS),
    # A threshold turns away more digits if it lets in fewer others: together they may not be worse.
    Rule((ON_PAPER, NO_DIGIT), "misjudged", 0.02),
    Rule((TEST_SET,), "misjudged", 0.004, traded=True),
    Rule((ON_PAPER,), "misjudged", 0.01, traded=True),
    Rule((NO_DIGIT,), "misjudged", 0.04, traded=True),
]
MOST_GROWTH = 1.25  # of the file, beside the shipped one
PREVIOUS = "previous-release"


class GateError(config.ReaderError):
    """The two models cannot be compared."""


def images_asked(number: int = DIGITS, data_dir: Path = config.DATA_DIR) -> dict[str, Asked]:
    """Return the images of each set; number: of digits a condition, and of pictures of no digit."""
    test = load_mnist(data_dir).test
    asked = {TEST_SET: Asked(test.images, test.labels, np.arange(len(test)))}
    for source in confidence.composed_sources(test, number, SEED, CONDITIONS):
        asked[source.name] = _prepared(source)
    together = [asked[condition] for condition in CONDITIONS]
    asked[ON_PAPER] = Asked(
        np.concatenate([each.images for each in together]),
        np.concatenate([np.asarray(each.labels) for each in together]),
        np.concatenate([each.groups for each in together]),
    )
    none = _no_digits(test, number)
    asked[NO_DIGIT] = Asked(none, None, np.arange(len(none)))
    return asked


def _prepared(source: confidence.Source) -> Asked:
    """Bring a condition's pictures to MNIST form; one that is refused is left out."""

    def prepare(picture: Any) -> np.ndarray | None:
        try:
            return utils.to_mnist_form(utils.decode(picture[1]()), config.DEFAULT_PREPROCESSING)
        except config.ReaderError:
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(prepare, source.pictures))
    kept = [place for place, image in enumerate(made) if image is not None]
    labels = np.array([source.pictures[place][0] for place in kept], np.int64)
    return Asked(np.stack([image for image in made if image is not None]), labels, np.array(kept))


def _no_digits(digits: Split, number: int) -> np.ndarray:
    recipe = replace(evaluation.PICTURES, sheets=0, none=number)
    with tempfile.TemporaryDirectory() as scratch:
        pool = training_pool.build(recipe, digits, Path(scratch))
    return pool.images[..., None] / np.float32(255)


def answers(classifier: Classifier, asked: dict[str, Asked]) -> dict[str, Outputs]:
    """Return what a model says of each set; those on paper are read once."""
    said = {place: classifier.outputs(asked[place].images) for place in (TEST_SET, NO_DIGIT)}
    said[ON_PAPER] = whole = classifier.outputs(asked[ON_PAPER].images)
    start = 0
    for condition in CONDITIONS:
        part = slice(start, start + len(asked[condition].images))
        is_digit = None if whole.is_digit is None else whole.is_digit[part]
        said[condition] = Outputs(whole.probabilities[part], is_digit)
        start = part.stop
    return said


def rules_for(*said: dict[str, Outputs]) -> list[Rule]:
    """Return the rules that models can be held to: all, if each says `is_digit`."""
    tell = all(each[TEST_SET].is_digit is not None for each in said)
    return [rule for rule in RULES if tell or rule.measure != "misjudged"]


def refusals(
    found: list[Verdict], sizes: tuple[int, int], outputs: tuple[Outputs, Outputs]
) -> list[str]:
    """Return a line for each figure that is worse. sizes, outputs: of shipped and candidate."""
    lines = [_said(verdict) for verdict in found if not verdict.passed]
    if outputs[0].is_digit is not None and outputs[1].is_digit is None:
        lines.insert(
            0, "is_digit: the shipped model says whether it is one; the candidate does not"
        )
    if sizes[1] > MOST_GROWTH * sizes[0]:
        lines.append(
            f"size: {sizes[1] / 1e3:,.0f} kB, {sizes[1] / sizes[0]:.2f} times the shipped file's "
            f"{sizes[0] / 1e3:,.0f}, of which at most {MOST_GROWTH} are allowed"
        )
    return lines


def _said(verdict: Verdict) -> str:
    rule, show = verdict.rule, _shower(verdict.rule.measure)
    moved = f"{rule.name}: {show(verdict.shipped)} -> {show(verdict.candidate)}"
    if verdict.worse:
        return f"{moved}: worse, by {show(verdict.low)} to {show(verdict.high)}"
    return (
        f"{moved}: it may be worse by as much as {show(verdict.high)}, "
        f"and {show(rule.margin)} is the most allowed"
    )


def _shower(measure: str) -> Any:
    unit = paired.MEASURES[measure]
    return lambda value: f"{100 * value:.2f}%" if unit == "%" else f"{value:.4f}{unit}"


def table(found: list[Verdict], sizes: tuple[int, int]) -> str:
    """Return the verdicts as a Markdown table, the sizes in its last row."""
    heading = ["pictures", "figure", "shipped", "candidate", "worse by", "margin", "verdict"]
    rows = [heading, ["---"] * len(heading)]
    for each in found:
        show = _shower(each.rule.measure)
        between = f"{show(each.low)} to {show(each.high)}"
        said = "pass" if each.passed else "worse" if each.worse else "in doubt"
        values = (show(each.shipped), show(each.candidate), between, show(each.rule.margin))
        rows.append([" and ".join(each.rule.places), each.rule.measure, *values, said])
    kept = "pass" if sizes[1] <= MOST_GROWTH * sizes[0] else "worse"
    shown = [f"{size / 1e3:,.0f} kB" for size in sizes]
    change, most = (f"{100 * (share - 1):.0f}%" for share in (sizes[1] / sizes[0], MOST_GROWTH))
    rows.append(["the file", "size", *shown, change, most, kept])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise GateError(f"git {' '.join(words)}: {said[-1]}")
    return done.stdout


@contextmanager
def shipped_file(args: Namespace) -> Iterator[Path]:
    """Give the shipped model file: one on disk, or that of a revision with its card beside it."""
    if not args.shipped_at:
        yield args.shipped
        return
    revision = args.shipped_at
    if revision == PREVIOUS:
        try:
            tag = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
        except GateError:
            print("gate: no release before this one: the candidate is held to itself")
            yield args.candidate
            return
        revision = tag.decode().strip()
    name = config.MODEL_PATH.relative_to(ROOT).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / config.MODEL_PATH.name
        place.write_bytes(_git("show", f"{revision}:{name}"))
        card = model_files.card_path(Path(name)).as_posix()
        model_files.card_path(place).write_bytes(_git("show", f"{revision}:{card}"))
        print(f"gate: the shipped model is that of {revision}")
        yield place


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("gate.py", "Hold a model file to the shipped one; 1 if it is worse.")
    add = parser.add_argument
    add("candidate", type=Path, help="the model file, its card beside it")
    add(
        "--shipped", type=Path, default=config.MODEL_PATH, help="the file it must not be worse than"
    )
    add("--shipped-at", metavar="REVISION", help=f"take it of a git revision, or {PREVIOUS}")
    add(
        "--output",
        type=Path,
        default=ROOT / "results" / "gate",
        help="folder of gate.md, gate.json",
    )
    add("--digits", type=cli.whole_number("max_batch"), default=DIGITS, help="a condition")
    add("--data-dir", type=Path, default=settings.data_dir, help="the IDX files")
    return parser


def _work(args: Namespace) -> int:
    with shipped_file(args) as file:
        both = (Classifier.load(file), Classifier.load(args.candidate))
        sizes = (file.stat().st_size, args.candidate.stat().st_size)
    print(f"gate: {cli.shown(args.candidate)} ({both[1].version}) beside {both[0].version}")
    print(f"gate: making {args.digits:,} digits under {len(CONDITIONS)} conditions", flush=True)
    asked = images_asked(args.digits, args.data_dir)
    shipped, candidate = (answers(each, asked) for each in both)
    rules = rules_for(shipped, candidate)
    found = paired.verdicts(asked, shipped, candidate, rules)
    refused = refusals(found, sizes, (shipped[TEST_SET], candidate[TEST_SET]))
    _write(args.output, both, found, sizes, refused)
    print(f"\n{table(found, sizes)}")
    for line in refused:
        print(f"gate: {line}", file=sys.stderr)
    said = "may not ship" if refused else "is not worse than the shipped one"
    print(f"gate: {cli.shown(args.candidate)} {said}")
    return int(bool(refused))


def _write(
    folder: Path,
    both: tuple[Classifier, Classifier],
    found: list[Verdict],
    sizes: tuple[int, int],
    refused: list[str],
) -> None:
    names = [
        f"{who} {each.card['sha256']}"
        for who, each in zip(("shipped", "candidate"), both, strict=True)
    ]
    judged = [asdict(each) | {"passed": each.passed} for each in found]
    report = {
        "shipped": {"sha256": both[0].card["sha256"], "bytes": sizes[0]},
        "candidate": {"sha256": both[1].card["sha256"], "bytes": sizes[1]},
        "passed": not refused,
        "refused": refused,
        "figures": judged,
    }
    said = "\n".join([*(f"- {line}" for line in (*names, *refused)), "", table(found, sizes)])
    for name, text in (("gate.json", json.dumps(report, indent=1) + "\n"), ("gate.md", said)):
        with utils.atomic_path(folder / name) as aside:
            aside.write_text(text, "utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the two; return the exit status."""
    return cli.run("gate", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
