"""The forms that a model file can be written in for other runtimes, each held to its answers.

A form is made in a scratch folder and measured against the Keras file by the runtime that it is
for. Only one that keeps within its limits is put in its place, with a card beside it.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import evaluation
import keras_runtime
import litert_runtime
import model_files
import onnx_runtime
import parity
import presets
import quiet
import training_pool
from classifier import Classifier
from load_mnist_local import Mnist, Split
from outputs import Outputs, Predict

# The ranges of whole numbers are found by training images as they are, on paper, and of no digit:
# by digits alone, `is_digit` could never be small.
REPRESENTATIVE = presets.PoolRecipe(
    bent=0, sheets=200, strokes=0, none=300, augmentation=presets.Augmentation(), seed=3_000_017
)
PLAIN = 500  # training images as they are, beside those
# Pictures of no digit by which `is_digit` is compared, made of the validation split's.
NO_DIGITS = replace(REPRESENTATIVE, sheets=0, none=500, seed=3_000_029)
CARD_OF_KERAS_ONLY = ("name", "sha256", "pictures", "is_digit")  # figures measured on that file
EXACT = parity.Limits(difference=1e-5)
# All that the file holds is rounded to 11 bits, which moves an undecided image's probability by
# 2e-3 on the validation split.
HALF = parity.Limits(difference=5e-3, accuracy_lost=0.0005)


class Source:
    """A Keras file that is exported: its network, its card and what it says of some images."""

    def __init__(self, file: Path, mnist: Mnist) -> None:
        """Load and measure it. Raises ModelError for a file that is no good."""
        self.file, self.mnist = file, mnist
        self.card = model_files.read_card(file)
        self.network = keras_runtime.load_network(file)
        self.labels = {"validation": mnist.validation.labels, "test": mnist.test.labels}
        self.figures, self.said = self.measure(keras_runtime.traced(self.network))

    def measure(self, predict: Predict) -> tuple[dict[str, Any], dict[str, Outputs]]:
        """Return a runtime's figures on both splits, and what it says of each set of images."""
        classifier = Classifier(predict, {})
        measured = evaluation.measure(classifier, self.mnist)
        said = {"validation": measured.validation, "test": measured.test}
        if measured.test.is_digit is not None:
            said["no_digits"] = classifier.outputs(self.no_digits)
        return measured.figures, said

    @cached_property
    def litert(self) -> bytes:
        """The network as a LiteRT file of float32, by which all sizes are measured."""
        return litert_runtime.convert(self.network)

    @cached_property
    def no_digits(self) -> np.ndarray:
        """Images (N, 28, 28, 1) of no digit."""
        return _composed(NO_DIGITS, self.mnist.validation)

    @property
    def representative(self) -> np.ndarray:
        """Images (N, 28, 28, 1) of the training split, of all kinds that the model judges."""
        plain = self.mnist.train.images[:PLAIN]
        if "no_digits" not in self.said:
            return plain
        return np.concatenate([plain, _composed(REPRESENTATIVE, self.mnist.train)])


def _composed(recipe: presets.PoolRecipe, digits: Split) -> np.ndarray:
    with tempfile.TemporaryDirectory() as scratch:
        return training_pool.build(recipe, digits, Path(scratch)).images[..., None] / np.float32(
            255
        )


@dataclass(frozen=True)
class Form:
    """One way of writing a model: how, where, for which runtime, and how near it must be.

    place: below the folder of the exports; {name} is the model's, {version} TensorFlow Serving's.
    missing: what is to be installed for it; empty if all is there.
    """

    said: str
    place: str
    write: Callable[[Source, Path], object]
    read: Callable[[Path], Predict]
    limits: parity.Limits
    packages: tuple[str, ...]
    missing: Callable[[], str] = lambda: ""
    more: dict[str, Any] | None = None  # for its card


