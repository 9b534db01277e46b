"""Plots of trust: what is won by turning unsure answers away, and digits told from the rest."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import config
from plots import BLUE, GREY, SERIES, VERMILION, new_figure, tidy, write


def rejection_curve(named: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draw the share misread of what is left when the least sure answers are turned away.

    named: for each set of pictures the confidence (N,) of its answers and whether they are
    right (N,), N > 0. (El-Yaniv and Wiener 2010: the risk-coverage curve.)
    """
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    for series, (name, (confidence, right)) in enumerate(named.items()):
        order = np.argsort(-confidence, kind="stable")
        count = np.arange(1, len(order) + 1)
        misread = 100 * np.cumsum(~right[order].astype(bool)) / count
        turned_away = 100 * (1 - count / len(order))
        axes.plot(
            turned_away,
            misread,
            color=SERIES[series % len(SERIES)],
            label=f"{name}: {misread[-1]:.2f}% of all",
        )
    axes.set(
        title="Misread among the answers that are kept",
        xlabel="least sure answers turned away, %",
        ylabel="misread, %",
        xlim=(0, 10),
        ylim=(0, None),
    )
    tidy(axes)
    axes.legend(frameon=False)
    write(figure, path)


def digitness(digits: np.ndarray, others: np.ndarray, path: Path) -> None:
    """Draw how `is_digit` is spread over digits (N,) and over pictures of no digit (M,)."""
    figure = new_figure(7.2, 4)
    axes = figure.subplots()
    bins = np.linspace(0, 1, 41)
    for values, colour, name in (
        (others, VERMILION, "pictures of no digit"),
        (digits, BLUE, "digits"),
    ):
        shares = np.histogram(values, bins)[0] / len(values)
        accepted = 100 * np.mean(values >= config.IS_DIGIT_THRESHOLD)
        axes.stairs(
            100 * shares,
            bins,
            fill=True,
            alpha=0.5,
            color=colour,
            label=f"{name} ({len(values):,}): {accepted:.1f}% accepted",
        )
    axes.axvline(config.IS_DIGIT_THRESHOLD, color=GREY, linestyle=":")
    axes.set(
        title="Is this one digit?",
        xlabel="is_digit (accepted from 0.5 on)",
        ylabel="share of the pictures, %",
        yscale="log",
        xlim=(0, 1),
        ylim=(0.02, 130),
    )
    axes.yaxis.set_major_formatter("{x:g}")
    tidy(axes)
    axes.legend(frameon=False, loc="upper center")
    write(figure, path)
