"""TensorFlow Serving's REST API: its formats, its answers, its faults."""

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from inference_requests import error
from json_bodies import ANYTHING, nearly
from samples import blank_png
from stub_reader import overloaded
from werkzeug.test import TestResponse

import config
from api import problems, reading
from api.app import create_app
from classifier import Classifier
from load_mnist_local import Mnist

MODEL = "/v1/models/mnist_cnn"
BLANK = np.zeros((28, 28)).tolist()
ROWS = {"instances": [BLANK, BLANK], "signature_name": "serving_default"}
COLUMNS = {"inputs": {"images": [BLANK]}}


def b64(picture: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(picture).decode()}


def with_pixel(value: Any) -> list[list[Any]]:
    image: list[list[Any]] = [[0.0] * 28 for _ in range(28)]
    image[3][4] = value
    return image


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> FlaskClient:
    return create_app(classifier, config.Settings(max_bytes=500_000, max_batch=4)).test_client()


@pytest.fixture(scope="module")
def two(two_outputs: Classifier) -> FlaskClient:
    return create_app(two_outputs, config.Settings()).test_client()


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:3]


def predict(client: FlaskClient, body: Any, path: str = f"{MODEL}:predict") -> TestResponse:
    return client.post(path, json=body)


class TestAnswers:
    @pytest.mark.parametrize("path", [f"{MODEL}:predict", f"{MODEL}/versions/1:predict"])
    @pytest.mark.parametrize("shape", [(-1, 28, 28), (-1, 28, 28, 1)])
    @pytest.mark.parametrize("named", [False, True])
    def test_rows_get_the_classifiers_answer(
        self, client: FlaskClient, classifier: Classifier, digits: np.ndarray, path: str,
        shape: tuple[int, ...], named: bool,
    ) -> None:  # fmt: skip
        rows = digits.reshape(shape).tolist()
        body = {"instances": [{"images": row} for row in rows] if named else rows}
        answer = predict(client, body, path).get_json()
        assert list(answer) == ["predictions"]
        expected = classifier.outputs(digits).by_name()
        assert len(answer["predictions"]) == len(digits)
        for number, row in enumerate(answer["predictions"]):
            given = row if isinstance(row, dict) else {"probabilities": row}
            assert set(given) == set(expected)
            for name, values in given.items():
                np.testing.assert_allclose(values, expected[name][number], atol=1e-6)

    @pytest.mark.parametrize("named", [False, True])
    def test_columns_get_the_classifiers_answer(
        self, client: FlaskClient, classifier: Classifier, digits: np.ndarray, named: bool
    ) -> None:
        images = digits.tolist()
        answer = predict(client, {"inputs": {"images": images} if named else images}).get_json()
        assert list(answer) == ["outputs"]
        given = answer["outputs"]
        given = given if isinstance(given, dict) else {"probabilities": given}
        expected = classifier.outputs(digits).by_name()
        assert set(given) == set(expected)
        for name, values in given.items():
            np.testing.assert_allclose(values, expected[name], atol=1e-6)

    def test_two_outputs_are_named(self, two: FlaskClient) -> None:
        path = "/v1/models/two_outputs:predict"
        (row,) = predict(two, {"instances": [BLANK]}, path).get_json()["predictions"]
        assert list(row) == ["probabilities", "is_digit"]
        assert np.shape(row["probabilities"]) == (10,)
        assert row["is_digit"] == pytest.approx([1.0], abs=0.1)  # (N, 1) in the model file
        columns = predict(two, {"inputs": [BLANK, BLANK]}, path).get_json()["outputs"]
        assert np.shape(columns["probabilities"]) == (2, 10)
        assert np.shape(columns["is_digit"]) == (2, 1)

    def test_an_only_output_is_bare(self, classifier: Classifier, digits: np.ndarray) -> None:
        def alone(images: np.ndarray) -> Any:
            return classifier.outputs(images)._replace(is_digit=None)

        client = create_app(Classifier(alone, classifier.card), config.Settings()).test_client()
        expected = classifier.probabilities(digits)
        rows = predict(client, {"instances": digits.tolist()}).get_json()["predictions"]
        np.testing.assert_allclose(rows, expected, atol=1e-6)
        columns = predict(client, {"inputs": digits.tolist()}).get_json()["outputs"]
        np.testing.assert_allclose(columns, expected, atol=1e-6)

    @pytest.mark.parametrize(
        "form",
        [lambda p: {"instances": p}, lambda p: {"inputs": p}, lambda p: {"inputs": {"images": p}},
         lambda p: {"instances": [{"images": picture} for picture in p]}],
    )  # fmt: skip
    def test_pictures_are_read_as_at_predict(
        self, client: FlaskClient, form: Callable[[list[dict[str, str]]], dict]
    ) -> None:
        names = ("eight.png", "three.png", "eight_shaded.jpg")
        contents = [(PICTURES / name).read_bytes() for name in names]
        answer = predict(client, form([b64(content) for content in contents])).get_json()
        rows = answer.get("predictions")
        if rows is None:
            outputs = answer["outputs"]
            given = outputs["probabilities"] if isinstance(outputs, dict) else outputs
        else:
            given = [row["probabilities"] if isinstance(row, dict) else row for row in rows]
        for content, probabilities in zip(contents, given, strict=True):
            alone = client.post("/predict", data=content, content_type="image/png").get_json()
            np.testing.assert_allclose(probabilities, alone["probabilities"], atol=1e-5)

    def test_curls_own_content_type_is_taken(self, client: FlaskClient) -> None:
        response = client.post(
            f"{MODEL}:predict",
            data=json.dumps(ROWS),
            content_type="application/x-www-form-urlencoded",
        )
        assert len(response.get_json()["predictions"]) == 2

    def test_the_classifier_is_asked_for_at_every_request(
        self, classifier: Classifier, two_outputs: Classifier
    ) -> None:
        serving = [classifier, two_outputs]
        client = create_app(lambda: serving[0]).test_client()
        assert client.get(MODEL).status_code == 200
        serving.reverse()
        assert "two_outputs" in error(client.get(MODEL), 404)
        assert client.get("/v1/models/two_outputs").status_code == 200


