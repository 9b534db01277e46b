"""Train the digit classifier, measure it, and write the model file with its card.

    python train_model.py                       the quick preset, a few minutes on two cores
    python train_model.py --preset standard     a better one, for other people's pens too
    python train_model.py --resume              go on after an interruption
    python train_model.py --restart             discard its epochs, and train anew
    python train_model.py --evaluate models/mnist_cnn.keras

Model, temperature and stopping are chosen on the validation split; the test set is read once,
at the end, for the report.
"""

import os
import platform
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
import config
import evaluation
import model_files
import presets
import promotion
import quiet
from checkpoints import Checkpoints, Progress
from classifier import Classifier
from keras_runtime import load_network, traced
from load_mnist_local import Mnist, Split, load_mnist

if TYPE_CHECKING:
    import keras

    from lessons import Lessons

PACKAGES = ("tensorflow", "keras", "numpy")
# What the card of an averaged model takes from the first of the runs.
OF_A_RUN = ("preset", "recipe", "epochs", "best_epoch", "training_seconds", "history")


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("train_model.py", "Train the digit classifier and write its model file.")
    add = parser.add_argument
    add(
        "--preset", choices=list(presets.PRESETS), default=presets.DEFAULT_PRESET, help="the recipe"
    )
    add(
        "--seed",
        type=int,
        default=None,
        help="of weights, order and distortions (default: the preset's)",
    )
    add("--data-dir", type=Path, default=settings.data_dir, help="the IDX files")
    add("--output", type=Path, default=settings.model, help="the model file to write")
    add("--checkpoints", type=Path, default=config.CHECKPOINT_DIR, help="the state of each epoch")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on after the last whole epoch")
    start.add_argument("--restart", action="store_true", help="discard the epochs that are there")
    add(
        "--force",
        action="store_true",
        help="replace the model file even by a worse one; the old one is kept beside it",
    )
    add("--min-accuracy", type=_share, default=0.0, help="exit 1 below this test accuracy, 0-1")
    add(
        "--average",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="average the weights of finished runs of the preset, in place of training",
    )
    add("--evaluate", type=Path, metavar="FILE", help="measure a model file; do not train")
    add("--plots", type=Path, help="folder of the plots (default: docs/ for the shipped model)")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ArgumentTypeError(f"{text!r} is not a share from 0 to 1, such as 0.994")
    return value


def _work(args: Namespace) -> int:
    if args.plots and args.plots.exists() and not args.plots.is_dir():
        raise config.ConfigError(f"--plots is {args.plots}: expected a folder, not a file")
    if args.evaluate:
        return _evaluate(args, load_mnist(args.data_dir))
    promotion.check_output(args.output)
    preset = presets.PRESETS[args.preset]
    run = args.preset if args.seed is None else f"{args.preset}-{args.seed}"
    if args.seed is not None:
        preset = replace(preset, seed=args.seed)
    checkpoints = Checkpoints(args.checkpoints / run)
    if args.average:
        cards = [_averaged_card(file, args.preset) for file in args.average]
        return _train(args, preset, checkpoints, cards)
    with checkpoints.locked():
        checkpoints.check_start(args.resume, args.restart, preset.epochs)
        try:
            return _train(args, preset, checkpoints, [])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(checkpoints.kept(preset.epochs)) from None


def _evaluate(args: Namespace, mnist: Mnist) -> int:
    classifier = Classifier.load(args.evaluate)
    measured = evaluation.measure(classifier, mnist)
    evaluation.print_figures(args.evaluate, classifier.card | measured.figures)
    if args.plots:
        evaluation.draw_plots(classifier, mnist, measured, args.plots)
    return _gate(args.min_accuracy, measured.figures["test"])


def _train(
    args: Namespace,
    preset: presets.Preset,
    checkpoints: Checkpoints,
    averaged: list[model_files.Card],
) -> int:
    """Train, or average the runs of these cards; write the model and its plots."""
    mnist = load_mnist(args.data_dir)
    quiet.import_tensorflow()
    from calibration import calibrate
    from lessons import lessons_for
    from model import multiply_adds, with_probabilities

    train_split = first_images(mnist.train, preset.train_images)
    pools, teachers = args.checkpoints / "pool", args.checkpoints / "teachers"
    lessons = lessons_for(preset, train_split, pools, teachers)
    network, described = (
        _averaged(args.average, averaged, preset, lessons)
        if averaged
        else _learnt(args, preset, lessons, mnist.validation, checkpoints)
    )
    found = calibrate(network, preset, mnist.validation, pools / "validation")
    finished = with_probabilities(network, found.temperature, found.threshold)
    measured = evaluation.measure(Classifier(traced(finished), {}), mnist)
    card = {
        **described,
        "parameters": int(network.count_params()),
        "multiply_adds": multiply_adds(network),
        "temperature": found.temperature,
        "threshold": found.threshold,
        "chosen": "temperature: least negative log-likelihood; threshold: see calibration.py; "
        "both on the validation split",
        **found.figures,
        **measured.figures,
    }
    status = _gate(args.min_accuracy, card["test"])
    path, card = promotion.promote(finished.save, card, args.output, status == 0, args.force)
    if not averaged:
        checkpoints.note_written(path, card)
    evaluation.print_figures(path, card)
    shipped = path.resolve() == config.MODEL_PATH.resolve()
    own_plots = checkpoints.folder / "plots"
    evaluation.draw_plots(
        Classifier(traced(finished), card),
        mnist,
        measured,
        args.plots or (config.DOCS_DIR if shipped else own_plots),
    )
    return status


