"""A loaded model file: the same answers from every thread and in every batch, or a clear fault."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from two_outputs import MOST_INK

import config
import model_files
import quiet
from classifier import Answer, Classifier
from load_mnist_local import Mnist
from model_files import ModelError

if TYPE_CHECKING:
    import keras


@pytest.fixture(scope="module")
def images(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:300]


def test_it_reads_the_test_digits(classifier: Classifier, mnist: Mnist) -> None:
    answers = classifier.answer(mnist.test.images[:300])
    right = [
        answer.digit == label for answer, label in zip(answers, mnist.test.labels, strict=False)
    ]
    assert np.mean(right) > 0.97


def test_probabilities_are_distributions(classifier: Classifier, images: np.ndarray) -> None:
    probabilities = classifier.probabilities(images)
    assert probabilities.shape == (300, 10)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_batch_is_answered_like_its_pictures_one_by_one(
    classifier: Classifier, images: np.ndarray
) -> None:
    together = classifier.probabilities(images)
    apart = np.concatenate([classifier.probabilities(image[None]) for image in images])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_eight_threads_get_the_answers_of_one(classifier: Classifier, images: np.ndarray) -> None:
    alone = classifier.probabilities(images)
    parts = [slice(start, start + 1 + start % 7) for start in range(0, 290, 2)] * 3
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda part: classifier.probabilities(images[part]), parts))
    for part, probabilities in zip(parts, found, strict=True):
        np.testing.assert_allclose(probabilities, alone[part], atol=1e-5)


def test_no_pictures_have_no_answers(classifier: Classifier) -> None:
    none = np.zeros((0, 28, 28, 1), np.float32)
    assert classifier.probabilities(none).shape == (0, 10)
    assert classifier.answer(none) == []


def test_whole_numbers_and_doubles_are_taken(classifier: Classifier, images: np.ndarray) -> None:
    expected = classifier.probabilities(images[:4])
    np.testing.assert_allclose(classifier.probabilities(images[:4].astype(float)), expected)
    assert classifier.probabilities(np.zeros((1, 28, 28, 1), int)).shape == (1, 10)


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (1, 28, 28), (1, 28, 28, 3), (1, 32, 32, 1), (784,)]
)
def test_images_of_another_shape_are_refused(
    classifier: Classifier, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 28, 28, 1\)"):
        classifier.probabilities(np.zeros(shape, np.float32))


INK = np.linspace(0, 1, 7, dtype=np.float32)[:, None, None, None]
GREYS = np.tile(INK, (1, 28, 28, 1))  # from a blank image to a black one


def test_is_digit_comes_with_the_probabilities_of_its_image(two_outputs: Classifier) -> None:
    images = np.concatenate([GREYS] * 40)  # more than are answered in one part
    probabilities, is_digit = two_outputs.outputs(images)
    assert is_digit is not None
    assert (probabilities.shape, is_digit.shape) == ((280, 10), (280,))
    assert is_digit.dtype == np.float32
    expected = np.tile(1 / (1 + np.exp(40 * (INK.ravel() - MOST_INK))), 40)
    np.testing.assert_allclose(is_digit, expected, atol=1e-5)
    np.testing.assert_array_equal(two_outputs.probabilities(images), probabilities)


def test_an_answer_carries_is_digit(two_outputs: Classifier) -> None:
    probabilities, is_digit = two_outputs.outputs(GREYS)
    assert is_digit is not None
    answers = two_outputs.answer(GREYS)
    assert [answer.is_digit for answer in answers] == is_digit.tolist()
    assert [list(answer.probabilities) for answer in answers] == probabilities.tolist()


def test_no_pictures_have_no_is_digit(two_outputs: Classifier) -> None:
    _, is_digit = two_outputs.outputs(GREYS[:0])
    assert is_digit is not None
    assert is_digit.shape == (0,)
    assert two_outputs.answer(GREYS[:0]) == []


def test_a_model_of_one_output_says_nothing_of_is_digit(tmp_path: Path) -> None:
    path = tmp_path / "one.keras"
    model_files.write_model(other_network("one output").save, {}, path)
    one = Classifier.load(path)
    probabilities, is_digit = one.outputs(GREYS)
    assert probabilities.shape == (7, 10)
    assert is_digit is None
    assert [answer.is_digit for answer in one.answer(GREYS)] == [None] * 7


def test_an_answer_ranks_the_digits() -> None:
    answer = Answer((0.0, 0.1, 0.05, 0.5, 0.0, 0.0, 0.3, 0.0, 0.05, 0.0))
    assert answer.digit == 3
    assert answer.confidence == 0.5
    assert answer.ranked[:3] == [3, 6, 1]
    assert sorted(answer.ranked) == list(range(10))


def test_it_is_named_by_its_file(classifier: Classifier) -> None:
    assert classifier.name == "mnist_cnn"
    assert classifier.version == model_files.digest(config.MODEL_PATH)[:12]


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Classifier.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def shipped(content: Callable[[bytes], bytes], path: Path) -> Path:
    """Write the shipped model file, changed, with a card that is right about it."""
    changed = content(config.MODEL_PATH.read_bytes())
    model_files.write_model(lambda file: file.write_bytes(changed), {}, path)
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not a model",
        lambda content: content[: len(content) // 2],
        lambda content: content[:3000] + bytes(2000) + content[5000:],
        lambda content: content[:-200],
    ],
)
def test_a_corrupt_file_is_a_model_error_though_its_card_agrees(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    message = refusal(shipped(damage, tmp_path / "broken.keras"))
    assert "is not a Keras model file" in message
    assert model_files.REMEDY in message


def test_a_suffix_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = shipped(lambda content: content, tmp_path / "model.h5")
    assert "expected .keras, .tflite, .onnx" in refusal(path)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "model.keras")


def other_network(kind: str) -> "keras.Model":
    """Build a network that Keras reads, but that does not keep the contract."""
    quiet.import_tensorflow()
    import keras
    from keras import layers

    side = 32 if kind == "input of another size" else 28
    inputs = keras.Input((side, side, 1))
    flat = layers.Flatten()(inputs)
    digits = layers.Dense(10, activation="softmax", name="probabilities")(flat)
    sure = layers.Dense(1, activation="sigmoid", name="is_digit")(flat)
    outputs = {
        "five classes": layers.Dense(5, activation="softmax")(flat),
        "logits": layers.Dense(10)(flat),
        "two outputs without names": [digits, sure],
        "a second output of another name": {"probabilities": digits, "quality": sure},
        "a third output": {"probabilities": digits, "is_digit": sure, "quality": sure},
        "is_digit alone": {"is_digit": sure},
        "is_digit of two columns": {
            "probabilities": digits,
            "is_digit": layers.Dense(2, activation="softmax")(flat),
        },
        "is_digit as a logit": {"probabilities": digits, "is_digit": layers.Dense(1)(flat)},
    }
    return keras.Model(inputs, outputs.get(kind, digits))


@pytest.mark.parametrize(
    "kind",
    [
        "five classes",
        "logits",
        "input of another size",
        "two outputs without names",
        "a second output of another name",
        "a third output",
        "is_digit alone",
        "is_digit of two columns",
        "is_digit as a logit",
    ],
)
def test_a_network_that_does_not_answer_with_probabilities_is_refused(
    tmp_path: Path, kind: str
) -> None:
    network = other_network(kind)
    path = tmp_path / "other.keras"
    model_files.write_model(lambda file: network.save(file), {}, path)
    assert "does not answer an image of 28x28 with 10 probabilities" in refusal(path)