class TestDescriptions:
    @pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
    def test_status(self, client: FlaskClient, path: str) -> None:
        (status,) = client.get(path).get_json()["model_version_status"]
        assert status == {
            "version": "1",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }

    @pytest.mark.parametrize("version", ["", "/versions/1"])
    def test_metadata(self, two: FlaskClient, version: str) -> None:
        body = two.get(f"/v1/models/two_outputs{version}/metadata").get_json()
        spec = {"name": "two_outputs", "signature_name": "", "version": "1"}
        assert body["model_spec"] == spec
        signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
        shapes = {
            name: [int(dim["size"]) for dim in info["tensor_shape"]["dim"]]
            for side in ("inputs", "outputs")
            for name, info in signature[side].items()
        }
        assert shapes == {
            "images": [-1, 28, 28, 1],
            "probabilities": [-1, 10],
            "is_digit": [-1, 1],
        }
        assert signature["inputs"]["images"]["dtype"] == "DT_FLOAT"

    def test_metadata_names_what_predict_answers(
        self, client: FlaskClient, classifier: Classifier
    ) -> None:
        body = client.get(f"{MODEL}/metadata").get_json()
        signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
        blank = classifier.outputs(np.zeros((1, 28, 28, 1)))
        assert set(signature["outputs"]) == set(blank.by_name())

    def test_the_index_lists_the_routes(self, client: FlaskClient) -> None:
        routes = client.get("/").get_json()["routes"]
        assert f"POST {MODEL}:predict" in routes
        assert f"GET {MODEL}/metadata" in routes


