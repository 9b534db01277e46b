"""The Open Inference Protocol, version 2, so that clients of KServe and Triton work here unchanged.

    https://github.com/kserve/open-inference-protocol: health, metadata and inference over HTTP,
    with Triton's binary tensor data extension.

A request holds one of two inputs: `images`, FP32 [N, 28, 28, 1] or [N, 28, 28] in MNIST form, or
`pictures`, BYTES [N], encoded pictures taken the same way as at /predict, by the preprocessing
that the request's parameter `preprocessing` names. In JSON a picture is base64 text; in binary
data it is the file itself. The one version is the model file's, the first 12 digits of its SHA-256.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request

import config
from api import reading, tensors
from api.problems import MalformedRequest
from classifier import Classifier
from outputs import IS_DIGIT, PROBABILITIES

SERVER, SERVER_VERSION = "mnist_reader", "1"
EXTENSION = "binary_tensor_data"
IMAGES, PICTURES = "images", "pictures"
SIDE = config.IMAGE_SIZE
DATATYPES = {IMAGES: "FP32", PICTURES: "BYTES"}
SHAPES = {IMAGES: [-1, SIDE, SIDE, 1], PICTURES: [-1]}
EXPECTED = (
    'send {"inputs": [...]} with one input, images (FP32 [N, 28, 28, 1]) or pictures (BYTES [N])'
)
MODEL = "/v2/models/<name>"
ONE_VERSION = f"{MODEL}/versions/<version>"


def routes(name: str) -> dict[str, str]:
    """Return what `GET /` says of this protocol, for the model of this name."""
    return {
        f"POST /v2/models/{name}/infer": "Open Inference Protocol: inputs images or pictures",
        f"GET /v2/models/{name}": "Open Inference Protocol: the model's inputs and outputs",
        f"GET /v2/models/{name}/ready": "200 when the model answers; /v2/health/ready too",
        "GET /v2": "Open Inference Protocol: the server and its extensions",
        "GET /v2/health/live": "200 while the process lives",
    }


def register(
    app: Flask, classifier_of: Callable[[], Classifier], settings: config.Settings
) -> None:
    """Add the protocol's routes to the app; `classifier_of` is asked at every request."""

    def served(name: str, version: str | None) -> Classifier:
        classifier = classifier_of()
        reading.check_served(classifier, name, version, classifier.version)
        return classifier

    @app.get("/v2", endpoint="v2_server")
    def server() -> Response:
        return jsonify({"name": SERVER, "version": SERVER_VERSION, "extensions": [EXTENSION]})

    @app.get("/v2/health/live", endpoint="v2_live")
    def live() -> Response:
        return jsonify({"live": True})

    @app.get("/v2/health/ready", endpoint="v2_ready")
    def ready() -> Response:
        reading.check_ready(classifier_of())
        return jsonify({"ready": True})

    @app.get(f"{MODEL}/ready", endpoint="v2_model_ready")
    @app.get(f"{ONE_VERSION}/ready", endpoint="v2_model_ready")
    def model_ready(name: str, version: str | None = None) -> Response:
        reading.check_ready(served(name, version))
        return jsonify({"name": name, "ready": True})

    @app.get(MODEL, endpoint="v2_model")
    @app.get(ONE_VERSION, endpoint="v2_model")
    def model(name: str, version: str | None = None) -> Response:
        return jsonify(_describe(served(name, version)))

    @app.post(f"{MODEL}/infer", endpoint="v2_infer")
    @app.post(f"{ONE_VERSION}/infer", endpoint="v2_infer")
    def infer(name: str, version: str | None = None) -> Response:
        classifier = served(name, version)
        header = request.headers.get(tensors.HEADER_LENGTH)
        asked, binary = tensors.split(reading.body_of(request), header, EXPECTED)
        said = {"model_name": classifier.name, "model_version": classifier.version, **_id(asked)}
        outputs = reading.outputs_of(classifier, _images(asked, binary, settings)).by_name()
        wanted = _wanted(asked, list(outputs))
        return tensors.response(said, {name: outputs[name] for name in wanted}, wanted)


