"""What is to be seen in a model's plots, in words: for those who do not see them.

Written beside the plots when they are drawn, with the digest of the model that they are of.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import config
import metrics
import utils

FILE = "plots.json"
NAMED = 6  # of the most frequent confusions, and of the surest misread digits
TURNED_AWAY = (1, 5)  # of the least sure answers, per cent
SUREST = 0.9  # confidence of the answers that are told of apart

Sets = Mapping[str, tuple[np.ndarray, np.ndarray]]  # probabilities (N, 10) and labels (N,) by name


def write(words: Mapping[str, str], sha256: str, folder: Path) -> None:
    """Write what is to be seen in the plots of a folder, by their names, and of which model."""
    with utils.atomic_path(folder / FILE) as aside:
        text = json.dumps({"sha256": sha256, "plots": dict(words)}, indent=1, ensure_ascii=False)
        aside.write_text(text + "\n", "utf-8")


def confusion_matrix(counts: np.ndarray) -> str:
    """Describe counts (10, 10) of true digits (rows) by digits read (columns)."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:NAMED]
    pairs = [np.unravel_index(place, wrong.shape) for place in order if wrong.flat[place]]
    frequent = ", ".join(f"{true} read as {read}: {wrong[true, read]}" for true, read in pairs)
    return (
        "Confusion matrix, true digits in rows, digits read in columns: "
        f"{wrong.sum():,} of {counts.sum():,} test images are misread. "
        + (f"The most frequent confusions: {frequent}." if pairs else "")
    ).strip()


def misread_digits(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """Describe the misread of images with labels (N,) and probabilities (N, 10)."""
    read, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.nonzero(read != labels)[0]
    surest = wrong[np.argsort(-top[wrong], kind="stable")][:NAMED]
    named = ", ".join(f"{labels[i]} read as {read[i]} ({_floored(top[i])}%)" for i in surest)
    return (
        f"Gallery of the {len(wrong):,} of {len(labels):,} test images that are misread, the "
        f"surest first: {named}{' and so on' if len(wrong) > NAMED else ''}."
    )


def reliability_diagram(sets: Sets) -> str:
    """Describe how far confidence and share of right answers lie apart."""
    said = []
    for name, (probabilities, labels) in sets.items():
        error = metrics.reliability(probabilities, labels).error
        right = probabilities.argmax(axis=1) == labels
        sure = probabilities.max(axis=1) >= SUREST
        said.append(
            f"{_upper(name)}: calibration error {100 * error:.2f}%; of the {sure.sum():,} answers "
            f"of {100 * SUREST:.0f}% confidence and more {100 * right[sure].mean():.2f}% are right"
        )
    return (
        "Reliability diagram, how often answers are right by their confidence. The points lie "
        f"along the diagonal where an answer is as sure as right. {'. '.join(said)}."
    )


def rejection_curve(sets: Sets) -> str:
    """Describe what is still misread when the least sure answers are turned away."""
    said = []
    for name, (probabilities, labels) in sets.items():
        right = probabilities.argmax(axis=1) == labels
        order = np.argsort(-probabilities.max(axis=1), kind="stable")
        kept = [round(len(order) * (1 - percent / 100)) for percent in TURNED_AWAY]
        shares = [100 * np.mean(~right[order[:count]]) for count in kept]
        after = ", ".join(
            f"{share:.2f}% without the least sure {percent}%"
            for percent, share in zip(TURNED_AWAY, shares, strict=True)
        )
        said.append(f"{_upper(name)}: {100 * np.mean(~right):.2f}% of all, {after}")
    return f"Curves that fall: the share misread of the answers that are kept. {'. '.join(said)}."


def _floored(confidence: float) -> float:
    """Return per cent as the gallery shows it: never 100.0 for a little less."""
    return math.floor(1000 * confidence) / 10


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def is_digit(digits: np.ndarray, others: np.ndarray) -> str:
    """Describe how `is_digit` is spread over digits (N,) and pictures of no digit (M,)."""
    limit = config.IS_DIGIT_THRESHOLD
    return (
        "Two histograms of is_digit, of digits near 1 and of other pictures near 0. From "
        f"{limit} on {100 * np.mean(digits >= limit):.1f}% of {len(digits):,} digits are accepted, "
        f"and {100 * np.mean(others >= limit):.1f}% of {len(others):,} pictures of no digit."
    )


def learning_curves(validation_accuracy: Sequence[float], best_epoch: int) -> str:
    """Describe the course of training."""
    first, kept = (100 * (1 - validation_accuracy[epoch - 1]) for epoch in (1, best_epoch))
    return (
        f"Loss and share of misread validation images in {len(validation_accuracy)} epochs: "
        f"{first:.2f}% misread after the first, {kept:.2f}% in epoch {best_epoch}, which was kept."
    )
