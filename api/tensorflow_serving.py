"""TensorFlow Serving's REST API, so that its clients work here unchanged.

    https://www.tensorflow.org/tfx/serving/api_rest: model status, metadata and predict.

The one input is `images`, in MNIST form; in place of each image an encoded picture may stand, as
the object {"b64": "<base64>"} in which that API sends bytes, and takes the same way as at
/predict. Versions are whole numbers there. A server here serves one model file, which is always
version 1; GET /model says which file that is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request
from msgspec import UNSET
from msgspec.json import Decoder
from werkzeug.routing import BaseConverter

import config
import utils
from api import reading, request_bodies, validation
from api.picture_reader import PictureReader
from api.problems import MalformedRequest, NotServed
from api.request_bodies import (
    SIGNATURE,
    EncodedPicture,
    Image,
    Instance,
    NamedInputs,
    ServingRequest,
)
from classifier import Classifier
from outputs import IS_DIGIT, PROBABILITIES

VERSION = "1"
INPUT = "images"
SIDE = config.IMAGE_SIZE
EXPECTED = (
    f'send {{"instances": [...]}} or {{"inputs": [...]}}, each item {SIDE}x{SIDE} numbers from 0 '
    'to 1, or a picture as {"b64": "<base64>"}'
)
ROOT = "/v1/models/"
MODEL = f"{ROOT}<name>"
ONE_VERSION = f"{MODEL}/versions/<version>"
DECODER = Decoder(ServingRequest)


class Verbless(BaseConverter):
    """The end of a path that has none of the API's verbs: GET of :predict is no model's status."""

    regex = "(?![^/]*:(?:predict|classify|regress)$)[^/]+"
    part_isolating = True


def routes(name: str) -> dict[str, str]:
    """Return what `GET /` says of this protocol, for the model of this name."""
    path = f"/v1/models/{name}"
    return {
        f"POST {path}:predict": "TensorFlow Serving's predict: instances or inputs",
        f"GET {path}": "TensorFlow Serving's model status",
        f"GET {path}/metadata": "TensorFlow Serving's metadata: inputs and outputs",
    }


def register(app: Flask, classifier_of: Callable[[], Classifier], pictures: PictureReader) -> None:
    """Add the protocol's routes to the app; `classifier_of` is asked at every request."""
    app.url_map.converters["verbless"] = Verbless

    def served(name: str, version: str | None) -> Classifier:
        classifier = classifier_of()
        reading.check_served(classifier, name, version, VERSION)
        return classifier

    @app.get(f"{ROOT}<verbless:name>", endpoint="v1_status")
    @app.get(f"{MODEL}/versions/<verbless:version>", endpoint="v1_status")
    def status(name: str, version: str | None = None) -> Response:
        served(name, version)
        fine = {"error_code": "OK", "error_message": ""}
        return jsonify(
            {"model_version_status": [{"version": VERSION, "state": "AVAILABLE", "status": fine}]}
        )

    @app.get(f"{MODEL}/metadata", endpoint="v1_metadata")
    @app.get(f"{ONE_VERSION}/metadata", endpoint="v1_metadata")
    def metadata(name: str, version: str | None = None) -> Response:
        return jsonify(_describe(served(name, version)))

    @app.post(f"{MODEL}:<verb>", endpoint="v1_predict")
    @app.post(f"{ONE_VERSION}:<verb>", endpoint="v1_predict")
    def predict(name: str, verb: str, version: str | None = None) -> Response:
        classifier = served(name, version)
        if verb != "predict":
            raise NotServed(f"this model does not {verb!r:.80}: use {name}:predict")
        values, in_rows = _values(
            validation.decode(reading.body_of(request), DECODER, EXPECTED, pictures.settings)
        )
        tensors = reading.outputs_of(classifier, _images(values, pictures)).by_name()
        return jsonify(_in_rows(tensors) if in_rows else _in_columns(tensors))


