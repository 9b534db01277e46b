"""What each route is for, takes and answers: the words and definitions of the OpenAPI document.

The routes themselves are those that the app has: the tests find one that is not described here, and
one described here that the app does not have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api import examples
from api import request_bodies as asked
from api import response_bodies as answered
from api.schemas import Definition
from api.tensors import HEADER_LENGTH

READER, HEALTH, SERVING, INFERENCE, ABOUT = (
    "Reading digits",
    "Health",
    "TensorFlow Serving",
    "Open Inference Protocol",
    "About this server",
)
TAGS = {
    READER: "Send a picture, get the digit in it.",
    SERVING: "For clients of [TensorFlow Serving's REST API]"
    "(https://www.tensorflow.org/tfx/serving/api_rest).",
    INFERENCE: "For clients of KServe and Triton, which speak the [Open Inference Protocol]"
    "(https://github.com/kserve/open-inference-protocol), with its binary tensor data.",
    HEALTH: "For those who watch over the process; no key is asked for.",
    ABOUT: "What this server is, knows and has counted.",
}

JSON, BYTES, TEXT = "application/json", "application/octet-stream", "text/plain"
IMAGES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
FILE = {"type": "string", "format": "binary"}
FORM = {
    "description": "One picture or several, which are answered as a batch. The field may be called "
    "`image` too.",
    "type": "object",
    "properties": {
        "file": {"type": "array", "items": FILE, "minItems": 1, asked.MOST: "maxItems"},
    },
    "required": ["file"],
}
PREPROCESSING = {
    "name": "preprocessing",
    "in": "query",
    "description": "`enhanced` finds the digit whatever the paper, light and place; `basic` turns "
    "dark on light round and squashes the picture; `none` takes one that is 28x28, light on dark "
    "and centred.",
    "schema": asked.Preprocessing,
}
JSON_LENGTH = {
    "name": HEADER_LENGTH,
    "in": "header",
    "description": "If binary data follows the JSON: the length of the JSON in bytes.",
    "schema": {"type": "integer", "minimum": 0},
}
ON_POST = (400, 408, 413, 500, 503)  # what a request that carries pictures can meet with


@dataclass(frozen=True)
class Operation:
    """A route in words; what it takes and answers by media type, and the statuses of its faults."""

    tag: str
    summary: str
    answers: dict[str, Definition]
    description: str = ""
    takes: dict[str, Definition] = field(default_factory=dict)
    examples: Callable[[], dict[str, Any]] = dict  # of the JSON that it takes
    example: Any = None  # of the JSON that it answers
    parameters: tuple[dict[str, Any], ...] = ()
    faults: tuple[int, ...] = ()
    leads_to: dict[str, dict[str, str]] = field(default_factory=dict)  # operations, see _links


NAMED = {"name": "$response.body#/name"}
OPERATIONS = {  # by the endpoint's name in the app
    "predict": Operation(
        READER,
        "Read the digit in a picture",
        {JSON: (answered.Answer, answered.Answers)},
        "A picture as a form's field, as the body itself, or in JSON; several pictures are "
        "answered as a batch, in their order. Below 0.5, `is_digit` says that the picture is not "
        "one digit.",
        {JSON: asked.PredictRequest, "multipart/form-data": FORM}
        | dict.fromkeys((*IMAGES, BYTES), FILE),
        examples.predict,
        examples.ANSWER,
        (PREPROCESSING,),
        (*ON_POST, 415, 422),
    ),
    "v1_predict": Operation(
        SERVING,
        "Predict",
        {JSON: (answered.ServingRows, answered.ServingColumns)},
        "Images in MNIST form, or pictures, which are read as at /predict. `instances` are "
        "answered by rows, `inputs` by columns. The content type is not looked at.",
        {JSON: asked.ServingRequest},
        examples.serving,
        faults=(*ON_POST, 404),
    ),
    "v1_status": Operation(
        SERVING,
        "The model's status",
        {JSON: answered.ServingStatus},
        "Whatever file is served is version 1.",
        faults=(404,),
        leads_to={
            "v1_predict_of_version": {"version": "$response.body#/model_version_status/0/version"}
        },
    ),
    "v1_metadata": Operation(
        SERVING,
        "The model's inputs and outputs",
        {JSON: answered.ServingMetadata},
        faults=(404,),
        leads_to={"v1_predict": {"name": "$response.body#/model_spec/name"}},
    ),
    "v2_infer": Operation(
        INFERENCE,
        "Infer",
        {JSON: answered.InferResponse, BYTES: FILE},
        "One input: `images` in MNIST form, or `pictures`, which are read as at /predict. Tensors "
        f"may be binary data after the JSON; {HEADER_LENGTH} then tells where the JSON ends, in "
        "the request as in the answer. The content type is not looked at.",
        {JSON: asked.InferRequest, BYTES: FILE},
        examples.infer,
        parameters=(JSON_LENGTH,),
        faults=(*ON_POST, 404),
    ),
    "v2_model": Operation(
        INFERENCE,
        "The model's inputs and outputs",
        {JSON: answered.ModelMetadata},
        faults=(404,),
        leads_to={
            "v2_infer": NAMED,
            "v2_model_ready_of_version": NAMED | {"version": "$response.body#/versions/0"},
        },
    ),
    "v2_model_ready": Operation(
        INFERENCE, "Whether this model answers", {JSON: answered.ModelReady}, faults=(404, 500)
    ),
    "v2_server": Operation(INFERENCE, "The server and its extensions", {JSON: answered.Server}),
    "healthz": Operation(HEALTH, "The process lives", {JSON: answered.Alive}),
    "readyz": Operation(HEALTH, "The model answers", {JSON: answered.Ready}, faults=(500,)),
    "v2_live": Operation(
        HEALTH, "The process lives (Open Inference Protocol)", {JSON: answered.Live}
    ),
    "v2_ready": Operation(
        HEALTH,
        "The model answers (Open Inference Protocol)",
        {JSON: answered.ServerReady},
        faults=(500,),
    ),
    "index": Operation(
        ABOUT,
        "What this is and how to call it",
        {JSON: answered.Index},
        leads_to={
            "v1_status": {"name": "$response.body#/model/name"},
            "v2_model_of_version": {
                "name": "$response.body#/model/name",
                "version": "$response.body#/model/version",
            },
        },
    ),
    "model_card": Operation(ABOUT, "The model's card", {JSON: answered.Card}),
    "exposition": Operation(
        ABOUT,
        "What was counted and timed",
        {TEXT: {"type": "string"}, "application/openmetrics-text": {"type": "string"}},
        "For Prometheus, in the format that the header Accept asks for.",
    ),
    "openapi_json": Operation(ABOUT, "This document", {JSON: answered.DocumentBody}),
    "docs": Operation(ABOUT, "This document as a page", {"text/html": {"type": "string"}}),
}
