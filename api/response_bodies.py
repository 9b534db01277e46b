"""The JSON that is answered: definitions for the OpenAPI document, by which the tests hold answers.

Nothing of this is imported to answer a picture.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

import config
from api.request_bodies import Count, OutputName, Preprocessing

Share = Annotated[float, Meta(ge=0, le=1)]
Probabilities = Annotated[
    list[Share],
    Meta(
        title="Probabilities",
        description="Of the digits 0 to 9, in order; their sum is 1.",
        min_length=config.CLASSES,
        max_length=config.CLASSES,
    ),
]
IsDigit = Annotated[
    list[Share],
    Meta(
        title="IsDigit",
        description=f"How much it looks like one digit: below {config.IS_DIGIT_THRESHOLD}, not.",
        min_length=1,
        max_length=1,
    ),
]
Digit = Annotated[int, Meta(ge=0, lt=config.CLASSES)]
Version = Annotated[
    str,
    Meta(
        title="Version",
        description="The first 12 digits of the model file's SHA-256.",
        pattern="^[0-9a-f]{12}$",
    ),
]


class Ranked(TypedDict):
    """A digit and its probability."""

    digit: Digit
    confidence: Share


class ModelName(TypedDict):
    """Which model answered."""

    name: str
    version: Version


class Answer(TypedDict):
    """The answer to one picture."""

    digit: Annotated[Digit, Meta(description="The likeliest digit.")]
    confidence: Annotated[Share, Meta(description="Its probability, calibrated.")]
    probabilities: Probabilities
    top: Annotated[
        list[Ranked], Meta(description="The likeliest digits.", min_length=3, max_length=3)
    ]
    is_digit: NotRequired[
        Annotated[
            Share,
            Meta(
                description="How much the picture looks like one digit: below "
                f"{config.IS_DIGIT_THRESHOLD}, not. Absent from a model that does not say it."
            ),
        ]
    ]
    preprocessing: Preprocessing
    model: ModelName


class Answers(TypedDict):
    """The answers to a batch, in its order."""

    predictions: Annotated[list[Answer], Meta(min_length=1)]


class Problem(TypedDict):
    """A fault (RFC 9457): what was wrong, and what would be right."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(min_length=1)]
    request_id: str


class Error(TypedDict):
    """A fault in the form of these protocols: what was wrong, and what would be right."""

    error: Annotated[str, Meta(min_length=1)]


class Index(TypedDict):
    """What this is and how to call it."""

    name: str
    model: ModelName
    routes: dict[str, str]
    forms: str
    example: str


class Alive(TypedDict):
    """The process lives."""

    status: Literal["alive"]


class Ready(TypedDict):
    """The model answers; `refused` says why the files that are in its place now do not."""

    status: Literal["ready"]
    model: Version
    refused: NotRequired[str]


class Card(TypedDict):
    """The model's card; how it was trained and how well it reads stands in further fields."""

    name: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class DocumentBody(TypedDict):
    """This document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


# TensorFlow Serving's REST API.


class NamedOutputs(TypedDict):
    """What the model says of one image."""

    probabilities: Probabilities
    is_digit: IsDigit


class Columns(TypedDict):
    """What the model says of all images, by output."""

    probabilities: list[Probabilities]
    is_digit: list[IsDigit]


class ServingRows(TypedDict):
    """The answer to `instances`, an item an image; an only output is not named."""

    predictions: Annotated[list[NamedOutputs | Probabilities], Meta(min_length=1)]


class ServingColumns(TypedDict):
    """The answer to `inputs`, a list an output; an only output is not named."""

    outputs: Columns | list[Probabilities]


class StatusCode(TypedDict):
    """That all is well with a version."""

    error_code: Literal["OK"]
    error_message: str


class VersionStatus(TypedDict):
    """How a version of the model does."""

    version: Literal["1"]
    state: Literal["AVAILABLE"]
    status: StatusCode


class ServingStatus(TypedDict):
    """The versions of the model; there is one."""

    model_version_status: Annotated[list[VersionStatus], Meta(min_length=1, max_length=1)]


class ModelSpec(TypedDict):
    """Which model is described."""

    name: str
    signature_name: str
    version: Literal["1"]


class ServingMetadata(TypedDict):
    """TensorFlow Serving's GetModelMetadataResponse: the signature's inputs and outputs."""

    model_spec: ModelSpec
    metadata: dict[str, Any]


# The Open Inference Protocol.


class Server(TypedDict):
    """The server and the protocol's extensions that it offers."""

    name: str
    version: str
    extensions: list[str]


class Live(TypedDict):
    """The process lives."""

    live: Literal[True]


class ServerReady(TypedDict):
    """The model answers."""

    ready: Literal[True]


class ModelReady(TypedDict):
    """This model answers."""

    name: str
    ready: Literal[True]


class TensorMetadata(TypedDict):
    """A tensor; -1 in its shape is the number of images."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: list[int]


class ModelMetadata(TypedDict):
    """The model's inputs and outputs."""

    name: str
    versions: Annotated[list[Version], Meta(min_length=1, max_length=1)]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class BinarySize(TypedDict):
    """How much of the binary data is this output's."""

    binary_data_size: Count


class Output(TypedDict):
    """An output: its numbers row by row, or their bytes after the JSON."""

    name: OutputName
    datatype: Literal["FP32"]
    shape: Annotated[list[Count], Meta(min_length=2, max_length=2)]
    data: NotRequired[list[Share]]
    parameters: NotRequired[BinarySize]


class InferResponse(TypedDict):
    """What the model says of all images, by output."""

    model_name: str
    model_version: Version
    id: NotRequired[str]
    outputs: Annotated[list[Output], Meta(min_length=1)]
