"""One loaded model file: images in MNIST form in, calibrated answers out, from any thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import config
import model_files
import quiet

PROBABILITIES, IS_DIGIT = "probabilities", "is_digit"  # how a model file names its outputs
LARGEST_BATCH = 256  # images a call of the runtime; more are answered in parts
BLANK_SHAPE = (1, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)


class Outputs(NamedTuple):
    """What a model says of N images.

    probabilities: (N, 10) float32, rows summing to 1. is_digit: (N,) float32 in [0, 1], below
    config.IS_DIGIT_THRESHOLD for an image that is not one digit; None from a model without it.
    """

    probabilities: np.ndarray
    is_digit: np.ndarray | None = None


Predict = Callable[[np.ndarray], Outputs]


@dataclass(frozen=True)
class Answer:
    """What one picture shows: probabilities of the digits 0-9, (10,) summing to 1.

    is_digit: in [0, 1], whether it is one digit at all; None if the model does not say.
    """

    probabilities: tuple[float, ...]
    is_digit: float | None = None

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
        try:
            right = classifier._answers_as_it_should()
        except Exception:  # whatever a network of another kind makes its runtime raise
            right = False
        if not right:
            raise model_files.ModelError(
                f"{path} does not answer an image of 28x28 with {config.CLASSES} probabilities, "
                f"alone or with a second output named {IS_DIGIT} from 0 to 1: {model_files.REMEDY}"
            )
        return classifier

    def _answers_as_it_should(self) -> bool:
        """Try a blank image, then noise: a model's logits could pass for shares on a blank."""
        noise = np.random.default_rng(1).random((8, config.IMAGE_SIZE, config.IMAGE_SIZE, 1))
        for images in (np.zeros_like(noise[:1]), noise):
            probabilities, is_digit = self.outputs(images)
            if probabilities.shape != (len(images), config.CLASSES):
                return False
            if not np.all(np.abs(probabilities.sum(axis=1) - 1) < 1e-3):
                return False
            if is_digit is not None and not np.all((is_digit >= 0) & (is_digit <= 1)):
                return False
        return True

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def version(self) -> str:
        """The first 12 digits of the model file's SHA-256."""
        return str(self.card["sha256"])[:12]

    @property
    def tells_digits(self) -> bool:
        """Whether the model says of an image if it is one digit at all."""
        return self.outputs(np.zeros(BLANK_SHAPE)).is_digit is not None

    def outputs(self, images: np.ndarray) -> Outputs:
        """Return all that the model says of images (N, 28, 28, 1) in MNIST form."""
        images = np.asarray(images, np.float32)
        if images.shape[1:] != (config.IMAGE_SIZE, config.IMAGE_SIZE, 1):
            raise ValueError(f"images have the shape {images.shape}, expected (N, 28, 28, 1)")
        if not len(images):  # TensorFlow fails at an empty batch
            probabilities, is_digit = self.outputs(np.zeros((1, *images.shape[1:])))
            return Outputs(probabilities[:0], None if is_digit is None else is_digit[:0])
        parts = [
            self._predict(images[start : start + LARGEST_BATCH])
            for start in range(0, len(images), LARGEST_BATCH)
        ]
        said = [part.is_digit for part in parts if part.is_digit is not None]
        return Outputs(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate(said) if said else None,
        )

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities (N, 10) float32 of images (N, 28, 28, 1) in MNIST form."""
        return self.outputs(images).probabilities

    def answer(self, images: np.ndarray) -> list[Answer]:
        """Return one Answer an image; images as for `outputs`."""
        probabilities, is_digit = self.outputs(images)
        said = [None] * len(probabilities) if is_digit is None else is_digit.tolist()
        return [
            Answer(tuple(row), digit)
            for row, digit in zip(probabilities.tolist(), said, strict=True)
        ]


def load_keras(path: Path) -> Any:
    """Load the network of a Keras file in safe mode; raises ModelError if it is none."""
    quiet.import_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except Exception:  # Keras lets zip, HDF5 and JSON errors through, in words that mislead
        raise model_files.ModelError(
            f"{path} is not a Keras model file, or is damaged: {model_files.REMEDY}"
        ) from None


def traced(network: Any) -> Predict:
    """Return what answers with a Keras network, traced once for every batch size.

    A traced function answers one image some 15 times sooner than `model(images)`, and
    TensorFlow runs it from many threads at once.
    """
    tf = quiet.import_tensorflow()
    shape = (None, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
    function = tf.function(
        lambda images: _by_name(network(images, training=False)),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )

    def predict(images: np.ndarray) -> Outputs:
        said = {name: values.numpy() for name, values in function(tf.constant(images)).items()}
        is_digit = said.get(IS_DIGIT)  # (N, 1)
        return Outputs(
            said[PROBABILITIES], None if is_digit is None else is_digit.reshape(len(images))
        )

    return predict


def _by_name(outputs: Any) -> dict[str, Any]:
    """Return a network's outputs by name; an only one is the probabilities, whatever its name.

    Raises ValueError for outputs that are not the contract's: a list says nothing of which is
    which.
    """
    named = outputs if isinstance(outputs, dict) else {PROBABILITIES: outputs}
    if set(named) - {IS_DIGIT} != {PROBABILITIES} or isinstance(outputs, list | tuple):
        raise ValueError(f"the outputs are not {PROBABILITIES}, with or without {IS_DIGIT}")
    return named


RUNTIMES: dict[str, Callable[[Path], Predict]] = {".keras": lambda path: traced(load_keras(path))}
