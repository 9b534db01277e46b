"""The tab that tells what model answers: its card, its figures, and plots only if they are its."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import config
import model_files
import plot_words
from page import model_view

if TYPE_CHECKING:
    from playwright.sync_api import Page

CARD = json.loads(model_files.card_path(config.MODEL_PATH).read_text("utf-8"))


def test_the_figures_are_the_cards() -> None:
    shown = model_view.of_card(CARD, "litert")
    test = CARD["test"]
    assert f"{100 * test['accuracy']:.2f}%" in shown
    assert f"{test['errors']:,} of {test['images']:,} wrong" in shown
    for share in (test["ece"], test["rejected"], CARD["is_digit"]["non_digits_accepted"]):
        assert f"<dd>{100 * share:.2f}%</dd>" in shown
    assert f"{CARD['parameters']:,}" in shown
    assert CARD["sha256"] in shown
    assert "run by LiteRT" in shown
    assert str(CARD["training_seconds"] // 60) in shown


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"name": "m", "sha256": "0" * 64},
        {"name": "m", "test": [], "packages": 3, "averaged": "x", "created": 5, "recipe": None},
        {"name": "m", "test": {"accuracy": "high", "ece": True}, "created": "yesterday"},
    ],
)
def test_what_a_card_lacks_is_left_out(card: dict[str, Any]) -> None:
    shown = model_view.of_card(card, "keras")
    assert "Read right" not in shown
    assert "%" not in shown
    assert "None" not in shown


def test_a_cards_texts_stay_texts() -> None:
    card = {"name": "<b>", "sha256": "<i>", "machine": "<script>", "packages": {"<u>": "<s>"}}
    shown = model_view.of_card(card, "<em>")
    assert not re.search("<(b|i|script|u|s|em)>", shown)
    assert "<" not in model_view.of_fault("<p>")[len('<p role="status">') : -len("</p>")]


def test_every_plot_is_there_with_words_that_agree_with_the_card() -> None:
    """So that `make figures` is not forgotten when another model is shipped."""
    shown = model_view.of_plots(CARD["sha256"])
    assert shown.count("<img") == len(model_view.PLOTS)
    alts = [html.unescape(alt) for alt in re.findall(r'alt="([^"]+)"', shown)]
    assert len(alts) == len(model_view.PLOTS)
    test = CARD["test"]
    misread = f"{test['errors']:,} of {test['images']:,} test images"
    assert misread in alts[0]
    assert misread in alts[1]
    assert f"calibration error {100 * test['ece']:.2f}%" in alts[2]
    assert f"{100 * (1 - test['accuracy']):.2f}% of all" in alts[3]
    assert f"{100 * (1 - test['rejected']):.1f}%" in alts[4]


def test_plots_of_another_model_are_not_shown(tmp_path: Path) -> None:
    other = model_view.of_plots("0" * 64)
    assert "<img" not in other
    assert f"of another model, {CARD['sha256'][:12]}" in other
    assert "There are no plots" in model_view.of_plots(CARD["sha256"], tmp_path)
    plot_words.write({"confusion_matrix.png": "words"}, "1" * 64, tmp_path)
    assert "<img" not in model_view.of_plots("1" * 64, tmp_path)  # the plot itself is missing


def test_words_say_what_the_numbers_do() -> None:
    labels = np.array([3, 3, 7, 1])
    shares = np.full((4, 10), 0.01)
    shares[[0, 1, 2, 3], [3, 5, 1, 1]] = [0.91, 0.61, 0.99994, 0.91]
    said = plot_words.misread_digits(labels, shares)
    assert "2 of 4 test images" in said
    assert "7 read as 1 (99.9%), 3 read as 5 (61.0%)." in said
    counts = np.diag([5] * 10)
    counts[7, 1] = 2
    assert "2 of 52 test images" in plot_words.confusion_matrix(counts)
    assert "7 read as 1: 2." in plot_words.confusion_matrix(counts)
    assert "0 of 50" in plot_words.confusion_matrix(np.diag([5] * 10))
    both = {"some set": (shares, labels)}
    assert "Some set: 50.00% of all, 50.00% without" in plot_words.rejection_curve(both)
    assert "of the 3 answers of 90% confidence and more 66.67%" in plot_words.reliability_diagram(
        both
    )
    digits, others = np.array([0.9, 0.4]), np.array([0.1, 0.1, 0.1, 0.8])
    assert "50.0% of 2 digits" in plot_words.is_digit(digits, others)
    assert "25.0% of 4 pictures" in plot_words.is_digit(digits, others)
    assert "2.00% misread after the first, 1.00% in epoch 2" in plot_words.learning_curves(
        [0.98, 0.99, 0.985], 2
    )


@pytest.mark.slow
@pytest.mark.browser
def test_the_tab_shows_card_and_plots_and_fits_a_phone(open_page: Callable[..., "Page"]) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    page.get_by_role("tab", name="Model").click()
    page.get_by_text(f"{CARD['test']['errors']:,} of 10,000 wrong").wait_for()
    plots = page.locator(".model-plots img")
    plots.last.wait_for()
    assert plots.count() == len(model_view.PLOTS)
    loaded = "images => images.every(image => image.complete && image.naturalWidth > 300)"
    assert plots.evaluate_all(loaded)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
