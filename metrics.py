"""How good answers are: accuracy, likelihood, calibration and its temperature, separation."""

from dataclasses import dataclass

import numpy as np

import config

CALIBRATION_BINS = 15
TEMPERATURES = np.geomspace(0.2, 5.0, 321)  # steps of 1%
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Reliability:
    """Equal-width bins of the top confidence: how many answers, how sure, how often right.

    Each (CALIBRATION_BINS,); confidence and accuracy are 0 in an empty bin.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1] (Naeini et al. 2015, Guo et al. 2017)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.sum(self.counts * gaps) / max(self.counts.sum(), 1))


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Bin probabilities (N, 10) by their top confidence and compare it with labels (N,)."""
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(top * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = np.maximum(counts, 1)
    return Reliability(
        counts,
        np.bincount(bins, top, CALIBRATION_BINS) / filled,
        np.bincount(bins, right, CALIBRATION_BINS) / filled,
    )


def figures(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | int]:
    """Return the figures of answers (N, 10) to labels (N,), N > 0, as shares in [0, 1].

    `low_confidence` is the share of answers below 0.5, `sure_but_wrong` the share of
    answers of 0.9 and more that are wrong, `nll` the mean negative log-likelihood in nats.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    sure = top >= 0.9
    return {
        "images": len(labels),
        "errors": int(np.sum(~right)),
        "accuracy": float(right.mean()),
        "mean_confidence": float(top.mean()),
        "low_confidence": float(np.mean(top < 0.5)),
        "sure_but_wrong": float(np.sum(sure & ~right) / max(sure.sum(), 1)),
        "ece": reliability(probabilities, labels).error,
        "nll": negative_log_likelihood(probabilities, labels),
    }


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log of the probability (N, 10) given to the right class, in nats."""
    given = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(given, SMALLEST_PROBABILITY))))


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Turn logits (N, 10) into probabilities (N, 10) float64, at a temperature > 0."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature under which logits (N, 10) make labels (N,) most likely.

    Guo et al. (2017), "On Calibration of Modern Neural Networks". Searched on a grid from
    0.2 to 5 in steps of 1%, which is finer than a validation split can tell apart.
    """
    losses = [negative_log_likelihood(softmax(logits, t), labels) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def confusion(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count answers, (10, 10) int: rows the true digit, columns the digit read."""
    flat = labels * config.CLASSES + predicted
    return np.bincount(flat, minlength=config.CLASSES**2).reshape(config.CLASSES, config.CLASSES)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return how often a score of `positive` (P,) is above one of `negative` (N,), in [0, 1].

    Over all pairs, a tie counting half: the area under the ROC curve (Hanley and McNeil
    1982). 1 tells the two apart, 0.5 is chance. Raises ValueError if either is empty or has
    a score that is no number.
    """
    above, below = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    if not (above.size and below.size) or np.isnan(above).any() or np.isnan(below).any():
        raise ValueError("auroc needs scores of both kinds, all of them numbers")
    beaten = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(beaten.mean() / (2 * below.size))
