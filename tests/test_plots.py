"""The plots: written whole, small, the same every time, and showing what they are given."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import config
import metrics
import plots

LARGEST_FILE = 150_000
CALIBRATED = np.random.default_rng(1).dirichlet(np.full(10, 0.1), 3000)
TRUE = np.array([np.random.default_rng(i).choice(10, p=p) for i, p in enumerate(CALIBRATED)])
IMAGES = np.zeros((3000, 28, 28, 1), np.float32)
IMAGES[:, 8:20, 8:20] = np.linspace(0, 1, 12, dtype=np.float32)[:, None, None]


def row(pictures: str, method: str, accuracy: float | None) -> plots.Comparison:
    return plots.Comparison(pictures, method, 100, accuracy, accuracy, 0.1, accuracy, 0)


ROWS = [
    *(row("test set", method, 0.99) for method in ("none", "basic", "enhanced")),
    *(row(f"set {n}", method, 0.1 * n) for n in range(10) for method in ("basic", "enhanced")),
    row("all refused", "basic", None),
]
CURVES = [0.9 / epoch for epoch in range(1, 46)]
DRAW: dict[str, Callable[[Path], None]] = {
    "learning curves": lambda path: plots.learning_curves(
        CURVES, CURVES, [1 - loss for loss in CURVES], 45, path
    ),
    "one epoch": lambda path: plots.learning_curves([1.0], [0.5], [0.9], 1, path),
    "no error left": lambda path: plots.learning_curves(
        [1.0, 0.1], [0.5, 0.1], [0.9, 1.0], 2, path
    ),
    "confusion": lambda path: plots.confusion_matrix(
        metrics.confusion(CALIBRATED.argmax(axis=1), TRUE), path
    ),
    "no confusion": lambda path: plots.confusion_matrix(np.diag(np.full(10, 1000)), path),
    "misread": lambda path: plots.misread_digits(IMAGES, TRUE, CALIBRATED, path),
    "none misread": lambda path: plots.misread_digits(
        IMAGES[:5], CALIBRATED[:5].argmax(axis=1), CALIBRATED[:5], path
    ),
    "reliability": lambda path: plots.reliability_diagram(
        {"one": metrics.reliability(CALIBRATED, TRUE)}, path
    ),
    "reliability of six": lambda path: plots.reliability_diagram(
        {str(n): metrics.reliability(CALIBRATED[:n], TRUE[:n]) for n in (1, 5, 9, 50, 99, 3000)},
        path,
    ),
    "comparison": lambda path: plots.confidence_comparison(ROWS, path),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAW)
def test_every_plot_is_a_small_png(name: str, tmp_path: Path) -> None:
    first = tmp_path / "new folder" / "a.png"
    DRAW[name](first)
    with Image.open(first) as picture:
        assert picture.format == "PNG"
        assert 300 < picture.width <= 1300
        assert len(picture.convert("L").getcolors(256) or []) > 5, "an empty picture"
    assert first.stat().st_size < LARGEST_FILE
    assert [file.name for file in first.parent.iterdir()] == ["a.png"], "something left over"


@pytest.mark.parametrize("name", ["misread", "reliability"])
def test_a_plot_is_the_same_every_time(name: str, tmp_path: Path) -> None:
    for file in ("a.png", "b.png"):
        DRAW[name](tmp_path / file)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def colours(path: Path) -> int:
    """Return how many pixels are coloured rather than grey."""
    pixels = np.asarray(Image.open(path).convert("RGB"), int)
    return int(np.sum(np.ptp(pixels, axis=2) > 40))


def test_only_errors_are_coloured_in_the_confusion_matrix(tmp_path: Path) -> None:
    counts = np.diag(np.full(10, 1000))
    plots.confusion_matrix(counts, tmp_path / "right.png")
    counts[4, 9] = 1
    plots.confusion_matrix(counts, tmp_path / "wrong.png")
    counts[0, 1] = 40
    plots.confusion_matrix(counts, tmp_path / "worse.png")
    found = [colours(tmp_path / f"{name}.png") for name in ("right", "wrong", "worse")]
    assert found[0] == 0
    assert found[1] > 1000
    assert found[2] > found[1], "a single error is no longer to be seen beside many"


def height_of_misread(tmp_path: Path, wrong: int, most: int) -> int:
    labels = np.zeros(100, int)
    probabilities = np.tile(np.eye(10)[0], (100, 1))
    probabilities[:wrong] = np.eye(10)[1]
    path = tmp_path / f"{wrong} {most}.png"
    plots.misread_digits(IMAGES[:100], labels, probabilities, path, most)
    return int(Image.open(path).height)


def test_misread_digits_take_the_room_they_need_and_at_most_so_many_are_shown(
    tmp_path: Path,
) -> None:
    none, few, row_more, all_of_them, capped = (
        height_of_misread(tmp_path, wrong, most)
        for wrong, most in ((0, 60), (7, 60), (13, 60), (60, 60), (99, 60))
    )
    assert none < few < row_more < all_of_them == capped


def test_the_surest_misread_digit_comes_first(tmp_path: Path) -> None:
    black, white = np.ones((1, 28, 28, 1), np.float32), np.zeros((1, 28, 28, 1), np.float32)
    sure, unsure = np.eye(10)[1], 0.6 * np.eye(10)[1] + 0.4 * np.eye(10)[2]
    plots.misread_digits(
        np.concatenate([white, black]), np.array([0, 0]), np.array([unsure, sure]), tmp_path / "p"
    )
    pixels = np.asarray(Image.open(tmp_path / "p").convert("L"))
    dark = np.flatnonzero((pixels < 10).sum(axis=0) > 40)  # columns through the black image
    assert len(dark) > 20
    assert dark.max() < pixels.shape[1] / 10


def test_a_plot_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"the old plot")
    with pytest.raises((ValueError, IndexError)):
        plots.learning_curves([1.0], [1.0], [0.5], 7, path)
    assert path.read_bytes() == b"the old plot"
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]


def test_pyplot_and_its_global_state_stay_out(tmp_path: Path) -> None:
    code = (
        "import sys, plots, pathlib\n"
        "assert 'matplotlib' not in sys.modules, 'imported with the module'\n"
        "plots.learning_curves([1.0], [1.0], [0.5], 1, pathlib.Path(sys.argv[1]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was used'\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "plot.png")]
    found = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