class TestFaults:
    @pytest.mark.parametrize(
        "path", ["/v1/models/mnist", f"{MODEL}/versions/2", f"{MODEL}/versions/x/metadata"]
    )
    def test_what_is_not_there(self, client: FlaskClient, path: str) -> None:
        assert "the one here is" in error(client.get(path), 404)

    @pytest.mark.parametrize("path", [f"{MODEL}/versions/2:predict", "/v1/models/mnist:predict"])
    def test_predict_of_what_is_not_there(self, client: FlaskClient, path: str) -> None:
        assert "the one here is" in error(predict(client, ROWS, path), 404)

    def test_other_verbs_methods_and_addresses(self, client: FlaskClient) -> None:
        assert "mnist_cnn:predict" in error(predict(client, ROWS, f"{MODEL}:classify"), 404)
        assert "GET" in error(client.post(MODEL), 405)
        for path in (f"{MODEL}:predict", f"{MODEL}/versions/1:predict", f"{MODEL}:classify"):
            response = client.get(path)
            assert "POST" in error(response, 405)
            assert "POST" in response.headers["Allow"]
        assert "the one here is" in error(client.get(f"{MODEL}:other"), 404)
        assert "GET /" in error(client.get("/v1/nothing/here"), 404)
        assert client.get("/v1x").content_type == "application/problem+json"

    @pytest.mark.parametrize(
        ("body", "words"),
        [("{", "not valid JSON (it is cut short)"), ("[]", "a list, not an object"),
         (b"\xff\xfe{", "not valid JSON"), ("[" * 100_000, "a list, not an object"),
         ('{"x": ' + "[" * 100_000, "not valid JSON (its lists or objects are nested too deep)"),
         ('{"signature_name": "\xe9"}'.encode("latin-1"), "not valid JSON (it is not UTF-8)"),
         ('{"x": "\\ud800"}', "half of a surrogate pair"),
         ('{"x": 1} 2', "not valid JSON (trailing characters at byte 10)"),
         ('{"instances": ' + "9" * 5000 + "}", "instances is a number far too large"),
         ("", "not valid JSON (it is empty)")],
    )  # fmt: skip
    def test_malformed_json(self, client: FlaskClient, body: str | bytes, words: str) -> None:
        assert words in error(client.post(f"{MODEL}:predict", data=body))

    @pytest.mark.parametrize(
        ("body", "words"),
        [({}, "neither instances nor inputs"),
         (ROWS | COLUMNS, "instances and inputs: exactly one"),
         (ROWS | {"signature_name": "other"}, "'other': the one here is serving_default"),
         (ROWS | {"signature_name": [1]}, "signature_name is a list, not text"),
         ({"instances": []}, "instances is an empty list: send"),
         ({"instances": 1}, "instances is a number, not a list"),
         ({"instances": None}, "instances is null, not a list"),
         ({"inputs": "text"}, "inputs is text, not an object or a list"),
         ({"inputs": {}}, "inputs has no images: send"),
         ({"inputs": {"pixels": [BLANK]}}, "inputs has pixels, which is not known here: send"),
         ({"inputs": {"images": {"images": [BLANK]}}}, "inputs.images is an object, not a list"),
         ({"instances": [{"images": BLANK, "x": 1}]}, "instances[0] has x, which is not known"),
         ({"instances": [BLANK, 3]}, "instances[1] is a number, not an object or a list"),
         ({"instances": ["iVBOR"]}, '{"b64": "<base64>"}'),
         ({"instances": BLANK}, "instances[0][0] is a number, not a list: send"),
         ({"instances": [BLANK, BLANK[:27]]}, "image 2 of 2 has the shape [27, 28]"),
         ({"instances": [[BLANK]]}, "the shape [1, 28, 28]"),
         ({"instances": [[]]}, "the shape [0]"),
         ({"instances": [[[0] * 28] * 27 + [[0]]]}, "lists of equal lengths"),
         ({"instances": [with_pixel("0.5")]}, "instances[0][3][4] is text, not a number"),
         ({"instances": [with_pixel(None)]}, "instances[0][3][4] is null, not a number"),
         ({"instances": [with_pixel(False)]}, "is true or false, not a number"),
         ({"instances": [with_pixel(10**400)]}, "[3][4] is a number far too large"),
         ({"instances": [BLANK, with_pixel(255)]}, "image 2 of 2 holds 255: expected numbers"),
         ({"instances": [with_pixel(-0.1)]}, "holds -0.1"),
         ({"instances": [with_pixel(float("nan"))]}, "has no number NaN, which stands at byte 463"),
         ({"instances": [with_pixel(float("-inf"))]}, "has no number -Infinity, which"),
         ({"instances": [b64(EIGHT), BLANK]}, "1 of 2 items are pictures"),
         ({"instances": [{"b64": 3}]}, "instances[0].b64 is a number, not text"),
         ({"instances": [{"images": {"b": ""}}]}, "instances[0].images has b, which is not"),
         ({"instances": [{}]}, "instances[0] must have exactly one of b64 and images"),
         ({"instances": [{"b64": "", "images": BLANK}]}, "exactly one of b64 and images"),
         ({"instances": [{"b64": "!!"}]}, "not valid base64"),
         ({"instances": [b64(b"text")]}, "not a picture"),
         ({"instances": [b64(EIGHT[:900])]}, "cut short"),
         ({"instances": [b64(EIGHT), b64(blank_png(50, 50))]}, "picture 2 of 2: no ink"),
         ({"instances": [b64(blank_png(9_000, 9_000))]}, "81,000,000 pixels")],
    )  # fmt: skip
    def test_a_bad_request_is_told(self, client: FlaskClient, body: dict, words: str) -> None:
        status = 413 if words.startswith("at most") else 400
        assert words in error(predict(client, body), status)

    def test_too_much(self, client: FlaskClient) -> None:
        assert "at most 4" in error(predict(client, {"inputs": [BLANK] * 5}), 413)
        assert "at most 4" in error(predict(client, {"inputs": [b64(EIGHT)] * 5}), 413)
        assert "500,000 bytes" in error(client.post(f"{MODEL}:predict", data=b" " * 500_001), 413)

    def test_a_compressed_body_is_told(self, client: FlaskClient) -> None:
        headers = {"Content-Encoding": "gzip"}
        response = client.post(f"{MODEL}:predict", data=b"\x1f\x8b", headers=headers)
        assert "without Content-Encoding" in error(response)

    def test_overload_is_told_with_a_time_to_come_back(self, classifier: Classifier) -> None:
        response = predict(overloaded(create_app(classifier)), ROWS)
        assert "try again" in error(response, 503)
        assert int(response.headers["Retry-After"]) >= 1

    def test_an_unexpected_fault_is_not_shown(self, classifier: Classifier) -> None:
        broken = Classifier(lambda images: 1 / 0, classifier.card)  # type: ignore[arg-type,return-value]  # a fault on purpose
        response = predict(create_app(broken).test_client(), ROWS)
        assert "division" not in error(response, 500)


@given(
    ANYTHING
    | nearly(ROWS)
    | nearly(COLUMNS)
    | nearly({"instances": [{"images": BLANK}, b64(EIGHT)]})
    | nearly({"inputs": [b64(EIGHT)]})
)
def test_no_json_makes_the_server_fail(client: FlaskClient, body: Any) -> None:
    response = client.post(f"{MODEL}:predict", data=json.dumps(body))
    if response.status_code != 200:
        assert len(error(response, 413 if response.status_code == 413 else 400)) > 20


@given(st.binary(max_size=200))
def test_no_bytes_make_the_server_fail(client: FlaskClient, body: bytes) -> None:
    assert len(error(client.post(f"{MODEL}:predict", data=body))) > 20


@pytest.mark.parametrize("depth", [70, 900])
def test_deep_lists_are_told(client: FlaskClient, depth: int) -> None:
    deep = json.loads("[" * depth + "]" * depth)
    words = "instances[0][0][0][0] is a list, not a number: send"
    assert words in error(predict(client, {"instances": [deep]}))
    with pytest.raises(problems.MalformedRequest):
        reading.numbers_of([deep], "it")
