"""The JSON that requests hold: the definitions that check it, and that the OpenAPI document shows.

They say what is where and of which type. What no type says, that shapes, counts and sizes fit each
other, is checked where the values are used, and there too whether each of many numbers is in its
range; what such a check asks for is stated here beside the type, for those who read the document.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

import config
from outputs import IS_DIGIT, PROBABILITIES

SIDE = config.IMAGE_SIZE
LARGEST_SIZE = 2**31 - 1  # of a shape; any whole number can come in JSON
SIGNATURE = "serving_default"
MOST = "x-most"  # marks lists and counts that go up to the settings' `max_batch`
ALIKE = "x-alike"  # marks lists whose items are of one kind, down to so many lists within
NEVER = Meta(extra_json_schema={"not": {}})  # a field that is known only to be refused


def _stated(**schema: Any) -> Meta:
    """State in the schema what is checked where the values are used."""
    return Meta(extra_json_schema=schema)


PictureText = Annotated[
    str,
    Meta(
        title="Picture",
        description="The file of a picture, in base64 or as a data URL.",
        extra_json_schema={"format": "byte", "contentEncoding": "base64", "minLength": 1},
    ),
]
Preprocessing = Annotated[
    str,
    Meta(
        title="Preprocessing",
        description="How a picture is brought to MNIST form.",
        extra_json_schema={
            "enum": list(config.PREPROCESSING_METHODS),
            "default": config.DEFAULT_PREPROCESSING,
        },
    ),
]
Sided = Meta(min_length=SIDE, max_length=SIDE)
Pixels = Annotated[
    list[Annotated[list[Annotated[float, _stated(minimum=0, maximum=255)]], Sided]],
    Sided,
    Meta(
        title="Pixels",
        description=f"{SIDE} rows of {SIDE} numbers, all 0-255 or all 0-1; dark on light or light "
        "on dark.",
    ),
]
Ink = Annotated[float, _stated(minimum=0, maximum=1)]
OwnList = Annotated[list[Ink], _stated(minItems=1, maxItems=1)]
Image = Annotated[
    list[Annotated[list[Ink | OwnList], _stated(minItems=SIDE, maxItems=SIDE)]],
    _stated(minItems=SIDE, maxItems=SIDE, **{ALIKE: 2}),
    Meta(
        title="Image",
        description=f"In MNIST form: {SIDE} rows of {SIDE} numbers from 0 to 1, ink 1 on paper 0. "
        "Each number may be in a list of its own, if all are.",
    ),
]


class PredictRequest(Struct, frozen=True):
    """What is asked of /predict: exactly one of the three."""

    image: PictureText | UnsetType = UNSET
    images: (
        Annotated[
            list[PictureText],
            Meta(min_length=1, description="A batch, answered as `predictions`."),
            _stated(**{MOST: "maxItems"}),
        ]
        | UnsetType
    ) = UNSET
    pixels: Pixels | UnsetType = UNSET


# TensorFlow Serving's REST API.


class EncodedPicture(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture in the form in which TensorFlow Serving's clients send bytes."""

    b64: PictureText


