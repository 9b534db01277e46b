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
import quiet
from load_mnist_local import Mnist

if TYPE_CHECKING:
    import keras

MOST_MULTIPLY_ADDS = 10_500_000


@pytest.fixture(scope="module", params=config.PRESETS)
def network(request: pytest.FixtureRequest) -> "keras.Model":
    quiet.import_tensorflow()
    import model

    return model.build_model(config.PRESETS[request.param])


@pytest.fixture(scope="module")
def images(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:64]


def test_every_preset_builds_to_the_contract(network: "keras.Model") -> None:
    assert network.input_shape == (None, 28, 28, 1)
    assert network.output_shape == (None, 10)
    assert network.name == "mnist_cnn"


def test_every_preset_is_compact(network: "keras.Model") -> None:
    from model import multiply_adds

    assert 0 < multiply_adds(network) <= MOST_MULTIPLY_ADDS


def test_multiply_adds_are_counted_as_by_hand() -> None:
    quiet.import_tensorflow()
    from model import build_model, multiply_adds

    network = build_model(config.Preset((2, 3, 4, 5, 6), 1, config.MILD))
    by_hand = (
        24 * 24 * 25 * 2  # 5x5 on 28x28
        + 12 * 12 * 9 * (2 * 3 + 3 * 4)  # pooled, 3x3 twice
        + 6 * 6 * 9 * 4 * 5  # pooled, 3x3
        + 4 * 4 * 9 * 5 * 6  # 3x3 without padding
        + 6 * 10
    )
    assert multiply_adds(network) == by_hand


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_shipped_output_is_the_softmax_at_the_temperature(
    network: "keras.Model", images: np.ndarray, temperature: float
) -> None:
    from model import with_probabilities

    finished = with_probabilities(network, temperature)
    assert finished.output_names == ["probabilities"]
    logits = network.predict(images, verbose=0)
    probabilities = finished.predict(images, verbose=0)
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
    numpy.save(file + ".npy", keras.models.load_model(file)(images, training=False))
"""


@pytest.mark.slow
def test_keras_alone_reads_saved_networks_and_the_shipped_model(
    images: np.ndarray, mnist: Mnist, tmp_path: Path
) -> None:
    """In a process that cannot import this project, and in Keras's safe mode."""
    quiet.import_tensorflow()
    from model import build_model, with_probabilities

    expected = {}
    for name, preset in config.PRESETS.items():
        finished = with_probabilities(build_model(preset), 1.3)
        finished.save(tmp_path / f"{name}.keras")
        expected[name] = finished.predict(images, verbose=0)
    shutil.copy(config.MODEL_PATH, tmp_path / "shipped.keras")
    np.save(tmp_path / "images.npy", images)
    files = [f"{name}.keras" for name in (*expected, "shipped")]
    command = [sys.executable, "-I", "-c", READ_ELSEWHERE, *files]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=200)

    for name, probabilities in expected.items():
        found = np.load(tmp_path / f"{name}.keras.npy")
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    shipped = np.load(tmp_path / "shipped.keras.npy")
    np.testing.assert_allclose(shipped.sum(axis=1), 1, atol=1e-5)
    assert np.mean(shipped.argmax(axis=1) == mnist.test.labels[: len(images)]) > 0.95
