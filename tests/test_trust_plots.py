"""The plots of trust: written whole, the same every time, and showing what they are given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trust_plots

RNG = np.random.default_rng(1)
SURE = RNG.uniform(0.3, 1, 2000)
RIGHT = RNG.uniform(0, 1, 2000) < SURE
DRAW: dict[str, Callable[[Path], None]] = {
    "rejection": lambda path: trust_plots.rejection_curve({"one": (SURE, RIGHT)}, path),
    "nothing wrong": lambda path: trust_plots.rejection_curve(
        {"one": (SURE, np.ones(2000, bool)), "other": (SURE[:1], RIGHT[:1])}, path
    ),
    "digitness": lambda path: trust_plots.digitness(SURE, 1 - SURE, path),
    "apart": lambda path: trust_plots.digitness(np.ones(5), np.zeros(5), path),
}


@pytest.mark.parametrize("name", DRAW)
def test_a_plot_is_a_small_png_and_the_same_every_time(name: str, tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    DRAW[name](first)
    DRAW[name](again)
    assert first.read_bytes() == again.read_bytes()
    assert first.stat().st_size < 150_000
    with Image.open(first) as plot:
        assert min(plot.size) > 300
    assert len(list(tmp_path.iterdir())) == 2


def test_other_figures_give_another_plot(tmp_path: Path) -> None:
    trust_plots.rejection_curve({"one": (SURE, RIGHT)}, tmp_path / "a.png")
    trust_plots.rejection_curve({"one": (SURE, ~RIGHT)}, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