def _values(asked: ServingRequest) -> tuple[list[Image | EncodedPicture], bool]:
    """Return an item an image from either format, and whether it is the row format."""
    if asked.signature_name not in (SIGNATURE, ""):
        raise MalformedRequest(
            f"signature_name is {asked.signature_name!r:.80}: the one here is {SIGNATURE}"
        )
    given = request_bodies.given(asked)
    if len(given) != 1:
        raise MalformedRequest(
            f"the request holds {' and '.join(given) or 'neither instances nor inputs'}: "
            f"exactly one of the two is expected: {EXPECTED}"
        )
    if asked.instances is not UNSET:
        return [_item(number, given) for number, given in enumerate(asked.instances)], True
    inputs = asked.inputs
    return inputs.images if isinstance(inputs, NamedInputs) else inputs or [], False


def _item(number: int, instance: Image | Instance) -> Image | EncodedPicture:
    """Return the value of the one input, which an instance may name."""
    if not isinstance(instance, Instance):
        return instance
    if len(request_bodies.given(instance)) != 1:
        raise MalformedRequest(
            f"instances[{number}] must have exactly one of b64 and images: {EXPECTED}"
        )
    return instance.images or EncodedPicture(instance.b64 or "")


def _images(values: list[Image | EncodedPicture], reader: PictureReader) -> np.ndarray:
    """Return images (N, 28, 28, 1) of N items, either all pictures or all numbers."""
    reading.check_count(len(values), "images", reader.settings)
    pictures: list[utils.Source] = [
        value.b64 for value in values if isinstance(value, EncodedPicture)
    ]
    if not pictures:
        return reading.read_numbers(
            np.stack([*map(_image, _numbered(values), values)]), reader.settings
        )
    if len(pictures) < len(values):
        raise MalformedRequest(
            f"{len(pictures)} of {len(values)} items are pictures and the others are not: "
            "send the two in requests of their own"
        )
    return reader.read(pictures, config.DEFAULT_PREPROCESSING)


def _numbered(values: list[Any]) -> list[str]:
    return [f"image {number} of {len(values)}" for number in range(1, len(values) + 1)]


def _image(label: str, value: Any) -> np.ndarray:
    """Return one item's numbers, (28, 28)."""
    numbers = reading.numbers_of(value, label)
    if numbers.shape not in reading.IMAGE_SHAPES:
        raise MalformedRequest(
            f"{label} has the shape {list(numbers.shape)}: expected [{SIDE}, {SIDE}] "
            f"or [{SIDE}, {SIDE}, 1]"
        )
    return numbers.reshape(SIDE, SIDE)


def _in_rows(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Answer the row format: an item an image; an only output is not named."""
    if len(tensors) == 1:
        return {"predictions": next(iter(tensors.values())).tolist()}
    rows = zip(*(tensor.tolist() for tensor in tensors.values()), strict=True)
    return {"predictions": [dict(zip(tensors, row, strict=True)) for row in rows]}


def _in_columns(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Answer the column format: a list an output; an only one is not named."""
    lists = {name: tensor.tolist() for name, tensor in tensors.items()}
    return {"outputs": lists if len(lists) > 1 else lists[PROBABILITIES]}


def _describe(classifier: Classifier) -> dict[str, Any]:
    """Return the JSON form of GetModelMetadataResponse (get_model_metadata.proto)."""
    outputs = {PROBABILITIES: config.CLASSES} | ({IS_DIGIT: 1} if classifier.tells_digits else {})
    signature = {
        "inputs": {INPUT: _tensor_info(INPUT, -1, SIDE, SIDE, 1)},
        "outputs": {name: _tensor_info(name, -1, width) for name, width in outputs.items()},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    return {
        "model_spec": {"name": classifier.name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor_info(name: str, *sizes: int) -> dict[str, Any]:
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": f"{SIGNATURE}_{name}:0"}
