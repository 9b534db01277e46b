"""The Open Inference Protocol: every kind of fault is told, and nothing sent makes it fail."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from inference_requests import (
    BLANK,
    EIGHTS,
    HEADER,
    MODEL,
    TEXT,
    asking,
    elements,
    error,
    infer,
    sized,
)
from json_bodies import ANYTHING, nearly
from samples import blank_png
from stub_reader import overloaded

import config
from api.app import create_app
from classifier import Classifier


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> FlaskClient:
    return create_app(classifier, config.Settings(max_bytes=500_000, max_batch=4)).test_client()


class TestFaults:
    @pytest.mark.parametrize(
        "path", ["/v2/models/mnist", f"{MODEL}/versions/2", f"{MODEL}/versions/2/ready"]
    )
    def test_what_is_not_there(self, client: FlaskClient, path: str) -> None:
        assert "the one here is" in error(client.get(path), 404)
        if not path.endswith("ready"):
            response = client.post(f"{path}/infer", json=asking(BLANK))
            assert "the one here is" in error(response, 404)

    def test_other_methods_and_addresses(self, client: FlaskClient) -> None:
        assert "POST" in error(client.get(f"{MODEL}/infer"), 405)
        assert "GET /" in error(client.get(f"{MODEL}/config"), 404)
        assert client.get("/v20").content_type == "application/problem+json"

    @pytest.mark.parametrize("body", ["{", "[]", "", b"\xff", "[" * 100_000, "9" * 5000])
    def test_malformed_json(self, client: FlaskClient, body: str | bytes) -> None:
        assert "pictures (BYTES [N])" in error(client.post(f"{MODEL}/infer", data=body))

    @pytest.mark.parametrize(
        ("body", "words"),
        [({}, "the JSON has no inputs: send"), ({"inputs": {}}, "inputs is an object, not a list"),
         ({"inputs": [3]}, "inputs[0] is a number, not an object"),
         ({"inputs": []}, "inputs is an empty list: send"),
         ({"inputs": [BLANK, EIGHTS]}, "inputs holds more items than 1: send"),
         (asking(BLANK, name="image"), "inputs[0].name is 'image': send"),
         (asking(BLANK, name=...), "inputs[0] has no name: send"),
         (asking(BLANK, name=[]), "inputs[0].name is not text: send"),
         (asking(BLANK, datatype="FP64"), "inputs[0].datatype is 'FP64': send"),
         (asking(EIGHTS, datatype=...), "inputs[0] has no datatype: send"),
         (asking(BLANK, shape=...), "inputs[0] has no shape: send"),
         (asking(BLANK, shape=[]), "the shape []: expected [N, 28, 28] or [N, 28, 28, 1]"),
         (asking(BLANK, shape=[1, 28, 28, True]), "shape[3] is true or false, not a whole number"),
         (asking(BLANK, shape=[1, 28, 28.5]), "shape[2] is a number, not a whole number"),
         (asking(BLANK, shape=[0, 28, 28]), "inputs[0].shape[0] is below 1"),
         (asking(BLANK, shape=[-1, 28, 28]), "inputs[0].shape[0] is below 1"),
         (asking(BLANK, shape=[10**400, 28, 28]), "inputs[0].shape[0] is above 2147483647"),
         (asking(BLANK, shape=[1, 784]), "the shape [1, 784]: expected [N, 28, 28]"),
         (asking(EIGHTS, shape=[1, 1]), "expected [N]"),
         (asking(BLANK, data=...), "images has no data"),
         (asking(BLANK, data=[0.0] * 783), "the shape [783]: expected [1, 28, 28, 1]"),
         (asking(BLANK, data=[[0.0] * 784]), "the shape [1, 784]"),
         (asking(BLANK, data=[[[0.0] * 28] * 27 + [[0.0]]]), "lists of equal lengths"),
         (asking(BLANK, data=None), "inputs[0].data is null, not a list"),
         (asking(BLANK, data=[True] * 784), "data[0] is true or false, not a number"),
         (asking(BLANK, data=["0"] * 784), "data[0] is text, not a number"),
         (asking(BLANK, data=[10**400] * 784), "data[0] is a number far too large: send"),
         (asking(BLANK, data=[0.0] * 783 + [255]), "image 1 of 1 holds 255"),
         (asking(BLANK, data=[0.0] * 783 + [float("nan")]), "has no number NaN, which stands at"),
         (asking(BLANK, data=[0.0] * 783 + [float("-inf")]), "has no number -Infinity, which"),
         (asking(BLANK, parameters=[]), "inputs[0].parameters is a list, not an object"),
         (asking(BLANK, parameters={"shared_memory_region": "x"}), "shared memory"),
         (sized(3136), "which needs the header Inference-Header"),
         (asking(BLANK, parameters={"binary_data_size": 1}), "both data and binary_data_size"),
         (asking(EIGHTS, data=TEXT), "inputs[0].data is text, not a list"),
         (asking(EIGHTS, data=[[TEXT]]), "inputs[0].data[0] is a list, not text"),
         (asking(EIGHTS, data=[TEXT, TEXT]), "pictures holds 2, but its shape is [1]"),
         (asking(EIGHTS, data=["!!"]), "not valid base64"),
         (asking(EIGHTS) | {"parameters": {"preprocessing": "x"}}, "choose enhanced, basic, none"),
         (asking(EIGHTS) | {"parameters": {"preprocessing": 1}}, "preprocessing is a number, not"),
         (asking(BLANK) | {"parameters": {"preprocessing": "basic"}}, "leave it out"),
         (asking(BLANK) | {"parameters": 3}, "parameters is a number, not an object"),
         (asking(BLANK) | {"parameters": {"binary_data_output": 1}}, "binary_data_output is a num"),
         (asking(BLANK) | {"id": 7}, "id is a number"),
         (asking(BLANK) | {"outputs": {}}, "outputs is an object, not a list"),
         (asking(BLANK) | {"outputs": [{}]}, "outputs[0] has no name"),
         (asking(BLANK) | {"outputs": [{"name": "digit"}]}, "asks for 'digit': expected each of"),
         (asking(BLANK) | {"outputs": [{"name": "probabilities"}] * 2}, "once at most"),
         (asking(BLANK) | {"outputs": [{"name": "probabilities",
                                        "parameters": {"classification": 3}}]}, "classification"),
         (asking(BLANK) | {"outputs": [{"name": "probabilities",
                                        "parameters": {"binary_data": "yes"}}]},
          "outputs[0].parameters.binary_data is text, not true or false")],
    )  # fmt: skip
    def test_a_bad_request_is_told(self, client: FlaskClient, body: dict, words: str) -> None:
        assert words in error(infer(client, body))

    @pytest.mark.parametrize(
        ("body", "binary", "words"),
        [(sized(3136), bytes(3135), "3136, but 3,135 bytes follow"),
         (sized(3136), bytes(3137), "3136, but 3,137 bytes follow"),
         (sized(3132), bytes(3132), "3,132 bytes of binary data: its shape [1, 28, 28, 1]"),
         (sized("3136"), bytes(3136), "binary_data_size is text, not a whole number"),
         (sized(True), bytes(1), "is true or false, not a whole number"),
         (sized(-1), b"", "inputs[0].parameters.binary_data_size is below 0"),
         (sized(10**400), b"", "but 0 bytes follow"),
         (asking(BLANK), b"more", "4 bytes follow the JSON, but images has no binary_data_size"),
         (sized(3136), b"\xff" * 3136, "holds nan"),
         (sized(3136), np.full(784, 2, "<f4").tobytes(), "holds 2"),
         (sized(0, EIGHTS), b"", "pictures holds 0"),
         (sized(3, EIGHTS), b"abc", "cut short: element 1"),
         (sized(12, EIGHTS), elements(b"") * 3, "pictures holds 3"),
         (sized(8, EIGHTS), elements(b"text"), "not a picture"),
         (sized(7, EIGHTS), elements(b"text")[:7], "should end at byte 8 of 7"),
         (sized(9, EIGHTS), elements(b"text") + b"x", "element 2 should end")],
    )  # fmt: skip
    def test_bad_binary_data_is_told(
        self, client: FlaskClient, body: dict, binary: bytes, words: str
    ) -> None:
        assert words in error(infer(client, body, binary))

    @pytest.mark.parametrize("length", ["-1", "x", "", "1.5", "9999999", "9" * 5000, "²"])
    def test_a_bad_header_length_is_told(self, client: FlaskClient, length: str) -> None:
        body = json.dumps(asking(BLANK))
        response = client.post(f"{MODEL}/infer", data=body, headers={HEADER: length})
        assert HEADER in error(response)

    def test_one_bad_picture_of_a_batch_is_named(self, client: FlaskClient) -> None:
        content = elements(EIGHT, blank_png(50, 50))
        response = infer(client, sized(len(content), EIGHTS | {"shape": [2]}), content)
        assert "picture 2 of 2: no ink" in error(response)

    def test_too_much(self, client: FlaskClient) -> None:
        for tensor in (BLANK | {"shape": [5, 28, 28]}, EIGHTS | {"shape": [5]}):
            assert "at most 4" in error(infer(client, asking(tensor)), 413)
        bomb = base64.b64encode(blank_png(9_000, 9_000)).decode()
        assert "81,000,000 pixels" in error(infer(client, asking(EIGHTS, data=[bomb])))
        response = client.post(f"{MODEL}/infer", data=b" " * 500_001)
        assert "500,000 bytes" in error(response, 413)

    def test_overload_is_told_with_a_time_to_come_back(self, classifier: Classifier) -> None:
        response = infer(overloaded(create_app(classifier)), asking(BLANK))
        assert "try again" in error(response, 503)
        assert int(response.headers["Retry-After"]) >= 1


ALL_FIELDS = asking(EIGHTS) | {
    "id": "1",
    "parameters": {"preprocessing": "basic", "binary_data_output": False},
    "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
}


@given(ANYTHING | nearly(asking(BLANK)) | nearly(ALL_FIELDS))
def test_no_json_makes_the_server_fail(client: FlaskClient, body: Any) -> None:
    response = infer(client, body)
    if response.status_code != 200:
        assert len(error(response, 413 if response.status_code == 413 else 400)) > 20


@given(nearly(sized(3136)) | nearly(sized(20, EIGHTS)), st.binary(max_size=64) | st.just(b"0" * 9))
def test_no_binary_data_makes_the_server_fail(
    client: FlaskClient, body: Any, binary: bytes
) -> None:
    response = infer(client, body, binary)
    assert len(error(response, 413 if response.status_code == 413 else 400)) > 20