def export(source: Source, form: Form, folder: Path, number: int) -> tuple[Path, model_files.Card]:
    """Write a form of a model below `folder`, with its card; return where, and the card.

    number: the version for TensorFlow Serving. Raises ParityError, and leaves what was there,
    for a form that does not give the model file's answers.
    """
    name = source.file.stem
    place = folder / form.place.format(name=name, version=number)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        made = Path(scratch) / place.name
        form.write(source, made)
        figures, said = source.measure(form.read(made))
        size = _bytes(made)
        share = size / len(source.litert)
        try:
            near = parity.held(said, source.said, source.labels, share, form.limits)
        except parity.ParityError as fault:
            raise parity.ParityError(f"{place} is not written: {fault}") from None
        card = {
            "derived_from": source.card["sha256"],
            "form": form.said,
            "bytes": size,
            "exported": datetime.now(UTC).isoformat(timespec="seconds"),
            "exported_with": {package: _version(package) for package in form.packages},
            **(form.more or {}),
            "parity": near,
            **{key: value for key, value in source.card.items() if key not in CARD_OF_KERAS_ONLY},
            **figures,
        }
        return place, model_files.write_model(lambda file: _copy(made, file), card, place, name)


def _copy(made: Path, place: Path) -> None:
    if made.is_dir():
        shutil.copytree(made, place)
    else:
        shutil.copyfile(made, place)


def _bytes(made: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    files = made.rglob("*") if made.is_dir() else [made]
    return sum(file.stat().st_size for file in files if file.is_file())


def _version(package: str) -> str:
    if package == "tensorflow":  # its CPU build is a distribution of another name
        return str(quiet.import_tensorflow().__version__)
    return version(package)


def _write_saved_model(source: Source, folder: Path) -> None:
    """Write a SavedModel whose signature has the names of the Keras file's input and outputs."""
    quiet.import_tensorflow()
    import keras

    archive = keras.export.ExportArchive()
    archive.track(source.network)
    function = keras_runtime.by_name(source.network)
    archive.add_endpoint("serve", function, input_signature=[keras_runtime.images_spec()])
    with quiet.notices_aside():
        archive.write_out(str(folder), verbose=False)


def _write_onnx(source: Source, file: Path) -> None:
    with quiet.notices_aside():
        source.network.export(
            str(file),
            format="onnx",
            verbose=False,
            input_signature=[keras_runtime.images_spec()],
        )


def _write_float16(source: Source, file: Path) -> None:
    def halved(converter: Any) -> None:
        tf = quiet.import_tensorflow()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    file.write_bytes(litert_runtime.convert(source.network, halved))


def _write_int8(source: Source, file: Path) -> None:
    """Write a file of 8-bit whole numbers throughout, its input and outputs too.

    Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference"; the ranges are those of training images.
    """
    images = source.representative

    def whole(converter: Any) -> None:
        tf = quiet.import_tensorflow()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8

    file.write_bytes(litert_runtime.convert(source.network, whole))


def _no_litert() -> str:
    return "" if litert_runtime.installed() else "LiteRT, which has no package for this machine"


def _no_onnx() -> str:
    there = all(find_spec(package) for package in ("onnx", "onnxruntime", "tf2onnx"))
    return "" if there else f"ONNX's packages: {onnx_runtime.REQUIREMENTS}"


FORMS = {
    "saved-model": Form(
        "SavedModel",
        "saved_model/{name}/{version}",
        _write_saved_model,
        keras_runtime.read_saved_model,
        EXACT,
        ("tensorflow", "keras"),
    ),
    "litert": Form(
        "LiteRT, float32",
        "litert/{name}.float32.tflite",
        lambda source, file: file.write_bytes(source.litert),
        litert_runtime.load,
        EXACT,
        ("tensorflow", "ai-edge-litert"),
        _no_litert,
    ),
    "litert-float16": Form(
        "LiteRT, float16",
        "litert/{name}.float16.tflite",
        _write_float16,
        litert_runtime.load,
        HALF,
        ("tensorflow", "ai-edge-litert"),
        _no_litert,
    ),
    "litert-int8": Form(
        "LiteRT, int8",
        "litert/{name}.int8.tflite",
        _write_int8,
        litert_runtime.load,
        parity.Limits(accuracy_lost=0.0005, judged_otherwise=0.02, size=0.3),
        ("tensorflow", "ai-edge-litert"),
        _no_litert,
        {
            "representative": {
                "split": "training",
                "plain": PLAIN,
                "composed": asdict(REPRESENTATIVE),
            }
        },
    ),
    "onnx": Form(
        "ONNX",
        "onnx/{name}.onnx",
        _write_onnx,
        onnx_runtime.load,
        EXACT,
        ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime"),
        _no_onnx,
    ),
}
