"""One loaded model file: images in MNIST form in, calibrated answers out, from any thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import config
import model_files
import quiet

Predict = Callable[[np.ndarray], np.ndarray]
LARGEST_BATCH = 256  # images a call of the runtime; more are answered in parts


@dataclass(frozen=True)
class Answer:
    """What one picture shows: probabilities of the digits 0-9, (10,) summing to 1."""

    probabilities: tuple[float, ...]

    @property
    def ranked(self) -> list[int]:
        """The digits, likeliest first."""
        return sorted(range(config.CLASSES), key=lambda digit: -self.probabilities[digit])

    @property
    def digit(self) -> int:
        return self.ranked[0]

    @property
    def confidence(self) -> float:
        return self.probabilities[self.digit]


class Classifier:
    """A model file that answers. Build it with `load`."""

    def __init__(self, predict: Predict, card: model_files.Card) -> None:
        self._predict = predict
        self.card = card

    @classmethod
    def load(cls, path: Path = config.MODEL_PATH) -> "Classifier":
        """Load and warm a model file; the runtime follows its suffix.

        Raises ModelError for a file that is missing, corrupt, or not its card's.
        """
        card = model_files.read_card(path)
        if path.suffix not in RUNTIMES:
            raise model_files.ModelError(
                f"{path} has no suffix known here: expected {', '.join(RUNTIMES)}"
            )
        classifier = cls(RUNTIMES[path.suffix](path), card)
        blank = np.zeros((1, config.IMAGE_SIZE, config.IMAGE_SIZE, 1), np.float32)
        try:
            answer = classifier.probabilities(blank)
            right = answer.shape == (1, config.CLASSES) and abs(float(answer.sum()) - 1) < 1e-3
        except Exception:  # whatever a network of another kind makes its runtime raise
            right = False
        if not right:
            raise model_files.ModelError(
                f"{path} does not answer an image of 28x28 with {config.CLASSES} probabilities: "
                f"{model_files.REMEDY}"
            )
        return classifier

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def version(self) -> str:
        """The first 12 digits of the model file's SHA-256."""
        return str(self.card["sha256"])[:12]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities (N, 10) float32 of images (N, 28, 28, 1) in MNIST form."""
        images = np.asarray(images, np.float32)
        if images.shape[1:] != (config.IMAGE_SIZE, config.IMAGE_SIZE, 1):
            raise ValueError(f"images have the shape {images.shape}, expected (N, 28, 28, 1)")
        parts = [
            self._predict(images[start : start + LARGEST_BATCH])
            for start in range(0, len(images), LARGEST_BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, config.CLASSES), np.float32)

    def answer(self, images: np.ndarray) -> list[Answer]:
        """Return one Answer an image; images as for `probabilities`."""
        return [Answer(tuple(row)) for row in self.probabilities(images).tolist()]


def _load_keras(path: Path) -> Predict:
    """Load a Keras file in safe mode and trace it once for every batch size.

    A traced function answers one image some 15 times sooner than `model(images)`, and
    TensorFlow runs it from many threads at once.
    """
    tf = quiet.import_tensorflow()
    import keras

    try:
        network: Any = keras.models.load_model(path, compile=False)
    except Exception:  # Keras lets zip, HDF5 and JSON errors through, in words that mislead
        raise model_files.ModelError(
            f"{path} is not a Keras model file, or is damaged: {model_files.REMEDY}"
        ) from None
    shape = (None, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
    traced = tf.function(
        lambda images: network(images, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    return lambda images: traced(tf.constant(images)).numpy()


RUNTIMES: dict[str, Callable[[Path], Predict]] = {".keras": _load_keras}
