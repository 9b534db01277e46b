"""The plots of the project's reports, each one function that writes a PNG whole or not at all.

Drawn by matplotlib without a display; colours are Okabe and Ito's, told apart by the
colour-blind.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import config
import metrics
import utils

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
BLUE, VERMILION, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY, PALE = "#666666", "#E8E8E8"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, SKY)
METHOD_LOOKS: dict[str, dict[str, Any]] = {
    "enhanced": {"color": BLUE, "marker": "o", "markersize": 7},
    "basic": {"color": VERMILION, "marker": "s", "markersize": 7},
    # A reference that lies close to the others: a ring around them.
    "none": {"color": GREY, "marker": "D", "markersize": 12, "fillstyle": "none"},
}
MISREAD_COLUMNS = 10
FEWEST_ANSWERS = 5  # of a bin that is drawn: one answer is right or wrong, and says nothing
MISREAD_CELL = (38, 34)  # height, width: an image and its caption, in the image's pixels


@dataclass(frozen=True)
class Comparison:
    """How one preprocessing method did on one set of pictures; shares in [0, 1].

    A refused picture (no ink, unreadable) counts as wrong in `accuracy` and nowhere else.
    None where there is nothing to measure: no answer, pictures of no digit, or a model that
    does not say `is_digit`.
    """

    pictures: str  # the set's name
    method: str
    count: int
    accuracy: float | None
    mean_confidence: float | None
    low_confidence: float | None  # answers below 50%
    calibration_error: float | None
    refused: int
    misjudged: float | None = None  # answers whose is_digit is on the wrong side
    is_digit: np.ndarray | None = field(default=None, compare=False, repr=False)  # (answers,)


def learning_curves(
    loss: Sequence[float],
    validation_loss: Sequence[float],
    validation_accuracy: Sequence[float],
    best_epoch: int,
    path: Path,
) -> None:
    """Draw loss and validation accuracy by epoch, all of one length; `best_epoch` from 1."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(loss) + 1)
    dots = "o" if len(epochs) <= 12 else ""
    left.plot(epochs, loss, color=VERMILION, marker=dots, label="training (distorted images)")
    left.plot(epochs, validation_loss, color=BLUE, marker=dots, label="validation")
    left.set(title="Loss", ylabel="cross-entropy, nats", yscale="log")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    errors = 100 * (1 - np.asarray(validation_accuracy))
    right.plot(epochs, errors, color=BLUE, marker=dots, label="validation")
    right.set(title="Misread validation images", ylabel="share, %")
    right.set_ylim(0, 1.05 * float(np.percentile(errors, 95)) + 0.05)
    best = f"kept: epoch {best_epoch}, {100 * validation_accuracy[best_epoch - 1]:.2f}% read right"
    right.plot(best_epoch, errors[best_epoch - 1], "*", color=GREEN, markersize=15, label=best)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes)
        axes.legend(frameon=False)
    write(figure, path)


