"""One loaded model file: images in MNIST form in, calibrated answers out, from any thread."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import config
import keras_runtime
import litert_runtime
import model_files
import onnx_runtime
from outputs import IS_DIGIT, Outputs, Predict

LARGEST_BATCH = 256  # images a call of the runtime; more are answered in parts
BLANK_SHAPE = (1, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
KERAS, LITERT, ONNX = "keras", "litert", "onnx"  # the runtimes

log = logging.getLogger(__name__)


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

    def __init__(self, predict: Predict, card: model_files.Card, runtime: str = KERAS) -> None:
        self._predict = predict
        self.card = card
        self.runtime = runtime

    @classmethod
    def load(cls, path: Path = config.MODEL_PATH, runtime: str | None = None) -> "Classifier":
        """Load and warm a model file; what runs it follows its suffix.

        runtime: of a Keras file, one of `RUNTIMES`; None for the fastest that is installed.
        All give the same answers. Raises ModelError for a file that is missing, corrupt, or
        not its card's.
        """
        card = model_files.read_card(path)
        if path.suffix not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            raise model_files.ModelError(f"{path} has no suffix known here: expected {known}")
        if runtime is None:
            loaded = SUFFIXES[path.suffix](path, card)
        else:
            loaded = _Loaded(runtime, RUNTIMES[runtime](path, card))
        classifier = cls(loaded.predict, card, loaded.runtime)
        try:
            right = classifier._answers_as_it_should()
        except Exception:  # whatever a network of another kind makes its runtime raise
            right = False
        if not right:
            raise model_files.ModelError(
                f"{path} does not answer an image of 28x28 with {config.CLASSES} probabilities, "
                f"alone or with a second output named {IS_DIGIT} from 0 to 1",
                model_files.remedy(path),
            )
        if loaded.warning:
            log.warning(loaded.warning)
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
        return answers_from(self.outputs(images))


def answers_from(outputs: Outputs) -> list[Answer]:
    """Return one Answer an image of what a model said."""
    probabilities, is_digit = outputs
    said = [None] * len(probabilities) if is_digit is None else is_digit.tolist()
    return [
        Answer(tuple(row), digit) for row, digit in zip(probabilities.tolist(), said, strict=True)
    ]


class _Loaded(NamedTuple):
    """What answers with a model file, and what to log once it is known to answer well."""

    runtime: str
    predict: Predict
    warning: str = ""


def _keras(path: Path, card: model_files.Card) -> Predict:
    return keras_runtime.traced(keras_runtime.load_network(path))


def _litert(path: Path, card: model_files.Card) -> Predict:
    try:
        content = litert_runtime.read_derived(path, card)
    except model_files.ModelError:
        content = litert_runtime.derive(path, card)
    return litert_runtime.run(content)


RUNTIMES: dict[str, Callable[[Path, model_files.Card], Predict]] = {KERAS: _keras, LITERT: _litert}


def _fastest(path: Path, card: model_files.Card) -> _Loaded:
    """Return the quicker runtime that is installed, and what answers with it."""
    if not litert_runtime.installed():
        return _Loaded(KERAS, _keras(path, card))
    try:
        return _Loaded(LITERT, litert_runtime.run(litert_runtime.read_derived(path, card)))
    except model_files.ModelError as fault:
        if not keras_runtime.installed():
            files = ", ".join(file.name for file in litert_runtime.files_of(path))
            raise model_files.ModelError(
                f"{fault.fault}; without TensorFlow it cannot be made anew",
                f"put all files of one model in place ({files})",
            ) from None
    network = keras_runtime.load_network(path)
    try:
        return _Loaded(LITERT, litert_runtime.run(litert_runtime.derive(path, card, network)))
    except Exception as fault:  # whatever the converter raises
        warning = f"{path} is served by Keras: no LiteRT form ({fault})"
        return _Loaded(KERAS, keras_runtime.traced(network), warning)


def _exported_litert(path: Path, card: model_files.Card) -> _Loaded:
    return _Loaded(LITERT, litert_runtime.load(path))


def _onnx(path: Path, card: model_files.Card) -> _Loaded:
    return _Loaded(ONNX, onnx_runtime.load(path))


SUFFIXES: dict[str, Callable[[Path, model_files.Card], _Loaded]] = {
    litert_runtime.KERAS_SUFFIX: _fastest,
    ".tflite": _exported_litert,
    ".onnx": _onnx,
}
