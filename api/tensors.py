"""The tensors of the Open Inference Protocol, as JSON or binary data, in requests and responses.

    https://github.com/kserve/open-inference-protocol, with the binary tensor data extension
    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md

Binary data follows the JSON object in the body, little-endian and row by row; the header
Inference-Header-Content-Length tells where it begins. Of BYTES each element comes after its length.
"""

import json
import math
from typing import Any

import numpy as np
from flask import Response
from msgspec import UNSET

from api import reading
from api.problems import MalformedRequest
from api.request_bodies import (
    ImagesInput,
    InferParameters,
    OutputParameters,
    PicturesInput,
    TensorParameters,
)
from utils import Source

HEADER_LENGTH = "Inference-Header-Content-Length"


def split(body: bytes, header: str | None) -> tuple[bytes, bytes | None]:
    """Return the request's JSON and the binary data after it, None without the header."""
    if header is None:
        return body, None
    length = int(header) if header.isascii() and header.isdigit() and len(header) < 19 else -1
    if not 0 <= length <= len(body):
        raise MalformedRequest(
            f"{HEADER_LENGTH} is {header!r:.80}: it must be the length of the JSON, "
            f"a whole number from 0 to the body's {len(body):,} bytes"
        )
    return body[:length], body[length:]


def refuse_shared_memory(
    parameters: InferParameters | TensorParameters | OutputParameters, what: str
) -> None:
    """Raise MalformedRequest if data is to be found, or put, in shared memory."""
    if parameters.shared_memory_region is not UNSET:
        raise MalformedRequest(f"{what} is in shared memory, which is not offered: send its data")


def shape_of(shape: list[int], name: str, rests: tuple[tuple[int, ...], ...]) -> list[int]:
    """Return the shape that an input states: N, then one of `rests`."""
    if tuple(shape[1:]) not in rests or not shape:
        expected = " or ".join(str(["N", *rest]).replace("'", "") for rest in rests)
        raise MalformedRequest(f"{name} has the shape {shape!s:.80}: expected {expected}")
    return shape


def binary_data_of(
    tensor: ImagesInput | PicturesInput, name: str, binary: bytes | None
) -> bytes | None:
    """Return the input's binary data, None if its data is in the JSON."""
    refuse_shared_memory(tensor.parameters, name)
    size = tensor.parameters.binary_data_size
    if size is UNSET:
        if binary:
            raise MalformedRequest(
                f"{len(binary):,} bytes follow the JSON, but {name} has no binary_data_size"
            )
        if tensor.data is UNSET:
            raise MalformedRequest(
                f"{name} has no data: give it data, or binary_data_size and the bytes after "
                "the JSON"
            )
        return None
    if tensor.data is not UNSET:
        raise MalformedRequest(f"{name} has both data and binary_data_size: give one of the two")
    if binary is None:
        raise MalformedRequest(
            f"{name} has binary_data_size, which needs the header {HEADER_LENGTH}: "
            "the length of the JSON in bytes"
        )
    if size != len(binary):
        raise MalformedRequest(
            f"{name} has the binary_data_size {size!s:.80}, but {len(binary):,} bytes follow the "
            "JSON: the two must be equal"
        )
    return binary


def numbers_of(tensor: ImagesInput, data: bytes | None) -> np.ndarray:
    """Return the numbers of `images` in the shape that it states."""
    shape = tensor.shape
    count = math.prod(shape)
    if data is not None:
        if len(data) != 4 * count:
            raise MalformedRequest(
                f"images has {len(data):,} bytes of binary data: its shape {shape!s:.80} of FP32 "
                f"takes {4 * count:,}"
            )
        return np.frombuffer(data, "<f4").reshape(shape)
    numbers = reading.numbers_of(tensor.data or [], "the data of images")
    if numbers.shape not in ((count,), tuple(shape)):
        raise MalformedRequest(
            f"the data of images has the shape {list(numbers.shape)}: expected {shape!s:.80} as "
            f"stated, or the {count:,} numbers in one list"
        )
    return numbers.reshape(shape)


def pictures_of(tensor: PicturesInput, data: bytes | None) -> list[Source]:
    """Return the encoded pictures of `pictures`, as many as its shape states."""
    pictures: list[Source] = [*(tensor.data or [])] if data is None else [*_elements(data)]
    if len(pictures) != tensor.shape[0]:
        raise MalformedRequest(
            f"pictures holds {len(pictures):,}, but its shape is {tensor.shape!s:.80}: "
            "the two must be equal"
        )
    return pictures


def _elements(data: bytes) -> list[bytes]:
    """Take BYTES apart: before each element its length, 4 bytes, the lowest first."""
    found: list[bytes] = []
    start = 0
    while start < len(data):
        begin = start + 4
        length = int.from_bytes(data[start:begin], "little")
        start = begin + length
        if start > len(data):
            raise MalformedRequest(
                f"the binary data of pictures is cut short: element {len(found) + 1} should end "
                f"at byte {start:,} of {len(data):,}; each is its length in 4 bytes, then itself"
            )
        found.append(data[begin:start])
    return found


def response(
    said: dict[str, str], tensors: dict[str, np.ndarray], as_binary: dict[str, bool]
) -> Response:
    """Write the inference response: a JSON object, after it the tensors that are binary."""
    outputs: list[dict[str, Any]] = []
    binary = b""
    for name, tensor in tensors.items():
        output: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": [*tensor.shape]}
        if as_binary[name]:
            content = tensor.astype("<f4").tobytes()
            output["parameters"] = {"binary_data_size": len(content)}
            binary += content
        else:
            output["data"] = tensor.ravel().tolist()
        outputs.append(output)
    text = json.dumps({**said, "outputs": outputs}).encode()
    if not binary:
        return Response(text, content_type="application/json")
    return Response(
        text + binary, headers={HEADER_LENGTH: str(len(text))}, mimetype="application/octet-stream"
    )
