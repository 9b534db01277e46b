"""What right requests need that no JSON Schema can say: real pictures, and sizes that fit.

Loaded by schemathesis, see schemathesis.toml. Nothing here touches a request that is meant to be
wrong: that those are refused is checked as they were made.
"""

import base64
import io
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "pictures"


def _file(name: str, kind: str) -> bytes:
    """Return a picture of the tests at 28x28, which every preprocessing takes."""
    content = io.BytesIO()
    Image.open(FOLDER / f"{name}.png").convert("L").resize((28, 28)).save(content, kind)
    return content.getvalue()


FILES = [_file("eight", "PNG"), _file("three", "JPEG"), _file("eight_inverted", "GIF")]
PICTURES = [base64.b64encode(file).decode() for file in FILES]
URLS = [f"data:image/png;base64,{picture}" for picture in PICTURES]
JSON_LENGTH = "Inference-Header-Content-Length"
MOST_IMAGES = 3  # more take time, and go the same way

schemathesis.openapi.format("byte", st.sampled_from(PICTURES + URLS))
schemathesis.openapi.format("binary", st.sampled_from(FILES))
for kind in ("png", "jpeg", "webp", "bmp", "gif"):  # the server goes by the bytes
    schemathesis.openapi.media_type(f"image/{kind}", st.sampled_from(FILES))
schemathesis.openapi.media_type("application/octet-stream", st.sampled_from(FILES))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Make a right request right in what its schema leaves open."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    operation = case.operation.definition.raw["operationId"]
    if operation.startswith("v1_predict"):
        _of_one_kind(case.body)
    elif operation.startswith("v2_infer"):
        case.headers.pop(JSON_LENGTH, None)
        if isinstance(case.body, dict):
            _fit(case.body)
        else:
            text = json.dumps(_binary_request(len(case.body))).encode()
            case.headers[JSON_LENGTH] = str(len(text))
            case.body = text + _element(case.body)


def _of_one_kind(body: dict[str, Any]) -> None:
    """Leave in `instances` those that are of the first one's kind: pictures, or numbers."""
    if "instances" in body:
        kinds = [_is_picture(instance) for instance in body["instances"]]
        body["instances"] = list(
            itertools.compress(body["instances"], [kind == kinds[0] for kind in kinds])
        )


def _is_picture(instance: Any) -> bool:
    return isinstance(instance, dict) and not isinstance(instance.get("images"), list)


def _fit(body: dict[str, Any]) -> None:
    """Give an inference request's input as much data as its shape says, as JSON."""
    (tensor,) = body["inputs"]
    tensor.get("parameters", {}).pop("binary_data_size", None)
    if tensor["name"] == "pictures":
        tensor.setdefault("data", PICTURES[:1])
        tensor["shape"] = [len(tensor["data"])]
    else:
        body.get("parameters", {}).pop("preprocessing", None)
        # To JSON Schema 1.0 is a whole number too; the server wants it written as one.
        count, *rest = map(int, tensor["shape"])
        tensor["shape"] = [min(count, MOST_IMAGES), *rest]
        numbers = itertools.cycle([*_leaves(tensor.get("data", [])), 0.0])
        tensor["data"] = list(itertools.islice(numbers, math.prod(tensor["shape"])))
    names = [output["name"] for output in body.get("outputs", [])]
    if len(set(names)) < len(names):
        body["outputs"] = body["outputs"][:1]


def _leaves(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _binary_request(size: int) -> dict[str, Any]:
    parameters = {"binary_data_size": size + 4}
    tensor = {"name": "pictures", "datatype": "BYTES", "shape": [1], "parameters": parameters}
    return {"inputs": [tensor], "parameters": {"binary_data_output": bool(size % 2)}}


def _element(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") + bytes(content)
