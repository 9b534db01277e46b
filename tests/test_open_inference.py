"""The Open Inference Protocol: what it answers, in JSON and binary data."""

import base64
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT
from flask.testing import FlaskClient
from inference_requests import (
    BLANK,
    EIGHTS,
    HEADER,
    MODEL,
    THREE,
    asking,
    check,
    elements,
    error,
    infer,
    outputs,
    sized,
)

import config
from api.app import create_app
from classifier import Classifier
from load_mnist_local import Mnist


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> FlaskClient:
    return create_app(classifier, config.Settings(max_bytes=500_000, max_batch=4)).test_client()


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:3]


class TestAnswers:
    @pytest.mark.parametrize("shape", [[3, 28, 28], [3, 28, 28, 1]])
    @pytest.mark.parametrize("flat", [True, False])
    def test_images_in_json(
        self, client: FlaskClient, classifier: Classifier, digits: np.ndarray, shape: list[int],
        flat: bool,
    ) -> None:  # fmt: skip
        data = digits.ravel().tolist() if flat else digits.reshape(shape).tolist()
        response = infer(client, asking(BLANK, shape=shape, data=data))
        assert response.content_type == "application/json"
        assert response.get_json()["model_name"] == "mnist_cnn"
        assert response.get_json()["model_version"] == classifier.version
        assert "id" not in response.get_json()
        check(outputs(response), classifier, digits)

    def test_images_in_binary_data(
        self, client: FlaskClient, classifier: Classifier, digits: np.ndarray
    ) -> None:
        content = digits.astype("<f4").tobytes()
        body = sized(len(content), BLANK | {"shape": [3, 28, 28, 1]})
        check(outputs(infer(client, body, content)), classifier, digits)

    @pytest.mark.parametrize("binary", [True, False])
    @pytest.mark.parametrize("method", [None, "basic"])
    def test_pictures_are_read_as_at_predict(
        self, client: FlaskClient, binary: bool, method: str | None
    ) -> None:
        pictures = [EIGHT, THREE]
        if binary:
            content = elements(*pictures)
            body, rest = sized(len(content), EIGHTS | {"shape": [2]}), content
        else:
            texts = [base64.b64encode(picture).decode() for picture in pictures]
            body, rest = asking(EIGHTS, shape=[2], data=texts), None
        query = ""
        if method is not None:
            body["parameters"] = {"preprocessing": method}
            query = f"?preprocessing={method}"
        given = outputs(infer(client, body, rest))["probabilities"]
        assert given.shape == (2, 10)
        for picture, probabilities in zip(pictures, given, strict=True):
            alone = client.post(f"/predict{query}", data=picture, content_type="image/png")
            np.testing.assert_allclose(probabilities, alone.get_json()["probabilities"], atol=1e-5)

    @pytest.mark.parametrize("request_id", ["", "a", "\U0001f58b ü"])
    def test_the_id_comes_back(self, client: FlaskClient, request_id: str) -> None:
        response = infer(client, asking(BLANK) | {"id": request_id})
        assert response.get_json()["id"] == request_id

    def test_outputs_are_those_asked_for_in_order(self, two_outputs: Classifier) -> None:
        client = create_app(two_outputs, config.Settings()).test_client()

        def ask(*names: str) -> dict[str, np.ndarray]:
            body = asking(BLANK) | {"outputs": [{"name": name} for name in names]}
            return outputs(client.post("/v2/models/two_outputs/infer", json=body))

        assert list(ask()) == ["probabilities", "is_digit"]
        assert list(ask("is_digit")) == ["is_digit"]
        both = ask("is_digit", "probabilities")
        assert list(both) == ["is_digit", "probabilities"]
        check(both, two_outputs, np.zeros((1, 28, 28, 1)))
        assert both["is_digit"].shape == (1, 1)

    @pytest.mark.parametrize(
        ("everywhere", "here", "binary"),
        [(True, None, True), (True, False, False), (False, True, True), (None, True, True),
         (None, None, False)],
    )  # fmt: skip
    def test_outputs_are_binary_where_asked_for(
        self, client: FlaskClient, classifier: Classifier, everywhere: bool | None,
        here: bool | None, binary: bool,
    ) -> None:  # fmt: skip
        output: dict[str, Any] = {"name": "probabilities"}
        if here is not None:
            output["parameters"] = {"binary_data": here}
        body = asking(BLANK) | {"outputs": [output]}
        if everywhere is not None:
            body["parameters"] = {"binary_data_output": everywhere}
        response = infer(client, body)
        assert (HEADER in response.headers) == binary
        expected = classifier.probabilities(np.zeros((1, 28, 28, 1)))
        np.testing.assert_allclose(outputs(response)["probabilities"], expected, atol=1e-6)

    def test_json_and_binary_outputs_in_one_answer(self, two_outputs: Classifier) -> None:
        client = create_app(two_outputs, config.Settings()).test_client()
        wanted = [
            {"name": "probabilities", "parameters": {"binary_data": True}},
            {"name": "is_digit"},
        ]
        body = asking(BLANK) | {"outputs": wanted}
        response = client.post("/v2/models/two_outputs/infer", json=body)
        assert response.content_type == "application/octet-stream"
        check(outputs(response), two_outputs, np.zeros((1, 28, 28, 1)))


