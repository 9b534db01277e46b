"""Parity: a form of the model is near enough on every count, or refused with the count named."""

import numpy as np
import pytest

import parity
from outputs import Outputs

LABELS = np.arange(200) % 10
EXACT = parity.Limits(difference=1e-5)
WHOLE = parity.Limits(accuracy_lost=0.005, judged_otherwise=0.01, size=0.3)


def answers(wrong: int = 0, turned_away: int = 0, moved: float = 0.0) -> Outputs:
    """What a model says of LABELS that misreads so many, and takes so many for no digit."""
    read = LABELS.copy()
    read[:wrong] = (read[:wrong] + 1) % 10
    probabilities = np.full((len(LABELS), 10), 0.01, np.float32)
    probabilities[np.arange(len(LABELS)), read] = 0.91 - moved
    is_digit = np.full(len(LABELS), 0.9, np.float32)
    is_digit[:turned_away] = 0.1
    return Outputs(probabilities, is_digit)


def held(form: Outputs, limits: parity.Limits, size: float = 0.25) -> dict[str, object]:
    return parity.held({"test": form}, {"test": answers()}, {"test": LABELS}, size, limits)


def test_what_is_near_enough_is_told_in_figures() -> None:
    found = held(answers(wrong=1, turned_away=2, moved=1e-3), WHOLE)
    test = found["test"]
    assert isinstance(test, dict)
    assert test["answers_changed"] == 1
    assert test["accuracy_lost"] == pytest.approx(0.005)
    assert test["largest_difference"] == pytest.approx(0.9)
    assert test["largest_difference_of_is_digit"] == pytest.approx(0.8)
    assert test["judged_otherwise"] == pytest.approx(0.01)
    assert found["size"] == 0.25


def test_a_form_that_reads_more_loses_nothing() -> None:
    found = parity.differences(answers(), answers(wrong=3), LABELS)
    assert found["accuracy_lost"] == pytest.approx(-0.015)


@pytest.mark.parametrize(
    ("form", "limits", "size", "words"),
    [
        (answers(moved=1e-3), EXACT, 1.0, r"a probability differs by 0\.001 .* at most 1e-05"),
        (answers(turned_away=1), EXACT, 1.0, r"is_digit differs by 0\.8"),
        (answers(wrong=2), WHOLE, 0.2, r"reads 1\.00 points less of the test set .* 0\.50"),
        (answers(turned_away=3), WHOLE, 0.2, r"judges 1\.50% of the test set otherwise"),
        (answers(), WHOLE, 0.31, r"takes 31\.0% of the LiteRT file of float32, .* 30%"),
        (Outputs(answers().probabilities * np.nan, answers().is_digit), EXACT, 1.0, "by inf"),
        (Outputs(answers().probabilities), EXACT, 1.0, "other outputs than the model file"),
    ],
)
def test_what_is_not_is_refused(
    form: Outputs, limits: parity.Limits, size: float, words: str
) -> None:
    with pytest.raises(parity.ParityError, match=words) as caught:
        held(form, limits, size)
    assert "\n" not in str(caught.value)


def test_the_table_has_a_row_for_each_form() -> None:
    figures = {"accuracy": 0.9969, "errors": 31, "ece": 0.0015}
    card = {
        "form": "LiteRT, int8",
        "bytes": 337_072,
        "test": figures,
        "parity": held(answers(), WHOLE) | {"no_digits": {"judged_otherwise": 0.004}},
    }
    table = parity.table(("Keras", "m.keras", 1_365_140, figures), {"litert/m.int8.tflite": card})
    header, rule, model, form = table.splitlines()
    assert len({line.count("|") for line in (header, rule, model, form)}) == 1
    assert "`m.keras` | 1,365 kB | | 99.69% (31 wrong)" in model
    assert "337 kB | 25.0% | 99.69% (31 wrong) | 0 | 0.15% | 0.0e+00 | 0.00%, 0.40%" in form
