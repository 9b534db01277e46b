"""Train the digit classifier, measure it, and write the model file with its card.

    python train_model.py                       the quick preset, a few minutes on two cores
    python train_model.py --preset standard     a better one, for other people's pens too
    python train_model.py --resume              go on after an interruption
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
import litert_runtime
import model_files
import presets
import quiet
from classifier import Classifier
from keras_runtime import load_network, traced
from load_mnist_local import Mnist, Split, load_mnist

if TYPE_CHECKING:
    import keras

    from lessons import Lessons
    from training_loop import Progress

PACKAGES = ("tensorflow", "keras", "numpy")


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
    add("--resume", action="store_true", help="go on after the last whole epoch")
    add("--force", action="store_true", help="replace the model file even by a worse one")
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
    mnist = load_mnist(args.data_dir)
    if args.evaluate:
        return _evaluate(args, mnist)
    return _train(args, mnist)


def _evaluate(args: Namespace, mnist: Mnist) -> int:
    classifier = Classifier.load(args.evaluate)
    measured = evaluation.measure(classifier, mnist)
    evaluation.print_figures(args.evaluate, classifier.card | measured.figures)
    if args.plots:
        evaluation.draw_plots(classifier, mnist, measured, args.plots)
    return _gate(args.min_accuracy, measured.figures["test"])


def _train(args: Namespace, mnist: Mnist) -> int:
    quiet.import_tensorflow()
    from calibration import calibrate
    from lessons import lessons_for
    from model import multiply_adds, with_probabilities

    preset = presets.PRESETS[args.preset]
    run = args.preset if args.seed is None else f"{args.preset}-{args.seed}"
    if args.seed is not None:
        preset = replace(preset, seed=args.seed)
    train_split = first_images(mnist.train, preset.train_images)
    pools, teachers = args.checkpoints / "pool", args.checkpoints / "teachers"
    lessons = lessons_for(preset, train_split, pools, teachers)
    network, described = (
        _averaged(args.average, preset, lessons)
        if args.average
        else _learnt(args, preset, lessons, mnist.validation, args.checkpoints / run)
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
    path = args.output if status == 0 else _candidate(args.output)
    if status == 0 and not args.force:
        path = best_place(args.output, card)
    card = model_files.write_model(lambda file: _save(finished, file), card, path)
    if litert_runtime.installed():
        litert_runtime.derive(path, card)
    evaluation.print_figures(path, card)
    shipped = path.resolve() == config.MODEL_PATH.resolve()
    own_plots = args.checkpoints / run / "plots"
    evaluation.draw_plots(
        Classifier(traced(finished), card),
        mnist,
        measured,
        args.plots or (config.DOCS_DIR if shipped else own_plots),
    )
    return status


def _learnt(
    args: Namespace, preset: presets.Preset, lessons: "Lessons", validation: Split, folder: Path
) -> tuple["keras.Model", dict[str, Any]]:
    """Train, and return the network of the best epoch and what the card says of the run."""
    import training_loop

    begun = args.checkpoints / "teachers" / f"{preset.start}.keras"
    start = load_network(begun) if preset.start else None
    print(f"training {args.preset}: {preset.epochs} epochs on {lessons.source}", flush=True)
    network, progress = training_loop.train(preset, lessons, validation, folder, args.resume, start)
    return network, describe_run(args.preset, preset, progress)


def _averaged(
    files: list[Path], preset: presets.Preset, lessons: "Lessons"
) -> tuple["keras.Model", dict[str, Any]]:
    """Average finished runs, and return the network and what the card says of them.

    History and time are those of the first; `averaged` names them all.
    """
    import training_loop
    from model import build_model, take_weights

    networks = [build_model(preset) for _ in files]
    for network, file in zip(networks, files, strict=True):
        take_weights(network, load_network(file))
    cards = [model_files.read_card(file) for file in files]
    runs = [
        {"sha256": card["sha256"], "seed": card["recipe"]["seed"]}
        | {part: card[part]["accuracy"] for part in ("validation", "test")}
        for card in cards
    ]
    kept = ("preset", "recipe", "epochs", "best_epoch", "training_seconds", "history")
    described = _described_machine() | {name: cards[0][name] for name in kept}
    return training_loop.average(networks, lessons), described | {"averaged": runs}


def first_images(split: Split, count: int | None) -> Split:
    """Return the first `count` images of a split, or all of them for None."""
    return Split(split.images[:count], split.labels[:count])


def _save(network: "keras.Model", file: Path) -> None:
    network.save(file)


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


def best_place(output: Path, card: model_files.Card) -> Path:
    """Return `output`, or the candidate's place if a better model on validation is there."""
    if not output.exists():
        return output
    try:
        before = model_files.read_card(output)["validation"]["accuracy"]
    except (config.ReaderError, KeyError, TypeError):
        return output  # what is there is no good model
    after = card["validation"]["accuracy"]
    if after >= before:
        return output
    print(
        f"{cli.shown(output)} is kept: it reads {100 * before:.2f}% of the validation split, "
        f"the new model {100 * after:.2f}%. The new one is in "
        f"{cli.shown(_candidate(output))}; --force replaces the old"
    )
    return _candidate(output)


def _candidate(output: Path) -> Path:
    return output.with_name(f"{output.stem}.candidate{output.suffix}")


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
