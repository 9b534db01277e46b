"""A model that is worse than the shipped one is stopped for that reason, and chance stops none."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import deploying  # noqa: F401  # puts deploy/pipeline on the path
import gate
import numpy as np
import paired
import pytest
from paired import Asked, Rule

import config
import metrics
import model_files
from classifier import Classifier
from load_mnist_local import Mnist, Split
from outputs import Outputs

pytestmark = pytest.mark.slow
FEW = 15  # digits a condition
CALIBRATION = ("calibration error", "negative log-likelihood")


@pytest.fixture(scope="module")
def asked() -> dict[str, Asked]:
    return gate.images_asked(FEW)


@pytest.fixture(scope="module")
def shipped(asked: dict[str, Asked], classifier: Classifier) -> dict[str, Outputs]:
    return gate.answers(classifier, asked)


def sharpened(said: Outputs, factor: float) -> Outputs:
    """Return what it would be with the logits multiplied: the same answers, too sure of them."""
    logits = np.log(np.maximum(said.probabilities.astype(float), 1e-30))
    return Outputs(metrics.softmax(factor * logits), said.is_digit)


def misread_more(said: Outputs, labels: np.ndarray, share: float, seed: int = 1) -> Outputs:
    """Return answers of which a share, drawn at random, are turned to another digit."""
    rng = np.random.default_rng(seed)
    probabilities = said.probabilities.copy()
    turned = rng.random(len(labels)) < share
    probabilities[turned] = np.roll(probabilities[turned], 1, axis=1)
    return Outputs(probabilities, said.is_digit)


def stopped(asked: Any, shipped: Any, candidate: Any) -> set[tuple[str, str]]:
    found = paired.verdicts(asked, shipped, candidate, gate.RULES, draws=2_000)
    return {(" and ".join(v.rule.places), v.rule.measure) for v in found if not v.passed}


def test_the_shipped_model_is_not_worse_than_itself(
    asked: dict[str, Asked], shipped: dict[str, Outputs]
) -> None:
    found = paired.verdicts(asked, shipped, shipped, gate.RULES, draws=500)
    assert all(v.low == v.high == 0 for v in found)
    assert gate.refusals(found, (1, 1), (shipped["test set"], shipped["test set"])) == []
    figures = {v.rule.name: v.candidate for v in found}
    card = model_files.read_card(config.MODEL_PATH)["test"]
    assert figures["test set, misread"] == pytest.approx(1 - card["accuracy"])
    assert figures["test set, calibration error"] == pytest.approx(card["ece"], abs=1e-5)
    assert figures["test set, negative log-likelihood"] == pytest.approx(card["nll"], abs=1e-5)
    assert figures["test set, misjudged"] == pytest.approx(card["rejected"])


def test_a_model_that_is_too_sure_is_stopped_for_its_calibration_alone(
    asked: dict[str, Asked], shipped: dict[str, Outputs]
) -> None:
    sharp = {place: sharpened(said, 4.0) for place, said in shipped.items()}
    found = stopped(asked, shipped, sharp)
    assert (gate.TEST_SET, "negative log-likelihood") in found
    assert {measure for _, measure in found} <= set(CALIBRATION)


def test_a_model_that_is_less_robust_is_stopped_for_that_alone(
    asked: dict[str, Asked], shipped: dict[str, Outputs]
) -> None:
    condition, others = gate.CONDITIONS[3], gate.CONDITIONS[:3] + gate.CONDITIONS[4:]
    labels = np.asarray(asked[condition].labels)
    worse = shipped | {condition: misread_more(shipped[condition], labels, 0.3)}
    found = stopped(asked, shipped, worse)
    assert (condition, "misread") in found
    assert not found & {(other, "misread") for other in (*others, gate.TEST_SET)}


def test_taking_letters_for_digits_is_stopped(
    asked: dict[str, Asked], shipped: dict[str, Outputs]
) -> None:
    said = shipped[gate.NO_DIGIT]
    credulous = Outputs(said.probabilities, np.ones(len(said.probabilities), np.float32))
    found = stopped(asked, shipped, shipped | {gate.NO_DIGIT: credulous})
    together = f"{gate.ON_PAPER} and {gate.NO_DIGIT}"
    assert found == {(together, "misjudged"), (gate.NO_DIGIT, "misjudged")}


def simulated(errors: float, changed: float, seed: int) -> tuple[Asked, Outputs, Outputs]:
    """Return 3,000 images of digit 0, and two models' answers: as good, if nothing is changed.

    errors: the share that each misreads, two thirds of them the same. changed: what the second
    misreads beside.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(3_000, np.int64)
    both, own = 2 / 3 * errors, 1 / 3 * errors
    hard = rng.random(len(labels)) < both
    sides = []
    for share in (own, own + changed):
        wrong = hard | (rng.random(len(labels)) < share)
        sure = np.full((len(labels), config.CLASSES), 0.001)
        sure[np.arange(len(labels)), wrong.astype(int)] = 0.991
        sides.append(Outputs(sure, None))
    return Asked(np.zeros((len(labels), 1)), labels, np.arange(len(labels))), sides[0], sides[1]