def _learnt(
    args: Namespace,
    preset: presets.Preset,
    lessons: "Lessons",
    validation: Split,
    checkpoints: Checkpoints,
) -> tuple["keras.Model", dict[str, Any]]:
    """Train, and return the network of the best epoch and what the card says of the run."""
    import training_loop

    begun = args.checkpoints / "teachers" / f"{preset.start}.keras"
    start = load_network(begun) if preset.start else None
    print(f"training {args.preset}: {preset.epochs} epochs on {lessons.source}", flush=True)
    network, progress = training_loop.train(
        preset, lessons, validation, checkpoints, args.resume, start
    )
    return network, describe_run(args.preset, preset, progress)


def _averaged_card(file: Path, preset: str) -> model_files.Card:
    """Return the card of a run that is to be averaged. Raises ReaderError for another preset's."""
    card = model_files.read_card(file)
    if card.get("preset") != preset:
        raise config.ReaderError(
            f"{file} is of the preset {card.get('preset')}: average runs of {preset} only, or "
            "name theirs with --preset"
        )
    try:
        _described_run(card)
    except (KeyError, TypeError):
        raise config.ReaderError(f"{file} cannot be averaged: its card lacks the run") from None
    return card


def _described_run(card: model_files.Card) -> dict[str, Any]:
    """Return what the card of an averaged model takes from a run's."""
    return {
        **{name: card[name] for name in OF_A_RUN},
        "averaged": {
            "sha256": card["sha256"],
            "seed": card["recipe"]["seed"],
            "validation": card["validation"]["accuracy"],
            "test": card["test"]["accuracy"],
        },
    }


def _averaged(
    files: list[Path], cards: list[model_files.Card], preset: presets.Preset, lessons: "Lessons"
) -> tuple["keras.Model", dict[str, Any]]:
    """Average finished runs, and return the network and what the card says of them.

    History and time are those of the first; `averaged` names them all.
    """
    import training_loop
    from model import build_model, take_weights

    networks = [build_model(preset) for _ in files]
    for network, file in zip(networks, files, strict=True):
        try:
            take_weights(network, load_network(file))
        except ValueError:
            raise config.ReaderError(
                f"{file} has other widths than the preset has now: train it anew"
            ) from None
    runs = [_described_run(card) for card in cards]
    described = _described_machine() | runs[0] | {"averaged": [run["averaged"] for run in runs]}
    return training_loop.average(networks, lessons), described


def first_images(split: Split, count: int | None) -> Split:
    """Return the first `count` images of a split, or all of them for None."""
    return Split(split.images[:count], split.labels[:count])


def describe_run(name: str, preset: presets.Preset, progress: "Progress") -> dict[str, Any]:
    """Return what a card says of the training run: recipe, time, machine, packages, history."""
    return {
        **_described_machine(),
        "preset": name,
        "recipe": asdict(preset),
        "epochs": progress.epochs_done,
        "best_epoch": progress.best_epoch,
        "training_seconds": round(progress.seconds),
        "history": {
            "loss": [round(x, 5) for x in progress.loss],
            "validation_loss": [round(x, 5) for x in progress.validation_loss],
            "validation_accuracy": [round(x, 5) for x in progress.validation_accuracy],
        },
    }


def _described_machine() -> dict[str, Any]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {"python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
    }


def _version(package: str) -> str:
    # TensorFlow's CPU build is a distribution of another name.
    if package == "tensorflow":
        import tensorflow

        return str(tensorflow.__version__)
    return version(package)


def _gate(least: float, test: dict[str, float | int]) -> int:
    if test["accuracy"] >= least:
        return 0
    print(
        f"train_model: test accuracy {test['accuracy']:.4f} is below the gate of {least:.4f}",
        file=sys.stderr,
    )
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Train or evaluate; return the exit status."""
    return cli.run("train_model", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