class Instance(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture, or the one input by its name: exactly one of the two."""

    b64: PictureText | UnsetType = UNSET
    images: Image | EncodedPicture | UnsetType = UNSET


Column = Annotated[
    list[Image | EncodedPicture],
    Meta(min_length=1, description="All numbers, or all pictures."),
    _stated(**{MOST: "maxItems", ALIKE: 1}),
]


class NamedInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """The one input, by its name."""

    images: Column


class ServingRequest(Struct, frozen=True):
    """What is asked of TensorFlow Serving's predict: exactly one of instances and inputs."""

    instances: (
        Annotated[
            list[Image | Instance],
            Meta(min_length=1, description="The row format: all numbers, or all pictures."),
            _stated(**{MOST: "maxItems", ALIKE: 1}),
        ]
        | UnsetType
    ) = UNSET
    inputs: Column | NamedInputs | UnsetType = UNSET
    signature_name: Annotated[str, _stated(enum=[SIGNATURE, ""])] = SIGNATURE


# The Open Inference Protocol.


class TensorParameters(Struct, frozen=True):
    """What an input may say beside its data."""

    binary_data_size: (
        Annotated[int, Meta(ge=0, description="Bytes of its binary data, in place of `data`.")]
        | UnsetType
    ) = UNSET
    shared_memory_region: Annotated[Any, NEVER] = UNSET


Count = Annotated[int, Meta(ge=1, le=LARGEST_SIZE)]
Nested = list[Ink | list[Ink | list[Ink | list[Ink]]]]  # down to [N, 28, 28, 1]


class ImagesInput(Struct, frozen=True, tag_field="name", tag="images"):
    """Images in MNIST form."""

    datatype: Literal["FP32"]
    shape: Annotated[
        list[Count],
        Meta(description=f"[N, {SIDE}, {SIDE}] or [N, {SIDE}, {SIDE}, 1]."),
        _stated(
            minItems=3,
            maxItems=4,
            prefixItems=[
                {"type": "integer", "minimum": 1, MOST: "maximum"},
                {"const": SIDE},
                {"const": SIDE},
                {"const": 1},
            ],
        ),
    ]
    data: (
        Annotated[
            Nested,
            Meta(
                description="Numbers from 0 to 1, ink 1 on paper 0: nested as the shape says, or "
                "in one list, row by row."
            ),
        ]
        | UnsetType
    ) = UNSET
    parameters: TensorParameters = TensorParameters()


class PicturesInput(Struct, frozen=True, tag_field="name", tag="pictures"):
    """Encoded pictures."""

    datatype: Literal["BYTES"]
    shape: Annotated[
        list[Count],
        Meta(description="[N]."),
        _stated(
            minItems=1,
            maxItems=1,
            prefixItems=[{"type": "integer", "minimum": 1, MOST: "maximum"}],
        ),
    ]
    data: Annotated[list[PictureText], _stated(minItems=1, **{MOST: "maxItems"})] | UnsetType = (
        UNSET
    )
    parameters: TensorParameters = TensorParameters()


class OutputParameters(Struct, frozen=True):
    """How an output is to be answered."""

    binary_data: bool | UnsetType = UNSET
    classification: Annotated[Any, NEVER] = UNSET
    shared_memory_region: Annotated[Any, NEVER] = UNSET


OutputName = Annotated[str, _stated(enum=[PROBABILITIES, IS_DIGIT])]


class RequestedOutput(Struct, frozen=True):
    """An output that is asked for; without any all are answered."""

    name: OutputName
    parameters: OutputParameters = OutputParameters()


class InferParameters(Struct, frozen=True):
    """What holds for the whole request."""

    preprocessing: Preprocessing | UnsetType = UNSET  # for pictures
    binary_data_output: bool = False
    shared_memory_region: Annotated[Any, NEVER] = UNSET


class InferRequest(Struct, frozen=True):
    """What is asked of the Open Inference Protocol's infer."""

    inputs: Annotated[list[ImagesInput | PicturesInput], Meta(min_length=1, max_length=1)]
    id: Annotated[str, Meta(description="The answer repeats it.")] | UnsetType = UNSET
    outputs: list[RequestedOutput] = []
    parameters: InferParameters = InferParameters()


# Of these fields exactly one is there, which no type of a struct says.
EXACTLY_ONE: dict[type[Struct], tuple[str, ...]] = {
    PredictRequest: ("image", "images", "pixels"),
    ServingRequest: ("instances", "inputs"),
    Instance: ("b64", "images"),
}


def given(body: Struct) -> list[str]:
    """Return which of a body's fields, of which there must be exactly one, are there."""
    return [name for name in EXACTLY_ONE[type(body)] if getattr(body, name) is not UNSET]
