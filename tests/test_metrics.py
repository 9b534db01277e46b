"""Accuracy, calibration error and temperature, on cases whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics


def sure(digit: int, confidence: float) -> np.ndarray:
    """Return (10,) probabilities: this confidence for a digit, the rest shared evenly."""
    row = np.full(10, (1 - confidence) / 9)
    row[digit] = confidence
    return row


def drawn_logits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (count, 10) and labels drawn from the very probabilities they stand for."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 10))
    cumulative = metrics.softmax(logits).cumsum(axis=1)
    return logits, (rng.uniform(size=(count, 1)) > cumulative).sum(axis=1).clip(0, 9)


@pytest.mark.parametrize(
    ("confidence", "right", "error"),
    [(0.8, 8, 0.0), (0.8, 10, 0.2), (0.8, 3, 0.5), (1.0, 0, 1.0), (1.0, 10, 0.0), (0.3, 3, 0.0)],
)
def test_calibration_error_is_confidence_less_accuracy(
    confidence: float, right: int, error: float
) -> None:
    probabilities = np.array([sure(4, confidence)] * 10)
    labels = np.array([4] * right + [5] * (10 - right))
    assert metrics.reliability(probabilities, labels).error == pytest.approx(error, abs=1e-12)


def test_calibration_error_weighs_the_bins_by_their_answers() -> None:
    # 30 answers of 90%, all right (0.1 off), and 10 of 60%, none right (0.6 off).
    probabilities = np.array([sure(1, 0.9)] * 30 + [sure(2, 0.6)] * 10)
    labels = np.array([1] * 30 + [3] * 10)
    found = metrics.reliability(probabilities, labels)
    assert found.error == pytest.approx((30 * 0.1 + 10 * 0.6) / 40)
    assert found.counts.sum() == 40
    assert found.counts[13] == 30  # (13/15, 14/15] holds 0.9
    assert found.confidence[13] == pytest.approx(0.9)
    assert found.accuracy[13] == 1.0
    assert found.counts[8] == 10
    assert np.count_nonzero(found.counts) == 2


def test_answers_that_are_as_sure_as_they_should_be_have_next_to_no_calibration_error() -> None:
    logits, labels = drawn_logits(40_000, seed=1)
    assert metrics.reliability(metrics.softmax(logits), labels).error < 0.01
    assert metrics.reliability(metrics.softmax(logits, 0.4), labels).error > 0.05


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_known_scaling(scale: float) -> None:
    logits, labels = drawn_logits(8_000, seed=2)
    assert metrics.fit_temperature(scale * logits, labels) == pytest.approx(scale, rel=0.05)


def test_the_temperature_is_the_likeliest_of_its_grid() -> None:
    logits, labels = drawn_logits(500, seed=3)
    found = metrics.fit_temperature(3 * logits, labels)

    def loss(temperature: float) -> float:
        return metrics.negative_log_likelihood(metrics.softmax(3 * logits, temperature), labels)

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02), loss(1.0))


def test_figures_of_a_known_set() -> None:
    rows = [sure(0, 0.95), sure(1, 0.95), sure(2, 0.95), sure(3, 0.95), sure(4, 0.4)]
    labels = np.array([0, 1, 2, 7, 4])
    found = metrics.figures(np.array(rows), labels)
    assert found["images"] == 5
    assert found["errors"] == 1
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["mean_confidence"] == pytest.approx((4 * 0.95 + 0.4) / 5)
    assert found["low_confidence"] == pytest.approx(0.2)
    assert found["sure_but_wrong"] == pytest.approx(0.25)
    likelihoods = [0.95] * 3 + [0.05 / 9, 0.4]
    assert found["nll"] == pytest.approx(-np.mean(np.log(likelihoods)))
    assert found["ece"] == pytest.approx((4 * (0.95 - 0.75) + 0.6) / 5)


def test_figures_of_answers_none_of_which_is_sure() -> None:
    assert metrics.figures(np.array([sure(1, 0.3)]), np.array([1]))["sure_but_wrong"] == 0.0


def test_a_probability_of_nought_has_a_finite_loss() -> None:
    loss = metrics.negative_log_likelihood(np.eye(10), np.roll(np.arange(10), 1))
    assert np.isfinite(loss)
    assert loss > 20


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20))
def test_softmax_is_a_distribution_that_keeps_the_order(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 300, (5, 10))
    probabilities = metrics.softmax(logits, temperature)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), logits.argmax(axis=1))


def test_softmax_of_known_logits() -> None:
    logits = np.log([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    np.testing.assert_allclose(metrics.softmax(logits), [np.arange(1, 11) / 55])
    squared = np.arange(1, 11) ** 2
    np.testing.assert_allclose(metrics.softmax(logits, 0.5), [squared / squared.sum()])


@pytest.mark.parametrize(
    ("positive", "negative", "area"),
    [
        ([0.9, 0.8], [0.1, 0.2, 0.3], 1.0),
        ([0.1], [0.9, 0.8], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.4, 0.8], [0.4, 0.6], 0.625),  # pairs: half, lost, won, won
        ([1, 0], [0, 1], 0.5),
    ],
)
def test_auroc_of_known_scores(positive: list[float], negative: list[float], area: float) -> None:
    assert metrics.auroc(np.array(positive), np.array(negative)) == area


SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=30).map(
    lambda tenths: np.array(tenths) / 10
)


@given(SCORES, SCORES)
def test_auroc_counts_the_pairs(positive: np.ndarray, negative: np.ndarray) -> None:
    difference = positive[:, None] - negative
    pairs = np.mean((difference > 0) + 0.5 * (difference == 0))
    assert metrics.auroc(positive, negative) == pytest.approx(pairs, abs=1e-12)
    turned = metrics.auroc(negative, positive)
    assert metrics.auroc(positive, negative) + turned == pytest.approx(1, abs=1e-12)
    cubed = metrics.auroc(positive**3, negative**3)  # the order is all that counts
    assert cubed == metrics.auroc(positive, negative)


@pytest.mark.parametrize(("positive", "negative"), [([], [0.1]), ([0.1], []), ([np.nan], [0.1])])
def test_auroc_of_nothing_is_refused(positive: list[float], negative: list[float]) -> None:
    with pytest.raises(ValueError, match="scores of both kinds"):
        metrics.auroc(np.array(positive), np.array(negative))


def test_confusion_has_truth_in_rows_and_readings_in_columns() -> None:
    counts = metrics.confusion(predicted=np.array([9, 9, 4, 0]), labels=np.array([4, 4, 4, 0]))
    assert counts.shape == (10, 10)
    assert counts[4, 9] == 2
    assert counts[4, 4] == counts[0, 0] == 1
    assert counts.sum() == 4
