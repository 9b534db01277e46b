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

from api import reading
from api.problems import MalformedRequest
from utils import Source

HEADER_LENGTH = "Inference-Header-Content-Length"
LARGEST_SIZE = 2**31 - 1  # of a shape; any whole number can come in JSON


def split(body: bytes, header: str | None, expected: str) -> tuple[dict[str, Any], bytes | None]:
    """Return the request's JSON object and the binary data after it, None without the header."""
    length = len(body)
    if header is not None:
        length = int(header) if header.isascii() and header.isdigit() and len(header) < 19 else -1
        if not 0 <= length <= len(body):
            raise MalformedRequest(
                f"{HEADER_LENGTH} is {header!r:.80}: it must be the length of the JSON, "
                f"a whole number from 0 to the body's {len(body):,} bytes"
            )
    asked = reading.json_object(body[:length], expected)
    return asked, None if header is None else body[length:]


def parameters_of(holder: dict[str, Any], what: str) -> dict[str, Any]:
    """Return the parameters of a request, an input or an output; they are optional."""
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict):
        raise MalformedRequest(
            f"the parameters of {what} are {reading.json_kind(parameters)}: expected an object"
        )
    if "shared_memory_region" in parameters:
        raise MalformedRequest(f"{what} is in shared memory, which is not offered: send its data")
    return parameters


def shape_of(tensor: dict[str, Any], rests: tuple[tuple[int, ...], ...]) -> list[int]:
    """Return the shape that an input states: N, then one of `rests`."""
    name, shape = tensor["name"], tensor.get("shape")
    expected = " or ".join(str(["N", *rest]).replace("'", "") for rest in rests)
    if not isinstance(shape, list) or not shape:
        raise MalformedRequest(f"{name} has no list of sizes for its shape: expected {expected}")
    if not all(type(size) is int and 0 < size <= LARGEST_SIZE for size in shape):
        raise MalformedRequest(
            f"the shape of {name} has a size that is no whole number from 1 up: expected {expected}"
        )
    if tuple(shape[1:]) not in rests:
        raise MalformedRequest(f"{name} has the shape {shape!s:.80}: expected {expected}")
    return shape


def binary_data_of(tensor: dict[str, Any], binary: bytes | None) -> bytes | None:
    """Return the input's binary data, None if its data is in the JSON."""
    name = tensor["name"]
    size = parameters_of(tensor, name).get("binary_data_size")
    if size is None:
        if binary:
            raise MalformedRequest(
                f"{len(binary):,} bytes follow the JSON, but {name} has no binary_data_size"
            )
        if "data" not in tensor:
            raise MalformedRequest(
                f"{name} has no data: give it data, or binary_data_size and the bytes after "
                "the JSON"
            )
        return None
    if "data" in tensor:
        raise MalformedRequest(f"{name} has both data and binary_data_size: give one of the two")
    if binary is None:
        raise MalformedRequest(
            f"{name} has binary_data_size, which needs the header {HEADER_LENGTH}: "
            "the length of the JSON in bytes"
        )
    if type(size) is not int or size != len(binary):
        given = size if type(size) is int else reading.json_kind(size)
        raise MalformedRequest(
            f"{name} has the binary_data_size {given!s:.80}, but {len(binary):,} bytes follow the "
            "JSON: the two must be equal"
        )
    return binary


def numbers_of(tensor: dict[str, Any], shape: list[int], data: bytes | None) -> np.ndarray:
    """Return the numbers of `images` in the shape that it states."""
    count = math.prod(shape)
    if data is not None:
        if len(data) != 4 * count:
            raise MalformedRequest(
                f"images has {len(data):,} bytes of binary data: its shape {shape!s:.80} of FP32 "
                f"takes {4 * count:,}"
            )
        return np.frombuffer(data, "<f4").reshape(shape)
    numbers = reading.numbers_of(tensor["data"], "the data of images")
    if numbers.shape not in ((count,), tuple(shape)):
        raise MalformedRequest(
            f"the data of images has the shape {list(numbers.shape)}: expected {shape!s:.80} as "
            f"stated, or the {count:,} numbers in one list"
        )
    return numbers.reshape(shape)


def pictures_of(tensor: dict[str, Any], shape: list[int], data: bytes | None) -> list[Source]:
    """Return the encoded pictures of `pictures`, as many as its shape states."""
    pictures: list[Source]
    if data is not None:
        pictures = [*_elements(data)]
    else:
        given = tensor["data"]
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            raise MalformedRequest("the data of pictures must be a list of pictures in base64 text")
        pictures = [*given]
    if len(pictures) != shape[0]:
        raise MalformedRequest(
            f"pictures holds {len(pictures):,}, but its shape is {shape!s:.80}: "
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
