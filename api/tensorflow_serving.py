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

import config
from api import reading
from api.problems import MalformedRequest, NotServed
from classifier import Classifier
from outputs import IS_DIGIT, PROBABILITIES

VERSION = "1"
SIGNATURE = "serving_default"
INPUT = "images"
SIDE = config.IMAGE_SIZE
EXPECTED = (
    f'send {{"instances": [...]}} or {{"inputs": [...]}}, each item {SIDE}x{SIDE} numbers from 0 '
    'to 1, or a picture as {"b64": "<base64>"}'
)
MODEL = "/v1/models/<name>"
ONE_VERSION = f"{MODEL}/versions/<version>"


def routes(name: str) -> dict[str, str]:
    """Return what `GET /` says of this protocol, for the model of this name."""
    path = f"/v1/models/{name}"
    return {
        f"POST {path}:predict": "TensorFlow Serving's predict: instances or inputs",
        f"GET {path}": "TensorFlow Serving's model status",
        f"GET {path}/metadata": "TensorFlow Serving's metadata: inputs and outputs",
    }


def register(
    app: Flask, classifier_of: Callable[[], Classifier], settings: config.Settings
) -> None:
    """Add the protocol's routes to the app; `classifier_of` is asked at every request."""

    def served(name: str, version: str | None) -> Classifier:
        classifier = classifier_of()
        reading.check_served(classifier, name, version, VERSION)
        return classifier

    @app.get(MODEL, endpoint="v1_status")
    @app.get(ONE_VERSION, endpoint="v1_status")
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
        body = reading.json_object(reading.body_of(request), EXPECTED)
        values, in_rows = _values(body)
        tensors = reading.outputs_of(classifier, _images(values, settings)).by_name()
        return jsonify(_in_rows(tensors) if in_rows else _in_columns(tensors))


def _values(body: dict[str, Any]) -> tuple[list[Any], bool]:
    """Return an item an image from either format, and whether it is the row format."""
    signature = body.get("signature_name", SIGNATURE)
    if signature not in (SIGNATURE, ""):
        given = repr(signature) if isinstance(signature, str) else reading.json_kind(signature)
        raise MalformedRequest(f"signature_name is {given:.80}: the one here is {SIGNATURE}")
    given_keys = [key for key in ("instances", "inputs") if key in body]
    if len(given_keys) != 1:
        raise MalformedRequest(
            f"the request holds {' and '.join(given_keys) or 'neither instances nor inputs'}: "
            f"exactly one of the two is expected: {EXPECTED}"
        )
    key = given_keys[0]
    values = body[key]
    if key == "inputs" and isinstance(values, dict):
        values = _named(values, "inputs")
    if not isinstance(values, list) or not values:
        said = "an empty list" if values == [] else reading.json_kind(values)
        raise MalformedRequest(f"{key} holds {said}: expected a list with an item an image")
    if key == "instances":
        values = [
            _named(value, f"instance {number}") if _has_names(value) else value
            for number, value in enumerate(values, 1)
        ]
    return values, key == "instances"


def _has_names(value: Any) -> bool:
    return isinstance(value, dict) and set(value) != {"b64"}


def _named(given: dict[str, Any], what: str) -> Any:
    """Return the value of the one input from an object of named inputs."""
    if set(given) != {INPUT}:
        names = ", ".join(sorted(given))
        raise MalformedRequest(
            f"{what} names the inputs {names or '(none)'!s:.80}: the one input is {INPUT}"
        )
    return given[INPUT]


def _images(values: list[Any], settings: config.Settings) -> np.ndarray:
    """Return images (N, 28, 28, 1) of N items, either all pictures or all numbers."""
    reading.check_count(len(values), "images", settings)
    pictures = [value for value in values if isinstance(value, dict)]
    if not pictures:
        return reading.read_numbers(np.stack([*map(_image, _numbered(values), values)]), settings)
    if len(pictures) < len(values):
        raise MalformedRequest(
            f"{len(pictures)} of {len(values)} items are pictures and the others are not: "
            "send the two in requests of their own"
        )
    for label, picture in zip(_numbered(values), pictures, strict=True):
        if set(picture) != {"b64"} or not isinstance(picture["b64"], str):
            raise MalformedRequest(
                f'{label} is no picture: expected {{"b64": "<the picture file in base64>"}}'
            )
    sources = [picture["b64"] for picture in pictures]
    return reading.read_pictures(sources, config.DEFAULT_PREPROCESSING, settings)


def _numbered(values: list[Any]) -> list[str]:
    return [f"image {number} of {len(values)}" for number in range(1, len(values) + 1)]


def _image(label: str, value: Any) -> np.ndarray:
    """Return one item's numbers, (28, 28)."""
    if not isinstance(value, list):
        raise MalformedRequest(f"{label} is {reading.json_kind(value)}: {EXPECTED}")
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
