"""The network: small, calibrated at the end, and readable by Keras alone."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import config
import metrics
import presets
import quiet
from load_mnist_local import Mnist

if TYPE_CHECKING:
    import keras

MOST_MULTIPLY_ADDS = 15_000_000
TEACHERS = {name for preset in presets.PRESETS.values() for name in preset.teachers}


BOTH_KINDS = ("smoke", "tiny")  # with ten logits, and with an eleventh


def built(name: str) -> "keras.Model":
    quiet.import_tensorflow()
    import model

    return model.build_model(presets.PRESETS[name])


@pytest.fixture(scope="module")
def images(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:64]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_to_the_contract_and_is_compact_if_it_is_served(name: str) -> None:
    network = built(name)
    from model import multiply_adds

    assert network.input_shape == (None, 28, 28, 1)
    assert network.output_shape == (None, 10 + bool(presets.PRESETS[name].pool))
    assert network.name == "mnist_cnn"
    assert name in TEACHERS or 0 < multiply_adds(network) <= MOST_MULTIPLY_ADDS


def test_multiply_adds_are_counted_as_by_hand() -> None:
    quiet.import_tensorflow()
    from model import build_model, multiply_adds

    network = build_model(presets.Preset((2, 3, 4, 5, 6), 1, presets.MILD))
    by_hand = (
        24 * 24 * 25 * 2  # 5x5 on 28x28
        + 12 * 12 * 9 * (2 * 3 + 3 * 4)  # pooled, 3x3 twice
        + 6 * 6 * 9 * 4 * 5  # pooled, 3x3
        + 4 * 4 * 9 * 5 * 6  # 3x3 without padding
        + 6 * 10
    )
    assert multiply_adds(network) == by_hand


@pytest.mark.parametrize(("name", "temperature"), [*zip(BOTH_KINDS, (0.5, 1.7), strict=True)])
def test_the_shipped_output_is_the_softmax_at_the_temperature(
    name: str, images: np.ndarray, temperature: float
) -> None:
    network = built(name)
    from model import with_probabilities

    finished = with_probabilities(network, temperature, threshold=0.4)
    logits = network.predict(images, verbose=0)
    said = finished.predict(images, verbose=0)
    if logits.shape[1] == 10:
        assert finished.output_names == ["probabilities"]
        said = {"probabilities": said}
    else:
        assert set(said) == {"probabilities", "is_digit"}
        sigmoid = 1 / (1 + np.exp(0.4 - logits[:, 10:]))
        np.testing.assert_allclose(said["is_digit"], sigmoid, atol=1e-5)
        logits = logits[:, :10]
    probabilities = said["probabilities"]
    assert probabilities.shape == (64, 10)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(probabilities, metrics.softmax(logits, temperature), atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), logits.argmax(axis=1))


READ_ELSEWHERE = """
import importlib.util, sys
for module in ("config", "model", "quiet", "classifier"):
    assert importlib.util.find_spec(module) is None, module
import keras, numpy
images = numpy.load("images.npy")
for file in sys.argv[1:]:
    said = keras.models.load_model(file)(images, training=False)
    said = said if isinstance(said, dict) else {"probabilities": said}
    numpy.savez(file + ".npz", **said)
"""


@pytest.mark.slow
def test_keras_alone_reads_saved_networks_and_the_shipped_model(
    images: np.ndarray, mnist: Mnist, tmp_path: Path
) -> None:
    """In a process that cannot import this project, and in Keras's safe mode."""
    quiet.import_tensorflow()
    from model import with_probabilities

    expected = {}
    for name in BOTH_KINDS:
        finished = with_probabilities(built(name), 1.3)
        finished.save(tmp_path / f"{name}.keras")
        said = finished.predict(images, verbose=0)
        expected[name] = said if isinstance(said, dict) else {"probabilities": said}
    shutil.copy(config.MODEL_PATH, tmp_path / "shipped.keras")
    np.save(tmp_path / "images.npy", images)
    files = [f"{name}.keras" for name in (*expected, "shipped")]
    command = [sys.executable, "-I", "-c", READ_ELSEWHERE, *files]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=200)

    for name, said in expected.items():
        found = np.load(tmp_path / f"{name}.keras.npz")
        assert set(found) == set(said)
        for output, values in said.items():
            np.testing.assert_allclose(found[output], values, atol=1e-5)
    shipped = np.load(tmp_path / "shipped.keras.npz")["probabilities"]
    np.testing.assert_allclose(shipped.sum(axis=1), 1, atol=1e-5)
    assert np.mean(shipped.argmax(axis=1) == mnist.test.labels[: len(images)]) > 0.95
