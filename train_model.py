"""Train the digit classifier, measure it, and write the model file with its card.

    python train_model.py                       the quick preset, a few minutes on two cores
    python train_model.py --preset standard     the recipe of the shipped model
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

import numpy as np

import cli
import config
import metrics
import model_files
import plots
import quiet
from classifier import Classifier
from load_mnist_local import Mnist, Split, load_mnist

if TYPE_CHECKING:
    import keras

    from training_loop import Progress

PACKAGES = ("tensorflow", "keras", "numpy")


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("train_model.py", "Train the digit classifier and write its model file.")
    add = parser.add_argument
    add("--preset", choices=list(config.PRESETS), default=config.DEFAULT_PRESET, help="the recipe")
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
    probabilities = classifier.probabilities(mnist.test.images)
    figures = {
        "validation": metrics.figures(
            classifier.probabilities(mnist.validation.images), mnist.validation.labels
        ),
        "test": metrics.figures(probabilities, mnist.test.labels),
    }
    print_figures(args.evaluate, classifier.card | figures)
    if args.plots:
        draw_plots(classifier.card, mnist.test, probabilities, args.plots)
    return _gate(args.min_accuracy, figures["test"])


def _train(args: Namespace, mnist: Mnist) -> int:
    quiet.import_tensorflow()
    import training_loop
    from model import multiply_adds, with_probabilities

    preset = config.PRESETS[args.preset]
    if args.seed is not None:
        preset = replace(preset, seed=args.seed)
    train_split = first_images(mnist.train, preset.train_images)
    print(f"training {args.preset}: {preset.epochs} epochs of {len(train_split):,} images")
    network, progress = training_loop.train(
        preset, train_split, mnist.validation, args.checkpoints / args.preset, args.resume
    )

    logits = training_loop.predict_logits(network, mnist.validation.images)
    temperature = metrics.fit_temperature(logits, mnist.validation.labels)
    finished = with_probabilities(network, temperature)
    probabilities = training_loop.predict_logits(finished, mnist.test.images)
    card = {
        **describe_run(args.preset, preset, progress),
        "parameters": int(network.count_params()),
        "multiply_adds": multiply_adds(network),
        "temperature": temperature,
        "temperature_chosen": "least negative log-likelihood on the validation split",
        "validation": metrics.figures(
            metrics.softmax(logits, temperature), mnist.validation.labels
        ),
        "test": metrics.figures(probabilities, mnist.test.labels),
    }
    status = _gate(args.min_accuracy, card["test"])
    path = args.output if status == 0 else _candidate(args.output)
    if status == 0 and not args.force:
        path = best_place(args.output, card)
    card = model_files.write_model(lambda file: _save(finished, file), card, path)
    print_figures(path, card)
    shipped = path.resolve() == config.MODEL_PATH.resolve()
    own_plots = args.checkpoints / args.preset / "plots"
    draw_plots(
        card,
        mnist.test,
        probabilities,
        args.plots or (config.DOCS_DIR if shipped else own_plots),
    )
    return status


def first_images(split: Split, count: int | None) -> Split:
    """Return the first `count` images of a split, or all of them for None."""
    return Split(split.images[:count], split.labels[:count])


def _save(network: "keras.Model", file: Path) -> None:
    network.save(file)


def describe_run(name: str, preset: config.Preset, progress: "Progress") -> dict[str, Any]:
    """Return what a card says of the training run: recipe, time, machine, packages, history."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": name,
        "recipe": asdict(preset),
        "epochs": progress.epochs_done,
        "best_epoch": progress.best_epoch,
        "training_seconds": round(progress.seconds),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {"python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "history": {
            "loss": [round(x, 5) for x in progress.loss],
            "validation_loss": [round(x, 5) for x in progress.validation_loss],
            "validation_accuracy": [round(x, 5) for x in progress.validation_accuracy],
        },
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


def print_figures(path: Path, card: model_files.Card) -> None:
    """Print what a card says of the model: size, time and how well it reads."""
    minutes = card.get("training_seconds", 0) / 60
    print(f"\n{cli.shown(path)}  sha256 {card['sha256'][:12]}")
    print(
        f"preset {card.get('preset')}, seed {card.get('recipe', {}).get('seed')}, "
        f"best of {card.get('epochs')} epochs: {card.get('best_epoch')}, {minutes:.1f} minutes; "
        f"{card.get('parameters', 0):,} parameters, "
        f"{card.get('multiply_adds', 0) / 1e6:.1f} million multiply-adds an image"
    )
    for part in ("validation", "test"):
        figures = card[part]
        print(
            f"{part:<11}{100 * figures['accuracy']:6.2f}% right ({figures['errors']} of "
            f"{figures['images']:,} wrong), mean confidence "
            f"{100 * figures['mean_confidence']:.2f}%, "
            f"calibration error {100 * figures['ece']:.2f}%, "
            f"sure but wrong {100 * figures['sure_but_wrong']:.2f}%"
        )


def draw_plots(
    card: model_files.Card, test: Split, probabilities: np.ndarray, folder: Path
) -> None:
    """Draw learning curves, confusion matrix, misread digits and reliability in a folder."""
    history = card["history"]
    plots.learning_curves(
        history["loss"],
        history["validation_loss"],
        history["validation_accuracy"],
        card["best_epoch"],
        folder / "learning_curves.png",
    )
    counts = metrics.confusion(probabilities.argmax(axis=1), test.labels)
    plots.confusion_matrix(counts, folder / "confusion_matrix.png")
    plots.misread_digits(test.images, test.labels, probabilities, folder / "misread_digits.png")
    plots.reliability_diagram(
        {"test set": metrics.reliability(probabilities, test.labels)},
        folder / "reliability_diagram.png",
    )
    print(f"plots drawn in {cli.shown(folder)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Train or evaluate; return the exit status."""
    return cli.run("train_model", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
