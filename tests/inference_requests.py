"""Requests and answers of the Open Inference Protocol, for its tests."""

import base64
import json
from typing import Any

import numpy as np
from api_server import EIGHT, PICTURES
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from classifier import Classifier

MODEL = "/v2/models/mnist_cnn"
HEADER = "Inference-Header-Content-Length"
TEXT = base64.b64encode(EIGHT).decode()
THREE = (PICTURES / "three.png").read_bytes()
BLANK = {"name": "images", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": [0.0] * 784}
EIGHTS = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [TEXT]}


def asking(tensor: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return a request of one input, with some of the input's fields changed or, by ..., gone."""
    fields = {key: value for key, value in (tensor | changed).items() if value is not ...}
    return {"inputs": [fields]}


def sized(size: Any, tensor: dict[str, Any] = BLANK) -> dict[str, Any]:
    return asking(tensor, data=..., parameters={"binary_data_size": size})


def elements(*contents: bytes) -> bytes:
    return b"".join(len(content).to_bytes(4, "little") + content for content in contents)


def infer(client: FlaskClient, body: Any, binary: bytes | None = None) -> TestResponse:
    """Ask for inference, with binary data after the JSON if any is given."""
    text = json.dumps(body).encode()
    headers = {} if binary is None else {HEADER: str(len(text))}
    return client.post(f"{MODEL}/infer", data=text + (binary or b""), headers=headers)


def outputs(response: TestResponse) -> dict[str, np.ndarray]:
    """Return the tensors of an answer by name, from its JSON or its binary data."""
    assert response.status_code == 200, response.get_data(as_text=True)
    content, start = response.get_data(), int(response.headers.get(HEADER, 10**9))
    found = {}
    for output in json.loads(content[:start])["outputs"]:
        assert output["datatype"] == "FP32"
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            values = np.array(output["data"], np.float32)
        else:
            values = np.frombuffer(content[start : start + size], "<f4")
            start += size
        found[output["name"]] = values.reshape(output["shape"])
    assert HEADER not in response.headers or start == len(content)
    return found


def check(given: dict[str, np.ndarray], classifier: Classifier, images: np.ndarray) -> None:
    """Check that an answer is what the classifier says of these images."""
    expected = classifier.outputs(images).by_name()
    assert set(given) == set(expected)
    for name, values in given.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)


def error(response: TestResponse, status: int = 400) -> str:
    """Check that a response is a fault in the protocol's form, and return its words."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/json"
    body = json.loads(response.get_data())
    assert list(body) == ["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])
