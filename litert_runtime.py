"""The LiteRT runtime: a form of the Keras file that starts in a fraction of a second.

It is derived from exactly one Keras file, whose digest its card records, and is never used for
another. So a serving process needs no TensorFlow, and the Keras file stays the one truth.
"""

import contextlib
import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import config
import keras_runtime
import model_files
import quiet
from outputs import IS_DIGIT, PROBABILITIES, Outputs, Predict

KERAS_SUFFIX = ".keras"
SUFFIX = ".litert.tflite"
SOURCE = "derived_from"  # of a card: the SHA-256 of the Keras file
TRIED = 64  # images on which a form must agree with the Keras file before it is kept
AGREEMENT = 1e-5  # largest difference of an output between the two

Detail = dict[str, Any]  # what LiteRT says of a tensor: index, dtype, quantization


def installed() -> bool:
    """Return whether LiteRT's interpreter is there."""
    return find_spec("ai_edge_litert") is not None


def derived_path(keras_file: Path) -> Path:
    """Return where the LiteRT form of a Keras file lies: beside it."""
    return keras_file.with_name(keras_file.stem + SUFFIX)


def files_of(model_path: Path) -> tuple[Path, ...]:
    """Return the files that make up a model, whether or not they exist.

    They are the model file and its card, and for a Keras file its LiteRT form and that one's card.
    """
    files = (model_path, model_files.card_path(model_path))
    if model_path.suffix != KERAS_SUFFIX:
        return files
    form = derived_path(model_path)
    return (*files, form, model_files.card_path(form))


def read_derived(keras_file: Path, card: model_files.Card) -> bytes:
    """Return the LiteRT form of a Keras file.

    card: the Keras file's. Raises ModelError if the form or its card is missing, damaged, or
    made from another Keras file.
    """
    path = derived_path(keras_file)
    form_card = model_files.read_card(path)
    source = str(form_card.get(SOURCE))
    if source != card["sha256"]:
        raise model_files.ModelError(
            f"{path} was made from the model {source[:12]}, "
            f"and {keras_file} is {card['sha256'][:12]}"
        )
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise model_files.ModelError(f"{path} cannot be read ({fault.strerror})") from None
    if hashlib.sha256(content).hexdigest() != form_card["sha256"]:
        raise model_files.ModelError(f"{path} was replaced while it was read")
    return content


def derive(keras_file: Path, card: model_files.Card, network: Any = None) -> bytes:
    """Convert a Keras file, keep the form beside it if the disk allows, and return its bytes.

    network: the file's, where it is loaded already. Raises ModelError if the form does not give
    the Keras file's answers.
    """
    if network is None:
        network = keras_runtime.load_network(keras_file)
    content = convert(network)
    shape = (TRIED, config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
    images = np.random.default_rng(1).random(shape, np.float32)
    expected, outputs = keras_runtime.traced(network)(images), run(content)(images)
    for one, other in zip(expected, outputs, strict=True):
        if one is None and other is None:
            continue
        if one is None or other is None or not np.allclose(one, other, rtol=0, atol=AGREEMENT):
            raise model_files.ModelError(
                f"the LiteRT form of {keras_file} does not give its answers", "serve the Keras file"
            )
    with contextlib.suppress(OSError):  # a read-only disk: it is made anew at the next start
        model_files.write_model(
            lambda file: file.write_bytes(content),
            {SOURCE: card["sha256"]},
            derived_path(keras_file),
        )
    return content


def convert(network: Any, adapt: Callable[[Any], None] = lambda converter: None) -> bytes:
    """Return a Keras network as a LiteRT file: float32, unless `adapt` sets the converter."""
    tf = quiet.import_tensorflow()
    with quiet.notices_aside():
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        adapt(converter)
        return bytes(converter.convert())


def load(path: Path) -> Predict:
    """Return what answers with a LiteRT file, quantised or not. Raises ModelError."""
    if not installed():
        raise model_files.ModelError(
            f"{path} needs LiteRT, which has no package for this machine", "serve the Keras file"
        )
    return run(path.read_bytes())


class _Ready(NamedTuple):
    """An interpreter, and what it says of its input and its outputs."""

    interpreter: Any
    input: Detail
    outputs: dict[str, Detail]


def run(content: bytes) -> Predict:
    """Return what answers with a LiteRT file, from any thread.

    An interpreter is for one thread at a time, so there are as many as ever answered at once. It
    takes one image: batches gain nothing on a CPU.
    """
    idle: list[_Ready] = []

    def predict(images: np.ndarray) -> Outputs:
        try:
            ready = idle.pop()
        except IndexError:
            ready = _prepared(content)
        outputs = _outputs(ready, images)
        idle.append(ready)  # not after a fault: its state is not known
        return outputs

    return predict


def _prepared(content: bytes) -> _Ready:
    from ai_edge_litert.interpreter import Interpreter

    with quiet.notices_aside():  # the first interpreter of a process announces XNNPACK
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    (image,) = runner.get_input_details().values()
    outputs = dict(runner.get_output_details())
    if set(outputs) - {IS_DIGIT} != {PROBABILITIES}:
        (detail,) = outputs.values()
        outputs = {PROBABILITIES: detail}
    return _Ready(interpreter, image, outputs)


def _outputs(ready: _Ready, images: np.ndarray) -> Outputs:
    interpreter, details = ready.interpreter, ready.outputs
    parts: dict[str, list[np.ndarray]] = {name: [] for name in details}
    for image in _as_stored(images, ready.input):
        interpreter.set_tensor(ready.input["index"], image[None])
        interpreter.invoke()
        for name, detail in details.items():
            parts[name].append(interpreter.get_tensor(detail["index"]))
    values = {name: _as_meant(np.concatenate(parts[name]), details[name]) for name in details}
    is_digit = values.get(IS_DIGIT)
    return Outputs(
        _summing_to_one(values[PROBABILITIES], details[PROBABILITIES]),
        None if is_digit is None else is_digit.reshape(len(images)),
    )


def _as_stored(values: np.ndarray, detail: Detail) -> np.ndarray:
    """Return numbers as a tensor holds them: a quantised one, whole numbers of 8 bits."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    whole = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    stored: np.ndarray = whole.astype(detail["dtype"])
    return stored


def _as_meant(values: np.ndarray, detail: Detail) -> np.ndarray:
    """Return the numbers that a tensor stands for, float32."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def _summing_to_one(probabilities: np.ndarray, detail: Detail) -> np.ndarray:
    """Return probabilities (N, 10), of which quantised ones are steps of 1/256, summing to 1."""
    if detail["dtype"] == np.float32:
        return probabilities
    shares: np.ndarray = probabilities / probabilities.sum(axis=1, keepdims=True)
    return shares
