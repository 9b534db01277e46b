"""Gather what a release publishes: model files, cards, exports, tables and digests, in one folder.

    python deploy/pipeline/release_files.py 1.0.0            or: make release-files VERSION=1.0.0

Beside the model files come the exports (`make export`), the gate's report (`make gate`) and the
bill of materials (`make sbom`), which must be there and belong to these models. The folder is made
whole or not at all: results/release/VERSION, SHA256SUMS in it.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import cli  # noqa: E402
import config  # noqa: E402
import model_files  # noqa: E402

VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")  # https://semver.org
MODELS = ("mnist_cnn", "mnist_tiny")
SUMS = "SHA256SUMS"


class ReleaseError(config.ReaderError):
    """What is to be released is not as it must be."""


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("release_files.py", "Gather a release's files.")
    add = parser.add_argument
    add("version", help="such as 1.0.0; the tag is v1.0.0")
    add("--exports", type=Path, default=config.EXPORT_DIR, help="what make export wrote")
    add("--gate", type=Path, default=ROOT / "results" / "gate", help="what make gate wrote")
    add("--sbom", type=Path, default=ROOT / "results" / "sbom.json", help="what make sbom wrote")
    add(
        "--output", type=Path, default=ROOT / "results" / "release", help="where the folder is made"
    )
    add("--allow-dirty", action="store_true", help="release what is not committed too")
    return parser


def _checked_models() -> list[Path]:
    """Return the model files. Raises ModelError for one that is not its card's."""
    files = [config.MODEL_PATH.with_name(f"{name}.keras") for name in MODELS]
    for file in files:
        model_files.read_card(file)
    return files


def _checked_exports(folder: Path, digests: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield the exported files and their cards, each with the name that it is published by.

    Raises ReleaseError for those of other models.
    """
    found = set()
    for card_file in sorted(folder.glob("*/*.json")) + sorted(folder.glob("*/*/*.json")):
        card = json.loads(card_file.read_text("utf-8"))
        if "derived_from" not in card:
            continue
        if card["derived_from"] not in digests:
            raise ReleaseError(f"{cli.shown(card_file)} is of another model: run make export again")
        found.add(card["derived_from"])
        if card["form"] == "SavedModel":
            name = f"{card_file.parent.name}.saved_model"
            yield f"{name}.tar", card_file.with_suffix("")
            yield f"{name}.json", card_file
        else:
            file = _file_of(card_file)
            yield file.name, file
            yield f"{file.name}.json", card_file
    if found != digests:
        raise ReleaseError(f"{cli.shown(folder)} lacks the exports of a model: run make export")


def _file_of(card_file: Path) -> Path:
    (file,) = (
        each
        for each in card_file.parent.glob(f"{card_file.stem}.*")
        if each != card_file and each.suffix in (".tflite", ".onnx")
    )
    return file


def _checked_gate(folder: Path) -> list[Path]:
    """Return the gate's report. Raises ReleaseError unless it let the shipped model pass."""
    report = folder / "gate.json"
    if not report.is_file():
        raise ReleaseError(f"{cli.shown(report)} is missing: run make gate first")
    told = json.loads(report.read_text("utf-8"))
    if told["candidate"]["sha256"] != model_files.digest(config.MODEL_PATH):
        raise ReleaseError(f"{cli.shown(report)} is of another model: run make gate again")
    if not told["passed"]:
        raise ReleaseError(f"the gate stops this model: see {cli.shown(folder / 'gate.md')}")
    return [report, folder / "gate.md"]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def gather(args: Namespace) -> Path:
    """Make the release's folder in place of one of the same version; return it.

    Raises ReaderError, and leaves what was there, for anything that is not as it must be.
    """
    if not VERSION.fullmatch(args.version):
        raise ReleaseError(f"{args.version!r} is no version: expected one such as 1.0.0")
    if not args.allow_dirty and _git("status", "--porcelain", "--untracked-files=no"):
        raise ReleaseError("the working tree has changes: commit them, so that they can be named")
    models = _checked_models()
    digests = {model_files.digest(file) for file in models}
    cards = [model_files.card_path(file) for file in models]
    tables = [args.exports / name for name in ("parity.md", "parity_tiny.md")]
    if not args.sbom.is_file():
        raise ReleaseError(f"{cli.shown(args.sbom)} is missing: run make sbom first")
    plain = [*models, *cards, ROOT / "LICENSE", args.sbom, *tables, *_checked_gate(args.gate)]
    parts = [(file.name, file) for file in plain]
    parts += [("MODEL_CARD.md", ROOT / "models" / "README.md")]
    parts += _checked_exports(args.exports, digests)
    place = args.output / args.version
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.output, prefix=".making-") as scratch:
        made = Path(scratch) / args.version
        made.mkdir()
        for name, part in parts:
            if (made / name).exists():
                raise ReleaseError(f"two files would be published as {name}")
            if part.is_dir():
                _archive(part, made / name)
            else:
                shutil.copyfile(part, made / name)
        (made / "COMMIT").write_text(_git("rev-parse", "HEAD") + "\n", "utf-8")
        lines = [
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"
            for file in sorted(made.iterdir())
        ]
        (made / SUMS).write_text("\n".join(lines) + "\n", "utf-8")
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    return place


def _archive(folder: Path, file: Path) -> None:
    """Pack a SavedModel so that the same files make the same archive."""
    words = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    command = [*words, "-cf", str(file), "-C", str(folder.parent), folder.name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"tar: {done.stderr.strip()}")


def _work(args: Namespace) -> int:
    place = gather(args)
    files = sorted(place.iterdir())
    size = sum(file.stat().st_size for file in files)
    print(f"{cli.shown(place)}  {len(files)} files, {size / 1e6:.1f} MB")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Gather the files; return the exit status."""
    return cli.run("release_files", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