def _describe(classifier: Classifier) -> dict[str, Any]:
    widths = {PROBABILITIES: config.CLASSES} | ({IS_DIGIT: 1} if classifier.tells_digits else {})
    return {
        "name": classifier.name,
        "versions": [classifier.version],
        "platform": classifier.runtime,
        "inputs": [
            {"name": name, "datatype": DATATYPES[name], "shape": shape}
            for name, shape in SHAPES.items()
        ],
        "outputs": [
            {"name": name, "datatype": "FP32", "shape": [-1, width]}
            for name, width in widths.items()
        ],
    }


def _id(asked: dict[str, Any]) -> dict[str, str]:
    """Return the request's `id`, which the response repeats, if it has one."""
    if not isinstance(asked.get("id", ""), str):
        raise MalformedRequest(f"id is {reading.json_kind(asked['id'])}: it must be text")
    return {"id": asked["id"]} if "id" in asked else {}


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise MalformedRequest(f"{name} is {reading.json_kind(value)}: expected true or false")
    return value


def _images(asked: dict[str, Any], binary: bytes | None, settings: config.Settings) -> np.ndarray:
    """Return images (N, 28, 28, 1) in MNIST form, from whichever input the request holds."""
    tensor = _input(asked)
    method = tensors.parameters_of(asked, "the request").get("preprocessing")
    rests = reading.IMAGE_SHAPES if tensor["name"] == IMAGES else ((),)
    shape = tensors.shape_of(tensor, rests)
    reading.check_count(shape[0], tensor["name"], settings)
    data = tensors.binary_data_of(tensor, binary)
    if tensor["name"] == IMAGES:
        if method is not None:
            raise MalformedRequest(
                "preprocessing is for pictures: images are in MNIST form already, leave it out"
            )
        return reading.read_numbers(tensors.numbers_of(tensor, shape, data), settings)
    method = config.DEFAULT_PREPROCESSING if method is None else method
    if not isinstance(method, str):
        raise MalformedRequest(f"preprocessing is {reading.json_kind(method)}: expected a name")
    return reading.read_pictures(tensors.pictures_of(tensor, shape, data), method, settings)


def _input(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the request's one input, of a known name and that name's datatype."""
    inputs = asked.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
        raise MalformedRequest(f"inputs is no list of objects: {EXPECTED}")
    if len(inputs) != 1:
        raise MalformedRequest(f"the request holds {len(inputs)} inputs: {EXPECTED}")
    (tensor,) = inputs
    name, datatype = tensor.get("name"), tensor.get("datatype")
    if not isinstance(name, str) or name not in DATATYPES:
        given = repr(name) if isinstance(name, str) else reading.json_kind(name)
        raise MalformedRequest(f"the input's name is {given:.80}: {EXPECTED}")
    if datatype != DATATYPES[name]:
        given = datatype if isinstance(datatype, str) else reading.json_kind(datatype)
        raise MalformedRequest(f"{name} has the datatype {given:.80}: expected {DATATYPES[name]}")
    return dict(tensor)


def _wanted(asked: dict[str, Any], there: list[str]) -> dict[str, bool]:
    """Return the names of the outputs to answer with, and of each whether as binary data."""
    default = _flag(tensors.parameters_of(asked, "the request"), "binary_data_output", False)
    outputs = asked.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise MalformedRequest('outputs is no list of objects: expected {"name": ...} of each')
    wanted: dict[str, bool] = {}
    for output in outputs:
        name = output.get("name")
        if not isinstance(name, str) or name not in there or name in wanted:
            given = repr(name) if isinstance(name, str) else reading.json_kind(name)
            raise MalformedRequest(
                f"outputs asks for {given:.80}: expected each of {', '.join(there)} once at most"
            )
        parameters = tensors.parameters_of(output, name)
        if "classification" in parameters:
            raise MalformedRequest(
                f"classification of {name} is not offered: leave it out, and take the largest"
            )
        wanted[name] = _flag(parameters, "binary_data", default)
    return wanted or dict.fromkeys(there, default)