@pytest.mark.parametrize(("changed", "least", "most"), [(0.0, 0, 2), (0.01, 19, 20)])
def test_chance_neither_stops_a_model_nor_lets_one_through(
    changed: float, least: int, most: int
) -> None:
    """Of 20 models as good hardly one is stopped; of 20 worse by the margin hardly one is not."""
    rule = Rule(("images",), "misread", 0.01)
    count = 0
    for seed in range(20):
        asked, before, after = simulated(0.01, changed, seed)
        # As strict as among all rules.
        padded = [rule, *(Rule(("images",), "misread", 1.0) for _ in gate.RULES[1:])]
        verdict = paired.verdicts(
            {"images": asked}, {"images": before}, {"images": after}, padded, draws=1_000
        )[0]
        count += not verdict.passed
    assert least <= count <= most


def test_pictures_of_one_digit_are_drawn_together() -> None:
    """Ten copies of each image tell no more than one: the range is as wide."""
    asked, before, after = simulated(0.01, 0.004, 1)
    some = slice(0, 1_000)
    copied = Asked(
        np.tile(asked.images[some], (10, 1)),
        np.tile(np.asarray(asked.labels)[some], 10),
        np.tile(np.arange(1_000), 10),
    )
    once = Asked(asked.images[some], np.asarray(asked.labels)[some], np.arange(1_000))
    rule = Rule(("images",), "misread", 0.01)
    widths = []
    for images, times in ((once, 1), (copied, 10)):
        one, other = (
            {"images": Outputs(np.tile(side.probabilities[some], (times, 1)), None)}
            for side in (before, after)
        )
        (verdict,) = paired.verdicts({"images": images}, one, other, [rule])
        widths.append(verdict.high - verdict.low)
    assert widths[0] == pytest.approx(widths[1], rel=0.05)


@pytest.fixture
def few_asked(monkeypatch: pytest.MonkeyPatch, mnist: Mnist) -> None:
    """Let the script ask few images of the test set."""
    few = Split(mnist.test.images[:500], mnist.test.labels[:500])
    monkeypatch.setattr(gate, "load_mnist", lambda folder: replace(mnist, test=few))


@pytest.mark.usefixtures("few_asked")
def test_the_script_stops_a_bad_file_and_says_why(
    two_outputs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = two_outputs_file
    assert gate.main([str(bad), "--digits", "10", "--output", str(tmp_path / "gate")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert any(re.match(r"gate: test set, misread: 0\.\d\d% -> ", line) for line in told)
    assert all("worse" in line for line in told)
    report = json.loads((tmp_path / "gate" / "gate.json").read_text("utf-8"))
    assert not report["passed"]
    assert len(report["refused"]) == len(told)
    assert report["candidate"]["sha256"] == model_files.digest(bad)
    assert "| test set | misread |" in (tmp_path / "gate" / "gate.md").read_text("utf-8")


@pytest.mark.usefixtures("few_asked")
def test_the_shipped_file_passes_beside_that_of_a_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(config.MODEL_PATH), "--digits", "10", "--output", str(tmp_path)]
    assert gate.main([*given, "--shipped-at", "HEAD"]) == 0
    assert "is not worse than the shipped one" in capsys.readouterr().out
    assert gate.main([*given, "--shipped-at", "no-such-revision"]) == 1
    told = capsys.readouterr().err
    assert "git show no-such-revision" in told
    assert told.count("\n") == 1


def test_a_much_larger_file_and_one_without_is_digit_are_stopped(
    shipped: dict[str, Outputs],
) -> None:
    said = shipped[gate.TEST_SET]
    mute = Outputs(said.probabilities, None)
    told = gate.refusals([], (1_000_000, 1_300_000), (said, mute))
    assert told[0].startswith("is_digit: ")
    assert told[1] == (
        "size: 1,300 kB, 1.30 times the shipped file's 1,000, of which at most 1.25 are allowed"
    )
    rules = gate.rules_for(shipped, shipped | {gate.TEST_SET: mute})
    assert {rule.measure for rule in rules} == {"misread", *CALIBRATION}
