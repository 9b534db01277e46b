"""Two models' answers to the same images compared, so that chance alone decides nothing.

Every figure is a mean over images, or made of such means. What two models say of one image goes
together, and so do all pictures of one digit: such a group is drawn or not drawn as a whole.
Drawing groups anew thousands of times (the paired bootstrap: Efron and Tibshirani 1993, Koehn
2004) gives the range in which the true difference lies.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import config
import metrics
from outputs import Outputs

DRAWS = 10_000
AT_ONCE = 250  # draws of which the counts are held in memory
SEED = 20_240_501
CHANCE = 0.05  # that a model exactly as good is stopped by any of all the figures
WRONG, NLL, MISJUDGED, GAPS = 0, 1, 2, 3  # columns of `_of_images`; the last and all after it
MEASURES = {
    "misread": "%",
    "calibration error": "%",
    "negative log-likelihood": " nats",
    "misjudged": "%",
}


@dataclass(frozen=True)
class Asked:
    """Images (N, 28, 28, 1) in MNIST form that both models are asked.

    labels: (N,), None for pictures of no digit. groups: (N,) int, the digit that an image shows;
    images of the same are one draw.
    """

    images: np.ndarray
    labels: np.ndarray | None
    groups: np.ndarray


@dataclass(frozen=True)
class Rule:
    """What may not be worse: a measure of a set, and by how much it must surely not be.

    places: the set, or several of which the mean counts. traded: the measure may get worse by
    less than the margin, even for certain, because another rule holds what it is traded for.
    """

    places: tuple[str, ...]
    measure: str
    margin: float
    traded: bool = False

    @property
    def name(self) -> str:
        return f"{' and '.join(self.places)}, {self.measure}"


@dataclass(frozen=True)
class Verdict:
    """A rule's outcome. Differences are candidate less shipped: above 0 is worse.

    low, high: the difference lies between them, as sure as `CHANCE` over all rules asks.
    """

    rule: Rule
    shipped: float
    candidate: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether it is worse for certain, by however little."""
        return self.low > (self.rule.margin if self.rule.traded else 0.0)

    @property
    def doubtful(self) -> bool:
        """Whether it may be worse by more than the margin."""
        return self.high > self.rule.margin

    @property
    def passed(self) -> bool:
        return not (self.worse or self.doubtful)


def verdicts(
    asked: dict[str, Asked],
    shipped: dict[str, Outputs],
    candidate: dict[str, Outputs],
    rules: list[Rule],
    draws: int = DRAWS,
) -> list[Verdict]:
    """Judge a candidate's answers to each set beside the shipped model's, rule by rule."""
    tail = CHANCE / len(rules)
    # Of each set: (draws + 1, K) sums, as it is and then drawn anew; the number of images first.
    sums: dict[str, np.ndarray] = {}
    for place in dict.fromkeys(place for rule in rules for place in rule.places):
        images = asked[place]
        sides = [_of_groups(said[place], images) for said in (shipped, candidate)]
        counts = np.bincount(images.groups, minlength=len(sides[0]))[:, None]
        whole = np.concatenate([counts, *sides], axis=1)
        rng = np.random.default_rng((SEED, zlib.crc32(place.encode())))
        sums[place] = np.concatenate([whole.sum(axis=0)[None], *_drawn(whole, draws, rng)])
    found = []
    for rule in rules:
        before, after = (
            np.mean([_measured(sums[place], rule.measure, side) for place in rule.places], axis=0)
            for side in (0, 1)
        )
        low, high = np.quantile((after - before)[1:], [tail, 1 - tail])
        found.append(Verdict(rule, float(before[0]), float(after[0]), float(low), float(high)))
    return found


def _of_images(said: Outputs, labels: np.ndarray | None) -> np.ndarray:
    """Return (N, 3 + bins): wrong, -log likelihood, misjudged, and each bin's gap.

    The gap is 1 or 0 for right or wrong less the confidence, in the confidence's bin: their sums
    make the calibration error.
    """
    rows = np.zeros((len(said.probabilities), GAPS + metrics.CALIBRATION_BINS))
    if said.is_digit is not None:
        rows[:, MISJUDGED] = (said.is_digit >= config.IS_DIGIT_THRESHOLD) != (labels is not None)
    if labels is None:
        return rows
    every = np.arange(len(labels))
    top = said.probabilities.max(axis=1)
    right = said.probabilities.argmax(axis=1) == labels
    given = np.maximum(said.probabilities[every, labels], metrics.SMALLEST_PROBABILITY)
    rows[:, WRONG], rows[:, NLL] = ~right, -np.log(given)
    last = metrics.CALIBRATION_BINS - 1
    bins = np.clip(np.ceil(top * metrics.CALIBRATION_BINS).astype(int) - 1, 0, last)
    rows[every, GAPS + bins] = right - top
    return rows


def _of_groups(said: Outputs, asked: Asked) -> np.ndarray:
    rows = _of_images(said, asked.labels)
    sums = np.zeros((int(asked.groups.max()) + 1, rows.shape[1]))
    np.add.at(sums, asked.groups, rows)
    return sums


def _drawn(sums: np.ndarray, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw as many groups as there are, with replacement, and add up their rows (G, K)."""
    groups = len(sums)
    for start in range(0, draws, AT_ONCE):
        rows = min(AT_ONCE, draws - start)
        chosen = rng.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        times = np.bincount(chosen.ravel(), minlength=rows * groups).reshape(rows, groups)
        yield times @ sums


def _measured(sums: np.ndarray, measure: str, side: int) -> np.ndarray:
    """Return a measure (B,) of one model from sums (B, 1 + 2 * columns)."""
    count, columns = sums[:, 0], (sums.shape[1] - 1) // 2
    own = sums[:, 1 + side * columns : 1 + (side + 1) * columns]
    if measure == "calibration error":
        return np.abs(own[:, GAPS:]).sum(axis=1) / count
    column = {"misread": WRONG, "negative log-likelihood": NLL, "misjudged": MISJUDGED}[measure]
    return own[:, column] / count
