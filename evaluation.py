"""A finished model measured: its figures on the splits, printed, and its plots drawn."""

import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import cli
import config
import metrics
import model_files
import plot_words
import plots
import presets
import training_pool
import trust_plots
from classifier import Classifier
from load_mnist_local import Mnist, Split
from outputs import Outputs

PICTURES = presets.PoolRecipe(
    bent=0,
    sheets=1_000,
    strokes=0,
    none=1_000,
    augmentation=presets.Augmentation(),
    seed=2_000_003,
)


@dataclass(frozen=True)
class Measured:
    """What a model says of both splits, and its figures by part as a card holds them."""

    validation: Outputs
    test: Outputs
    figures: dict[str, Any]


def measure(classifier: Classifier, mnist: Mnist) -> Measured:
    """Return the figures of a model on validation split and test set."""
    read = classifier.outputs(mnist.validation.images)
    said = classifier.outputs(mnist.test.images)
    figures = {
        "validation": metrics.figures(read.probabilities, mnist.validation.labels),
        "test": metrics.figures(said.probabilities, mnist.test.labels),
    }
    if said.is_digit is not None:
        rejected = float(np.mean(said.is_digit < config.IS_DIGIT_THRESHOLD))
        figures["test"]["rejected"] = rejected
    return Measured(read, said, figures)


def print_figures(path: Path, card: model_files.Card) -> None:
    """Print what a card says of the model: size, time and how well it reads."""
    print(f"\n{cli.shown(path)}  sha256 {card['sha256'][:12]}")
    print(
        f"preset {card.get('preset')}, {_described(card)}; "
        f"{card.get('parameters', 0):,} parameters, "
        f"{card.get('multiply_adds', 0) / 1e6:.1f} million multiply-adds an image"
    )
    for part in ("validation", "test"):
        figures = card[part]
        line = (
            f"{part:<11}{100 * figures['accuracy']:6.2f}% right ({figures['errors']} of "
            f"{figures['images']:,} wrong), mean confidence "
            f"{100 * figures['mean_confidence']:.2f}%, "
            f"calibration error {100 * figures['ece']:.2f}%, "
            f"sure but wrong {100 * figures['sure_but_wrong']:.2f}%"
        )
        if "rejected" in figures:
            line += f", taken for no digit {100 * figures['rejected']:.2f}%"
        print(line)


def _described(card: model_files.Card) -> str:
    """Return in words what a model came of: one run, or several whose weights were averaged."""
    minutes = card.get("training_seconds", 0) / 60
    runs = card.get("averaged")
    if runs:
        right = [100 * run["test"] for run in runs]
        return (
            f"the average of seeds {', '.join(str(run['seed']) for run in runs)}, which alone "
            f"read {min(right):.2f}% to {max(right):.2f}% of the test set "
            f"(median {statistics.median(right):.2f}%), {minutes:.1f} minutes each"
        )
    return (
        f"seed {card.get('recipe', {}).get('seed')}, kept of {card.get('epochs')} epochs: "
        f"{card.get('best_epoch')}, {minutes:.1f} minutes"
    )


def draw_plots(classifier: Classifier, mnist: Mnist, measured: Measured, folder: Path) -> None:
    """Draw all plots of a model in a folder, and print what its pictures of paper give.

    The pictures are test digits composed on canvases and paper, and pictures of no digit made
    from test digits: none was seen in training.
    """
    card, test, probabilities = classifier.card, mnist.test, measured.test.probabilities
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
    words = {
        "learning_curves.png": plot_words.learning_curves(
            history["validation_accuracy"], card["best_epoch"]
        ),
        "confusion_matrix.png": plot_words.confusion_matrix(counts),
        "misread_digits.png": plot_words.misread_digits(test.labels, probabilities),
    }

    recipe = PICTURES if measured.test.is_digit is not None else replace(PICTURES, none=0)
    with tempfile.TemporaryDirectory() as scratch:
        pool = training_pool.build(recipe, test, Path(scratch))
    shown = pool.labels != training_pool.NO_DIGIT
    pictures = Split(pool.images[shown, ..., None] / np.float32(255), pool.labels[shown])
    read = classifier.outputs(pictures.images)
    sets = {
        "test set": (probabilities, test.labels),
        "its digits on canvases and paper": (read.probabilities, pictures.labels),
    }
    plots.reliability_diagram(
        {name: metrics.reliability(*both) for name, both in sets.items()},
        folder / "reliability_diagram.png",
    )
    words["reliability_diagram.png"] = plot_words.reliability_diagram(sets)
    words["rejection_curve.png"] = plot_words.rejection_curve(sets)
    trust_plots.rejection_curve(
        {
            name: (said.max(axis=1), said.argmax(axis=1) == is_)
            for name, (said, is_) in sets.items()
        },
        folder / "rejection_curve.png",
    )
    print_pictures(metrics.figures(*sets["its digits on canvases and paper"]))
    if read.is_digit is not None and measured.test.is_digit is not None:
        others = classifier.outputs(pool.images[~shown, ..., None] / np.float32(255)).is_digit
        assert others is not None
        trust_plots.digitness(measured.test.is_digit, others, folder / "is_digit.png")
        words["is_digit.png"] = plot_words.is_digit(measured.test.is_digit, others)
        print_digitness(measured.test.is_digit, read.is_digit, others)
    plot_words.write(words, card["sha256"], folder)
    print(f"plots drawn in {cli.shown(folder)}")


def print_pictures(figures: dict[str, float | int]) -> None:
    """Print the figures of test digits on canvases and paper."""
    print(
        f"its digits on canvases and paper: {100 * figures['accuracy']:.2f}% of "
        f"{figures['images']:,} right, calibration error {100 * figures['ece']:.2f}%, "
        f"sure but wrong {100 * figures['sure_but_wrong']:.2f}%"
    )


def print_digitness(digits: np.ndarray, pictures: np.ndarray, others: np.ndarray) -> None:
    """Print how well `is_digit` (N,) of each kind tells digits from pictures of none."""
    limit = config.IS_DIGIT_THRESHOLD
    print(
        f"is_digit: {100 * np.mean(digits < limit):.2f}% of the test set and "
        f"{100 * np.mean(pictures < limit):.2f}% of its digits on paper are turned away, "
        f"{100 * np.mean(others >= limit):.2f}% of {len(others):,} pictures of no digit "
        f"accepted; AUROC {metrics.auroc(digits, others):.4f}"
    )
