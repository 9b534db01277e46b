"""The Keras runtime: a model file as TensorFlow runs it. Slow to start, and the one truth."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import config
import model_files
import quiet
from outputs import IS_DIGIT, PROBABILITIES, Outputs, Predict


def installed() -> bool:
    """Return whether TensorFlow is there."""
    return find_spec("tensorflow") is not None


def load_network(path: Path) -> Any:
    """Load the network of a Keras file, in safe mode: without code in it. Raises ModelError."""
    try:
        quiet.import_tensorflow()
    except ImportError as fault:
        raise model_files.ModelError(
            f"{path} needs TensorFlow, which is not installed ({fault})",
            "install the requirements, or bring the model's LiteRT form and its card",
        ) from None
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception:  # Keras lets zip, HDF5 and JSON errors through, in words that mislead
        raise model_files.ModelError(
            f"{path} is not a Keras model file, or is damaged", model_files.REMEDY
        ) from None


def images_spec() -> Any:
    """Return what TensorFlow is told of images: a batch of any size, named as in the network."""
    tf = quiet.import_tensorflow()
    shape = (None, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
    return tf.TensorSpec(shape, tf.float32, name="images")


def by_name(network: Any) -> Callable[[Any], dict[str, Any]]:
    """Return the function of a network from images to its outputs by name, for inference."""
    return lambda images: _named(network(images, training=False))


def traced(network: Any) -> Predict:
    """Return what answers with a Keras network, traced once for every batch size.

    A traced function answers one image some 15 times sooner than `model(images)`, and
    TensorFlow runs it from many threads at once.
    """
    tf = quiet.import_tensorflow()
    return _answering(tf.function(by_name(network), input_signature=[images_spec()]))


def read_saved_model(folder: Path) -> Predict:
    """Return what answers with a SavedModel, by the signature that TensorFlow Serving calls."""
    tf = quiet.import_tensorflow()
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    answer = _answering(lambda images: signature(images=images))
    answer.loaded = loaded  # type: ignore[attr-defined]  # a signature alone does not keep it
    return answer


def _answering(function: Callable[[Any], dict[str, Any]]) -> Predict:
    tf = quiet.import_tensorflow()

    def predict(images: np.ndarray) -> Outputs:
        said = {name: values.numpy() for name, values in function(tf.constant(images)).items()}
        is_digit = said.get(IS_DIGIT)  # (N, 1)
        return Outputs(
            said[PROBABILITIES], None if is_digit is None else is_digit.reshape(len(images))
        )

    return predict


def _named(outputs: Any) -> dict[str, Any]:
    """Return a network's outputs by name; an only one is the probabilities, whatever its name.

    Raises ValueError for outputs that are not the contract's: a list says nothing of which is
    which.
    """
    named = outputs if isinstance(outputs, dict) else {PROBABILITIES: outputs}
    if set(named) - {IS_DIGIT} != {PROBABILITIES} or isinstance(outputs, list | tuple):
        raise ValueError(f"the outputs are not {PROBABILITIES}, with or without {IS_DIGIT}")
    return named
