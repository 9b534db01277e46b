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
from msgspec import UNSET
from msgspec.json import Decoder

import config
from api import reading, tensors, validation
from api.picture_reader import PictureReader
from api.problems import MalformedRequest
from api.request_bodies import ImagesInput, InferRequest
from classifier import Classifier
from outputs import IS_DIGIT, PROBABILITIES

SERVER, SERVER_VERSION = "mnist_reader", "1"
EXTENSION = "binary_tensor_data"
IMAGES, PICTURES = "images", "pictures"
SIDE = config.IMAGE_SIZE
DATATYPES = {IMAGES: "FP32", PICTURES: "BYTES"}
SHAPES = {IMAGES: [-1, SIDE, SIDE, 1], PICTURES: [-1]}
EXPECTED = (
    'send {"inputs": [...]} with one input, images (FP32 [N, 28, 28, 1], numbers from 0 to 1) or '
    "pictures (BYTES [N])"
)
DECODER = Decoder(InferRequest)
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


def register(app: Flask, classifier_of: Callable[[], Classifier], pictures: PictureReader) -> None:
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
        text, binary = tensors.split(reading.body_of(request), header)
        asked = validation.decode(text, DECODER, EXPECTED, pictures.settings)
        tensors.refuse_shared_memory(asked.parameters, "the request")
        said = {"model_name": classifier.name, "model_version": classifier.version}
        if asked.id is not UNSET:
            said["id"] = asked.id
        outputs = reading.outputs_of(classifier, _images(asked, binary, pictures)).by_name()
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


def _images(asked: InferRequest, binary: bytes | None, reader: PictureReader) -> np.ndarray:
    """Return images (N, 28, 28, 1) in MNIST form, from whichever input the request holds."""
    (tensor,) = asked.inputs
    method = asked.parameters.preprocessing
    if isinstance(tensor, ImagesInput):
        shape = tensors.shape_of(tensor.shape, IMAGES, reading.IMAGE_SHAPES)
        reading.check_count(shape[0], IMAGES, reader.settings)
        if method is not UNSET:
            raise MalformedRequest(
                "preprocessing is for pictures: images are in MNIST form already, leave it out"
            )
        data = tensors.binary_data_of(tensor, IMAGES, binary)
        return reading.read_numbers(tensors.numbers_of(tensor, data), reader.settings)
    shape = tensors.shape_of(tensor.shape, PICTURES, ((),))
    reading.check_count(shape[0], PICTURES, reader.settings)
    pictures = tensors.pictures_of(tensor, tensors.binary_data_of(tensor, PICTURES, binary))
    method = config.DEFAULT_PREPROCESSING if method is UNSET else method
    return reader.read(pictures, method)


def _wanted(asked: InferRequest, there: list[str]) -> dict[str, bool]:
    """Return the names of the outputs to answer with, and of each whether as binary data."""
    default = asked.parameters.binary_data_output
    wanted: dict[str, bool] = {}
    for output in asked.outputs:
        if output.name not in there or output.name in wanted:
            raise MalformedRequest(
                f"outputs asks for {output.name!r:.80}: expected each of {', '.join(there)} "
                "once at most"
            )
        if output.parameters.classification is not UNSET:
            raise MalformedRequest(
                f"classification of {output.name} is not offered: leave it out, and take the "
                "largest"
            )
        tensors.refuse_shared_memory(output.parameters, output.name)
        binary = output.parameters.binary_data
        wanted[output.name] = binary if isinstance(binary, bool) else default
    return wanted or dict.fromkeys(there, default)