def confusion_matrix(counts: np.ndarray, path: Path) -> None:
    """Draw counts (10, 10), rows the true digit; only the errors are coloured."""
    figure = new_figure(6.4, 6)
    axes = figure.subplots()
    right = np.eye(config.CLASSES, dtype=bool)
    errors = np.where(right, 0, counts)
    most = max(int(errors.max()), 1)
    axes.imshow(np.where(right, 1.0, np.nan), cmap="Greys", vmin=0, vmax=10)
    axes.imshow(np.where(errors > 0, errors, np.nan), cmap="YlOrRd", vmin=0, vmax=1.25 * most)
    for true, read in np.argwhere(counts > 0):
        muted = true == read
        axes.text(
            read,
            true,
            f"{counts[true, read]:,}",
            ha="center",
            va="center",
            color=GREY if muted else "black",
            fontsize=8 if muted else 11,
        )
    digits = range(config.CLASSES)
    axes.set(xticks=digits, yticks=digits, xlabel="read as", ylabel="true digit")
    axes.set_xticks(np.arange(-0.5, config.CLASSES), minor=True)
    axes.set_yticks(np.arange(-0.5, config.CLASSES), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{errors.sum():,} of {counts.sum():,} images misread")
    write(figure, path)


def misread_digits(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    path: Path,
    most: int = 60,
) -> None:
    """Show misread images (N, 28, 28, 1), the surest first, each with its confidence.

    labels (N,), probabilities (N, 10). At most `most` are shown.
    """
    read, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(read != labels)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    title = f"{len(wrong):,} of {len(labels):,} images misread"
    if len(shown):
        title += ", the surest first: true digit → digit read, confidence"
    if len(shown) < len(wrong):
        title += f" ({len(shown)} shown)"
    rows = -(-len(shown) // MISREAD_COLUMNS)
    figure = new_figure(10, 0.5 + 1.12 * rows)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_title(title, fontsize=12)
    # One picture of all of them: an axes for each would take seconds to lay out.
    height, width = MISREAD_CELL
    sheet = np.zeros((max(rows * height, 1), MISREAD_COLUMNS * width))
    for place, index in enumerate(shown):
        top, left = place // MISREAD_COLUMNS * height, place % MISREAD_COLUMNS * width
        image = images[index, ..., 0]
        bottom, right = top + height, left + (width + image.shape[1]) // 2
        sheet[bottom - image.shape[0] : bottom, right - image.shape[1] : right] = image
        percent = math.floor(1000 * confidence[index]) / 10  # never 100.0 for a little less
        caption = f"{labels[index]} → {read[index]}  {percent}%"
        axes.text(left + width / 2, top + 7, caption, ha="center", va="center", fontsize=9)
    axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    write(figure, path)


def reliability_diagram(named: Mapping[str, metrics.Reliability], path: Path) -> None:
    """Draw how often answers of each confidence are right, and how many there are of each."""
    figure = new_figure(6.4, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 100), (0, 100), color=GREY, linestyle=":", label="as sure as right")
    most = max((int(r.counts.max()) for r in named.values()), default=1)
    for series, (name, bins) in enumerate(named.items()):
        filled = np.flatnonzero(bins.counts >= FEWEST_ANSWERS)
        upper.errorbar(
            100 * bins.confidence[filled],
            100 * bins.accuracy[filled],
            100 * _uncertainty(bins.accuracy[filled], bins.counts[filled]),
            fmt="o",
            color=SERIES[series % len(SERIES)],
            elinewidth=1,
            clip_on=False,
            label=f"{name}: calibration error {100 * bins.error:.2f}%",
        )
        _count_bars(lower, bins, series, len(named))
    upper.plot(
        [],
        [],
        " ",
        label=f"(upright lines: 95% interval; bins of {FEWEST_ANSWERS} answers and more)",
    )
    upper.set(title="How often answers are right, by confidence", ylabel="read right, %")
    upper.set(xlim=(0, 100), ylim=(0, 100))
    upper.legend(frameon=False, loc="lower right", fontsize=9)
    lower.set(xlabel="confidence, %", ylabel="answers", yscale="log", ylim=(0.7, 3 * most))
    for axes in (upper, lower):
        tidy(axes)
    write(figure, path)


def _uncertainty(share: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how far below and above (2, N) a share the true one may lie, 95% (Wilson 1927)."""
    z = 1.96
    centre = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
    reach = z * np.sqrt(share * (1 - share) / counts + (z / (2 * counts)) ** 2)
    reach /= 1 + z**2 / counts
    return np.maximum([share - (centre - reach), centre + reach - share], 0)


def _count_bars(axes: "Axes", bins: metrics.Reliability, series: int, of: int) -> None:
    """Draw the counts of one series beside those of the others, bin by bin."""
    width = 100 / len(bins.counts)
    bar = 0.84 * width / of
    lefts = width * (np.arange(len(bins.counts)) + 0.08) + series * bar
    axes.bar(lefts, bins.counts, bar, align="edge", color=SERIES[series % len(SERIES)])


def confidence_comparison(rows: Sequence[Comparison], path: Path) -> None:
    """Draw accuracy, mean confidence and calibration error by set of pictures and method."""
    sets = list(dict.fromkeys(row.pictures for row in rows))
    figure = new_figure(11, 1.7 + 0.5 * len(sets))
    panels = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 2))
    titles = ("Read right, %", "Mean confidence, %", "Calibration error, %")
    columns = ("accuracy", "mean_confidence", "calibration_error")
    for axes, title, column in zip(panels, titles, columns, strict=True):
        for place, name in enumerate(sets):
            of_set = [row for row in rows if row.pictures == name]
            _draw_set(axes, place, {row.method: getattr(row, column) for row in of_set})
        axes.set_title(title, fontsize=11)
        tidy(axes)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    for axes in panels[:2]:
        axes.set_xlim(-12, 114)
        axes.set_xticks(range(0, 101, 20))
    panels[2].margins(x=0.25)
    counts = {row.pictures: row.count for row in rows}
    panels[0].set_yticks(range(len(sets)), [f"{name} ({counts[name]:,})" for name in sets])
    panels[0].set_ylim(len(sets) - 0.4, -0.6)
    handles = [
        panels[0].plot([], [], linestyle="", label=method, **looks)[0]
        for method, looks in METHOD_LOOKS.items()
        if any(row.method == method for row in rows)
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        title="preprocessing (a refused picture counts as not read right)",
    )
    write(figure, path)


def _draw_set(axes: "Axes", place: int, shares: Mapping[str, float | None]) -> None:
    """Draw one set's figure under each method as marks on a line, with their values."""
    values = {method: 100 * share for method, share in shares.items() if share is not None}
    if not values:
        axes.text(1, place, "nothing to measure", va="center", color=GREY, fontsize=8)
        return
    ends = min(values.values()), max(values.values())
    axes.plot(ends, (place, place), color="#BBBBBB", linewidth=2, zorder=1)
    for method, value in values.items():
        axes.plot(value, place, **METHOD_LOOKS[method])
    labelled = sorted(values.keys() - {"none"}, key=lambda method: (values[method], method))
    for method in labelled:
        rightmost = method == labelled[-1]
        axes.annotate(
            f"{values[method]:.1f}",
            (values[method], place),
            (9 if rightmost else -9, 0),
            textcoords="offset points",
            ha="left" if rightmost else "right",
            va="center",
            fontsize=8,
            color=METHOD_LOOKS[method]["color"],
        )


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of that many inches, without the global state of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def tidy(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)


def write(figure: "Figure", path: Path) -> None:
    # Without the version of matplotlib, equal plots are equal files.
    with utils.atomic_path(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})
