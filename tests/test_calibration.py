"""A pool learnt from end to end: made, taught, trained, calibrated, saved and loaded."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import config
import model_files
import presets
import quiet
from classifier import Classifier
from load_mnist_local import Mnist, Split

pytestmark = pytest.mark.slow
PRESET = replace(
    presets.PRESETS["best"],
    augmentation=presets.MILD,
    filters=(8, 16, 16, 16, 16),
    epochs=3,
    batch_size=8,
    learning_rate=3e-3,
    parts=2,
    pool=presets.PoolRecipe(2000, 20, 20, 100, presets.MILD),
    teachers=("shipped",),
    fresh=0.0,
    start=None,
)


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    quiet.import_tensorflow()
    import calibration

    return calibration


@pytest.fixture(scope="module")
def train(mnist: Mnist) -> Split:
    return Split(mnist.train.images[:3000], mnist.train.labels[:3000])


@pytest.fixture(scope="module")
def trained(
    calibration: ModuleType, mnist: Mnist, train: Split, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A small network of the best recipe's kind, its folder and its calibration."""
    import training_loop
    from checkpoints import Checkpoints
    from lessons import lessons_for

    folder = tmp_path_factory.mktemp("taught")
    teachers = folder / "teachers"
    shipped = config.MODEL_PATH.read_bytes()
    model_files.write_model(lambda file: file.write_bytes(shipped), {}, teachers / "shipped.keras")
    lessons = lessons_for(PRESET, train, folder / "pool", teachers)
    validation = Split(mnist.validation.images[:500], mnist.validation.labels[:500])
    checkpoints = Checkpoints(folder / "checkpoints")
    network, progress = training_loop.train(PRESET, lessons, validation, checkpoints)
    small = replace(calibration.PICTURES, sheets=30, strokes=30, none=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "PICTURES", small)
        found = calibration.calibrate(network, PRESET, validation, folder / "validation")
    return {"network": network, "progress": progress, "found": found, "folder": folder}


def test_it_learns(trained: dict[str, Any]) -> None:
    progress = trained["progress"]
    assert progress.epochs_done == PRESET.epochs
    assert progress.loss[-1] < 0.8 * progress.loss[0]
    assert max(progress.validation_accuracy) > 0.6


def test_the_threshold_turns_few_digits_away(
    trained: dict[str, Any], calibration: ModuleType
) -> None:
    told = trained["found"].figures["is_digit"]
    assert told["digits_rejected"] <= calibration.MOST_REJECTED + 1 / 500
    assert told["pictures_rejected"] <= calibration.MOST_REJECTED_PICTURES + 1 / 60
    assert 0 <= told["non_digits_accepted"] <= 1
    assert told["auroc"] > 0.5
    assert trained["found"].temperature > 0


def test_the_finished_model_has_both_outputs_and_the_threshold_in_it(
    trained: dict[str, Any], mnist: Mnist
) -> None:
    from model import with_probabilities
    from training_loop import predict_logits

    found = trained["found"]
    finished = with_probabilities(trained["network"], found.temperature, found.threshold)
    path = trained["folder"] / "finished.keras"
    model_files.write_model(finished.save, {}, path)
    classifier = Classifier.load(path)
    assert classifier.tells_digits
    images = mnist.validation.images[:50]
    said = classifier.outputs(images)
    logits = predict_logits(trained["network"], images)
    assert said.is_digit is not None
    np.testing.assert_array_equal(said.is_digit >= 0.5, logits[:, 10] >= found.threshold)
    np.testing.assert_array_equal(said.probabilities.argmax(axis=1), logits[:, :10].argmax(axis=1))


def test_a_preset_without_a_pool_has_a_temperature_only(
    calibration: ModuleType, mnist: Mnist, tmp_path: Path
) -> None:
    from model import build_model

    preset = presets.PRESETS["smoke"]
    few = Split(mnist.validation.images[:500], mnist.validation.labels[:500])
    found = calibration.calibrate(build_model(preset), preset, few, tmp_path)
    assert found.temperature > 0
    assert found.figures == {}
    assert not list(tmp_path.iterdir())


def test_a_share_of_a_batch_is_mnist_bent_anew_and_taught(
    trained: dict[str, Any], train: Split
) -> None:
    from lessons import lessons_for

    folder = trained["folder"]
    preset = replace(PRESET, epochs=2, fresh=0.5, batch_size=64)
    lessons = lessons_for(preset, train, folder / "pool", folder / "teachers")
    assert lessons.steps == len(train) // 32
    images, answers = next(iter(lessons.batches(0)))
    assert images.shape == (64, 28, 28, 1)
    assert answers.shape == (64, 11)
    np.testing.assert_array_equal(answers[:32, 10], 1)
    np.testing.assert_allclose(answers[:32, :10].numpy().sum(axis=1), 1, atol=1e-4)
    assert 0 < answers[32:, 10].numpy().mean() < 1
    again, answers_again = next(iter(lessons.batches(0)))
    np.testing.assert_array_equal(images, again)
    np.testing.assert_allclose(answers, answers_again, atol=1e-5)


def test_a_network_takes_the_weights_of_a_finished_model(
    trained: dict[str, Any], mnist: Mnist
) -> None:
    from model import build_model, take_weights, with_probabilities
    from training_loop import predict_logits

    images = mnist.validation.images[:20]
    network = build_model(PRESET)
    take_weights(network, with_probabilities(trained["network"], 2.0, 1.0))
    np.testing.assert_allclose(
        predict_logits(network, images), predict_logits(trained["network"], images), atol=1e-5
    )
    with pytest.raises(ValueError, match="shape"):
        take_weights(build_model(presets.PRESETS["best"]), trained["network"])
