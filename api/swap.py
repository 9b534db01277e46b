"""Put a model in place of the one that is served, or roll back to the one before.

    python -m api.swap                          roll back: exchange the model with the one before
    python -m api.swap new/mnist_cnn.keras      put this one in place, with all its files

The new model is loaded first, so one that is no good replaces nothing. What it replaces is kept
beside it as `mnist_cnn.previous.keras`, with all its files. Running servers take the new model.
"""

import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import cli
import config
import model_files
from classifier import Classifier
from litert_runtime import files_of, read_derived


def put_in_place(source: Path, target: Path) -> bool:
    """Copy all files of a model to another's place; return whether the replaced one was kept.

    A replaced model that is missing or damaged is not kept: it would push out the one before it.
    All is copied beside its place first and then renamed, so a failure leaves what was there. A
    kill between two renames leaves one model whole: the same command then completes the act.
    """
    previous, keep = model_files.previous_path(target), _is_whole(target)
    copies = [(target, previous)] if keep else []
    copies.insert(0 if source == previous else len(copies), (source, target))
    staged: dict[Path, bool] = {}  # by place: whether the model has such a file
    for end in (*files_of(previous), *files_of(target)):
        _staged(end).unlink(missing_ok=True)  # of an act that was killed
    try:
        for model, place in copies:
            for file, end in zip(files_of(model), files_of(place), strict=True):
                staged[end] = file.exists()
                if staged[end]:
                    shutil.copy(file, _staged(end))
    except BaseException:
        for end in staged:
            _staged(end).unlink(missing_ok=True)
        raise
    for end, exists in staged.items():
        if exists:
            _staged(end).replace(end)
        else:
            end.unlink(missing_ok=True)
    return keep


def _staged(place: Path) -> Path:
    return place.with_name(f".{place.name}.swap")


def _is_whole(model: Path) -> bool:
    """Return whether a model's files belong together; it may have no LiteRT form."""
    try:
        card = model_files.read_card(model)
        if any(file.exists() for file in files_of(model)[2:]):
            read_derived(model, card)
    except model_files.ModelError:
        return False
    return True


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("python -m api.swap", "Put a model in place of the one that is served.")
    add = parser.add_argument
    add("new", type=Path, nargs="?", help="the new model file (default: the one kept before)")
    add("--model", type=Path, default=settings.model, help="the model file that is served")
    return parser


def _work(args: Namespace) -> int:
    target, source = args.model, args.new or model_files.previous_path(args.model)
    if args.new is None and not source.exists():
        raise config.ReaderError(
            f"{source} does not exist, so there is no model to roll back to: name a model file"
        )
    if source.suffix != target.suffix or source.resolve() == target.resolve():
        raise config.ReaderError(
            f"{source} cannot take the place of {target}: name another {target.suffix} file"
        )
    version = Classifier.load(source).version
    kept = put_in_place(source, target)
    print(f"{target} is {version} now: running servers take it within two seconds")
    if kept:
        print(
            f"The model before is {model_files.previous_path(target)}: "
            "`python -m api.swap` exchanges them"
        )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Put a model in place; return the exit status."""
    return cli.run("api.swap", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
