"""An answer in the words of the contract."""

import json

import numpy as np
import pytest

import answers
from classifier import Answer, Classifier
from load_mnist_local import Mnist

FIELDS = ["digit", "confidence", "probabilities", "top", "preprocessing", "model"]


def test_it_has_the_contracts_fields_and_no_others(classifier: Classifier, mnist: Mnist) -> None:
    answer = classifier.answer(mnist.test.images[:1])[0]
    said = answers.describe(answer, "enhanced", classifier)
    assert [field for field in said if field != "is_digit"] == FIELDS
    assert ("is_digit" in said) == (answer.is_digit is not None)
    assert said["digit"] == 7
    assert said["confidence"] == max(said["probabilities"]) == said["probabilities"][7]
    assert len(said["probabilities"]) == 10
    assert sum(said["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert said["preprocessing"] == "enhanced"
    assert said["model"] == {"name": "mnist_cnn", "version": classifier.version}
    assert len(said["model"]["version"]) == 12


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_is_digit_follows_the_top_three_if_the_model_says_it(
    classifier: Classifier, share: float
) -> None:
    probabilities = (0.0,) * 9 + (1.0,)
    assert list(answers.describe(Answer(probabilities), "basic", classifier)) == FIELDS
    said = answers.describe(Answer(probabilities, share), "basic", classifier)
    assert list(said) == [*FIELDS[:4], "is_digit", *FIELDS[4:]]
    assert said["is_digit"] == share


@pytest.mark.parametrize("model", ["classifier", "two_outputs"])
def test_it_is_plain_json(model: str, request: pytest.FixtureRequest, mnist: Mnist) -> None:
    classifier = request.getfixturevalue(model)
    for answer in classifier.answer(mnist.test.images[:5]):
        said = answers.describe(answer, "none", classifier)
        assert json.loads(json.dumps(said, allow_nan=False)) == said


def test_the_top_three_are_in_order(classifier: Classifier) -> None:
    probabilities = (0.01, 0.2, 0.0, 0.02, 0.6, 0.0, 0.0, 0.04, 0.03, 0.1)
    said = answers.describe(Answer(probabilities), "basic", classifier)
    assert said["top"] == [
        {"digit": 4, "confidence": 0.6},
        {"digit": 1, "confidence": 0.2},
        {"digit": 9, "confidence": 0.1},
    ]
    assert said["top"][0] == {"digit": said["digit"], "confidence": said["confidence"]}
    np.testing.assert_array_equal(said["probabilities"], probabilities)