class TestDescriptions:
    def test_server(self, client: FlaskClient) -> None:
        body = client.get("/v2").get_json()
        assert set(body) == {"name", "version", "extensions"}
        assert body["extensions"] == ["binary_tensor_data"]

    def test_model(self, client: FlaskClient, classifier: Classifier) -> None:
        body = client.get(MODEL).get_json()
        assert body == client.get(f"{MODEL}/versions/{classifier.version}").get_json()
        assert body["name"] == "mnist_cnn"
        assert body["versions"] == [classifier.version]
        assert body["inputs"] == [
            {"name": "images", "datatype": "FP32", "shape": [-1, 28, 28, 1]},
            {"name": "pictures", "datatype": "BYTES", "shape": [-1]},
        ]
        answered = outputs(infer(client, asking(BLANK)))
        shapes = {output["name"]: output["shape"][1:] for output in body["outputs"]}
        assert shapes == {name: list(values.shape[1:]) for name, values in answered.items()}

    def test_health(self, client: FlaskClient, classifier: Classifier) -> None:
        assert client.get("/v2/health/live").get_json() == {"live": True}
        assert client.get("/v2/health/ready").get_json() == {"ready": True}
        for path in (MODEL, f"{MODEL}/versions/{classifier.version}"):
            assert client.get(f"{path}/ready").get_json() == {"name": "mnist_cnn", "ready": True}

    def test_a_model_that_fails_is_not_ready(self, classifier: Classifier) -> None:
        broken = Classifier(lambda images: 1 / 0, classifier.card)  # type: ignore[arg-type,return-value]  # a fault on purpose
        client = create_app(broken).test_client()
        assert client.get("/v2/health/live").status_code == 200
        for path in ("/v2/health/ready", f"{MODEL}/ready"):
            assert "division" not in error(client.get(path), 500)

    def test_the_index_lists_the_routes(self, client: FlaskClient) -> None:
        routes = client.get("/").get_json()["routes"]
        assert {f"POST {MODEL}/infer", f"GET {MODEL}", "GET /v2"} <= set(routes)

    def test_the_classifier_is_asked_for_at_every_request(
        self, classifier: Classifier, two_outputs: Classifier
    ) -> None:
        serving = [classifier, two_outputs]
        client = create_app(lambda: serving[0]).test_client()
        assert client.get(MODEL).status_code == 200
        serving.reverse()
        assert "two_outputs" in error(client.get(MODEL), 404)
        assert client.get("/v2/models/two_outputs").status_code == 200
