"""The HTTP contract: every form of request and every kind of fault, through the app."""

import base64
import io
import json
import time

import numpy as np
import pytest
from api_server import EIGHT, PICTURES, WORDS, check_answer
from flask.testing import FlaskClient
from PIL import Image
from samples import blank_png
from stub_reader import overloaded
from werkzeug.test import TestResponse

import config
from api.app import create_app
from classifier import Classifier
from load_mnist_local import Mnist

EDGE = np.zeros((28, 28))
EDGE[10:18, 13:15] = 1


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> FlaskClient:
    return create_app(classifier, config.Settings(max_bytes=500_000, max_batch=4)).test_client()


def post_raw(client: FlaskClient, body: bytes, query: str = "") -> TestResponse:
    return client.post(f"/predict{query}", data=body, content_type="image/png")


def problem(response: TestResponse, status: int) -> str:
    """Check that a response is a problem of this status, and return its detail."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    body = json.loads(response.get_data())
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in body["detail"]
    return str(body["detail"])


class TestForms:
    @pytest.mark.parametrize("field", ["file", "image"])
    def test_multipart(self, client: FlaskClient, field: str) -> None:
        response = client.post("/predict", data={field: (io.BytesIO(EIGHT), "eight.png")})
        check_answer(response.get_json(), 8)

    def test_multipart_batch_is_answered_in_order(self, client: FlaskClient) -> None:
        names = ["three", "eight", "zero"]
        files = [(io.BytesIO((PICTURES / f"{n}.png").read_bytes()), n) for n in names]
        answers = client.post("/predict", data={"file": files}).get_json()["predictions"]
        assert [a["digit"] for a in answers] == [3, 8, 0]

    @pytest.mark.parametrize("kind", ["image/png", "image/x-any", "application/octet-stream"])
    def test_raw_body(self, client: FlaskClient, kind: str) -> None:
        check_answer(client.post("/predict", data=EIGHT, content_type=kind).get_json(), 8)

    @pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
    def test_json_image(self, client: FlaskClient, prefix: str) -> None:
        text = prefix + base64.b64encode(EIGHT).decode()
        check_answer(client.post("/predict", json={"image": text}).get_json(), 8)

    def test_json_batch_of_one_is_a_batch(self, client: FlaskClient) -> None:
        text = base64.b64encode(EIGHT).decode()
        answers = client.post("/predict", json={"images": [text]}).get_json()["predictions"]
        assert len(answers) == 1
        check_answer(answers[0], 8)

    @pytest.mark.parametrize("white", [1, 255])
    def test_json_pixels(self, client: FlaskClient, mnist: Mnist, white: int) -> None:
        index = int(np.flatnonzero(mnist.test.labels == 7)[0])
        pixels = mnist.test.images[index, ..., 0] * white
        if white == 255:
            pixels = pixels.astype(int)
        check_answer(client.post("/predict", json={"pixels": pixels.tolist()}).get_json(), 7)

    @pytest.mark.parametrize("method", ["enhanced", "basic"])
    def test_preprocessing_is_chosen_by_query(self, client: FlaskClient, method: str) -> None:
        answer = post_raw(client, EIGHT, f"?preprocessing={method}").get_json()
        assert answer["preprocessing"] == method

    def test_every_picture_of_a_digit_is_read(self, client: FlaskClient) -> None:
        for digit, word in enumerate(WORDS):
            check_answer(
                post_raw(client, (PICTURES / f"{word}.png").read_bytes()).get_json(), digit
            )

    @pytest.mark.parametrize(
        "name", ["eight_inverted.png", "eight_transparent.png", "eight_white_transparent.png",
                 "eight_rotated_exif.jpg", "eight_shaded.jpg"],
    )  # fmt: skip
    def test_an_eight_is_an_eight_however_it_comes(self, client: FlaskClient, name: str) -> None:
        check_answer(post_raw(client, (PICTURES / name).read_bytes()).get_json(), 8)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", '{{"pixels": [[{}]]}}'),
        ("/v1/models/mnist_cnn:predict", '{{"instances": [{}]}}'),
        ("/v2/models/mnist_cnn/infer", '{{"inputs": [{}]}}'),
    ],
)
def test_json_of_many_more_values_than_images_need_is_refused_unread(
    client: FlaskClient, path: str, body: str
) -> None:
    response = client.post(
        path, data=body.format(",".join(["0"] * 20_000)), content_type="application/json"
    )
    assert response.status_code == 413
    assert "about 20,000 values: at most 12,544" in response.text


def test_is_digit_is_in_the_answer_of_a_model_that_says_it(two_outputs: Classifier) -> None:
    client = create_app(two_outputs, config.Settings()).test_client()
    for pixels, is_digit in ((EDGE, 1.0), (1 - EDGE, 0.0)):  # little ink, and much
        answer = client.post("/predict?preprocessing=none", json={"pixels": pixels.tolist()})
        fields = ("digit", "confidence", "probabilities", "top", "is_digit", "preprocessing")
        assert tuple(answer.get_json()) == (*fields, "model")
        assert answer.get_json()["is_digit"] == pytest.approx(is_digit, abs=0.1)


class TestFaults:
    def test_text_as_png(self, client: FlaskClient) -> None:
        detail = problem(post_raw(client, b"this is no picture"), 415)
        assert "not a picture" in detail
        assert "PNG" in detail

    def test_empty_body(self, client: FlaskClient) -> None:
        assert "empty" in problem(post_raw(client, b""), 415)

    def test_truncated(self, client: FlaskClient) -> None:
        assert "whole file" in problem(post_raw(client, EIGHT[: len(EIGHT) // 2]), 422)

    def test_bomb(self, client: FlaskClient) -> None:
        begun = time.monotonic()
        problem(post_raw(client, blank_png(20_000, 1)), 422)  # blank, within the limits
        detail = problem(post_raw(client, blank_png(9_000, 9_000)), 422)
        assert "81,000,000 pixels" in detail
        assert time.monotonic() - begun < 20

    @pytest.mark.parametrize("grey", [0, 128, 255])
    def test_blank_page(self, client: FlaskClient, grey: int) -> None:
        assert "no ink" in problem(post_raw(client, blank_png(200, 300, grey)), 422)

    def test_too_large(self, client: FlaskClient) -> None:
        assert "at most 500,000 bytes" in problem(post_raw(client, b"x" * 600_000), 413)

    def test_too_many(self, client: FlaskClient) -> None:
        text = base64.b64encode(EIGHT).decode()
        response = client.post("/predict", json={"images": [text] * 5})
        assert "at most 4" in problem(response, 413)

    def test_one_bad_picture_of_a_batch_is_named(self, client: FlaskClient) -> None:
        files = [(io.BytesIO(EIGHT), "a.png"), (io.BytesIO(blank_png(50, 50)), "b.png")]
        assert "picture 2 of 2: no ink" in problem(
            client.post("/predict", data={"file": files}), 422
        )

    def test_unknown_preprocessing(self, client: FlaskClient) -> None:
        assert "enhanced, basic, none" in problem(post_raw(client, EIGHT, "?preprocessing=x"), 400)

    @pytest.mark.parametrize(
        "body",
        ["{", "[]", "{}", '{"image": 3}', '{"image": "!!"}', '{"image": "data:image/png,x"}',
         '{"images": []}', '{"images": "x"}', '{"image": "", "pixels": []}', '{"pixels": 5}',
         '{"pixels": [[1]]}', '{"pixels": [[1], [2, 3]]}', '{"pixels": [["a"]]}', "nul",
         '{"pixels": ' + "[" * 2000 + "]" * 2000 + "}",
         json.dumps({"pixels": [[-1] * 28] * 28}), json.dumps({"pixels": [[256] * 28] * 28}),
         json.dumps({"pixels": [[True] * 28] * 28})],
    )  # fmt: skip
    def test_malformed_json(self, client: FlaskClient, body: str) -> None:
        detail = problem(client.post("/predict", data=body, content_type="application/json"), 400)
        assert len(detail) > 20

    def test_a_form_needs_no_disk(
        self, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*given: object, **named: object) -> None:
            raise OSError("the disk may not be written")

        monkeypatch.setattr("werkzeug.wrappers.request.default_stream_factory", fail)
        large = EIGHT + b"\0" * 2_000_000  # what follows a picture's end is not looked at
        client = create_app(classifier).test_client()
        response = client.post("/predict", data={"file": (io.BytesIO(large), "large.png")})
        assert response.get_json()["digit"] == 8

    def test_form_without_a_picture(self, client: FlaskClient) -> None:
        response = client.post(
            "/predict", data={"picture": (io.BytesIO(EIGHT), "x.png")},
            content_type="multipart/form-data",
        )  # fmt: skip
        detail = problem(response, 400)
        assert "picture" in detail
        assert "'file'" in detail

    def test_form_with_a_part_without_a_name(self, client: FlaskClient) -> None:
        body = b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"
        response = client.post(
            "/predict", data=body, content_type="multipart/form-data; boundary=x"
        )
        assert "without a name" in problem(response, 400)

    def test_content_type_that_is_not_read(self, client: FlaskClient) -> None:
        response = client.post("/predict", data=EIGHT, content_type="text/plain")
        assert "text/plain" in problem(response, 415)

    def test_wrong_method_and_address(self, client: FlaskClient) -> None:
        response = client.get("/predict")
        assert "POST" in problem(response, 405)
        assert "POST" in response.headers["Allow"]
        problem(client.get("/nowhere"), 404)

    def test_overload_is_told_with_a_time_to_come_back(self, classifier: Classifier) -> None:
        response = post_raw(overloaded(create_app(classifier)), EIGHT)
        problem(response, 503)
        assert int(response.headers["Retry-After"]) >= 1

    def test_unexpected_fault_is_logged_and_not_shown(
        self, classifier: Classifier, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = Classifier(lambda images: 1 / 0, classifier.card)  # type: ignore[arg-type,return-value]  # a fault on purpose
        response = post_raw(create_app(broken).test_client(), EIGHT)
        assert "division" not in problem(response, 500)
        assert "ZeroDivisionError" in caplog.text


class TestOtherRoutes:
    def test_index_tells_how_to_call(self, client: FlaskClient) -> None:
        body = client.get("/").get_json()
        assert "POST /predict" in body["routes"]
        assert "curl" in body["example"]

    def test_health(self, client: FlaskClient) -> None:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").get_json()["status"] == "ready"

    def test_model_is_the_card(self, client: FlaskClient, classifier: Classifier) -> None:
        assert client.get("/model").get_json() == classifier.card


def test_a_picture_of_any_pixel_kind_is_read(client: FlaskClient) -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"):
        kind = "JPEG" if mode == "CMYK" else "PNG"
        picture = Image.open(io.BytesIO(EIGHT)).convert("L").convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        check_answer(post_raw(client, buffer.getvalue()).get_json(), 8)
