"""`GET /metrics`: requests, stages, answers and problems are counted."""

import io
import re
import threading
from collections.abc import Callable

import pytest
from api_server import EIGHT
from conftest import ROOT
from flask.testing import FlaskClient
from samples import blank_png
from stub_reader import counted, fail, overloaded, stub_app
from werkzeug.test import TestResponse

import config
import decoding_process
import utils
from api import reading, stages

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def client() -> FlaskClient:
    return stub_app(max_bytes=500_000).test_client()


def post(client: FlaskClient, body: bytes = EIGHT, pictures: int = 1) -> TestResponse:
    if pictures == 1:
        return client.post("/predict", data=body, content_type="image/png")
    return client.post(
        "/predict", data={"file": [(io.BytesIO(body), "x") for _ in range(pictures)]}
    )


class TestRequests:
    def test_are_counted_by_route_method_and_status(self, client: FlaskClient) -> None:
        for _ in range(3):
            post(client)
        post(client, blank_png(50, 50))
        client.get("/healthz")
        found = counted(client)
        assert found["mnist_requests_total", "POST", "/predict", "200"] == 3
        assert found["mnist_requests_total", "POST", "/predict", "422"] == 1
        assert found["mnist_requests_total", "GET", "/healthz", "200"] == 1
        assert found["mnist_request_seconds_count", "/predict"] == 4
        assert counted(client)["mnist_requests_total", "GET", "/metrics", "200"] == 1

    def test_what_clients_invent_is_one_label(self, client: FlaskClient) -> None:
        client.get("/secret-one")
        client.get("/secret/two?and=more")
        for method in ("BREW", "WHEN"):
            client.open("/secret-three", method=method)
        text = client.get("/metrics").get_data(as_text=True)
        for invented in ("secret", "BREW", "WHEN"):
            assert invented not in text
        found = counted(client)
        assert found["mnist_requests_total", "GET", "unknown", "404"] == 2
        assert found["mnist_requests_total", "other", "unknown", "404"] == 2

    def test_in_flight_rises_and_falls(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            go_on.wait(30)

        app = stub_app(before=wait)
        asking = threading.Thread(target=lambda: post(app.test_client()))
        asking.start()
        assert begun.wait(30)
        during = counted(app.test_client())
        go_on.set()
        asking.join()
        assert during["mnist_requests_in_flight",] == 2  # and the one that reads it
        assert counted(app.test_client())["mnist_requests_in_flight",] == 1

    def test_in_flight_falls_after_a_fault_too(self) -> None:
        client = stub_app(before=fail).test_client()
        assert post(client).status_code == 500
        assert counted(client)["mnist_requests_in_flight",] == 1

    def test_a_context_without_a_request_is_none(self) -> None:
        app = stub_app()
        with app.test_request_context("/predict"):
            pass
        assert counted(app.test_client())["mnist_requests_in_flight",] == 1


class TestStages:
    @pytest.mark.parametrize("pictures", [1, 3])
    def test_each_is_timed_over_all_pictures(
        self, monkeypatch: pytest.MonkeyPatch, pictures: int
    ) -> None:
        decode, prepare, now = utils.decode, utils.to_mnist_form, [0.0]

        def takes(seconds: float, function: Callable = lambda: None) -> Callable:
            def called(*given: object) -> object:
                now[0] += seconds
                return function(*given)

            return called

        for module in (stages, decoding_process, reading):  # no time passes but theirs
            monkeypatch.setattr(module, "perf_counter", lambda: now[0])
        monkeypatch.setattr(utils, "decode", takes(0.1, decode))
        monkeypatch.setattr(utils, "to_mnist_form", takes(0.2, prepare))
        client = stub_app(before=takes(0.4)).test_client()
        post(client, pictures=pictures)
        found = counted(client)
        expected = {"decode": 0.1 * pictures, "preprocess": 0.2 * pictures, "infer": 0.4}
        for stage, seconds in expected.items():
            assert found["mnist_stage_seconds_count", stage] == 1
            assert found["mnist_stage_seconds_sum", stage] == pytest.approx(seconds)
        total = found["mnist_request_seconds_sum", "/predict"]
        assert total == pytest.approx(sum(expected.values()))

    def test_those_not_reached_are_not_timed(self, client: FlaskClient) -> None:
        post(client, b"no picture")
        client.get("/readyz")
        found = counted(client)
        reached = {
            stage: found["mnist_stage_seconds_count", stage]
            for stage in ("decode", "preprocess", "infer")
        }
        assert reached == {"decode": 1, "preprocess": 0, "infer": 0}

    def test_outside_of_a_request_nothing_is_timed_and_nothing_fails(self) -> None:
        stages.add("decode", 1.0)
        assert stages.elapsed() == 0


class TestAnswers:
    def test_pictures_a_request(self, client: FlaskClient) -> None:
        for pictures in (1, 1, 3):
            post(client, pictures=pictures)
        client.get("/healthz")
        found = counted(client)
        assert found["mnist_request_pictures_sum",] == 5
        assert found["mnist_request_pictures_bucket", "1.0"] == 2
        assert found["mnist_request_pictures_bucket", "4.0"] == 3
        assert found["mnist_request_pictures_count",] == 3

    def test_digits_and_confidences(self) -> None:
        client = stub_app(digit=3, confidence=0.85).test_client()
        post(client)
        post(client, pictures=2)
        found = counted(client)
        digits = {str(digit): found["mnist_digits_total", str(digit)] for digit in range(10)}
        assert digits == {str(digit): 3 if digit == 3 else 0 for digit in range(10)}
        assert found["mnist_confidence_bucket", "0.8"] == 0
        assert found["mnist_confidence_bucket", "0.9"] == 3
        assert found["mnist_confidence_sum",] == pytest.approx(3 * 0.85, abs=1e-5)

    @pytest.mark.parametrize(
        ("is_digit", "counts"),
        [(None, 0), (1.0, 0), (config.IS_DIGIT_THRESHOLD, 0), (0.49, 2), (0.0, 2)],
    )
    def test_no_digit_is_counted_below_the_threshold(
        self, is_digit: float | None, counts: int
    ) -> None:
        client = stub_app(is_digit=is_digit).test_client()
        post(client, pictures=2)
        assert counted(client)["mnist_no_digit_total",] == counts


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"no picture", "415", "UnsupportedPicture"),
        (EIGHT[:100], "422", "UnreadablePicture"),
        (blank_png(50, 50), "422", "NoInk"),
        (b"x" * 600_000, "413", "RequestEntityTooLarge"),
    ],
)
def test_problems_are_counted_by_status_and_kind(
    client: FlaskClient, body: bytes, status: str, kind: str
) -> None:
    post(client)  # which is none
    post(client, body)
    found = counted(client)
    problems = {key[1:]: value for key, value in found.items() if key[0] == "mnist_problems_total"}
    assert problems == {(kind, status): 1}


def test_problems_that_are_no_pictures_fault_are_counted_too() -> None:
    client = stub_app(before=fail, api_key="k").test_client()
    key = {"Authorization": "Bearer k"}
    client.get("/")
    client.get("/nowhere", headers=key)
    client.get("/predict", headers=key)
    client.post("/predict", data=EIGHT, content_type="image/png", headers=key)
    client.post("/predict", json={"images": ["x"] * 65}, headers=key)
    text = client.get("/metrics", headers=key).get_data(as_text=True)
    for status, kind in (
        (401, "NoKey"), (404, "NotFound"), (405, "MethodNotAllowed"),
        (500, "InternalServerError"), (413, "TooManyPictures"),
    ):  # fmt: skip
        assert f'mnist_problems_total{{kind="{kind}",status="{status}"}} 1.0' in text
    busy = stub_app()
    post(overloaded(busy))
    assert counted(busy.test_client())["mnist_problems_total", "Overloaded", "503"] == 1


def test_apps_of_one_process_count_for_themselves(client: FlaskClient) -> None:
    post(stub_app().test_client())
    assert counted(client)["mnist_digits_total", "8"] == 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("", "text/plain"), ("application/openmetrics-text;version=1.0.0", "application/openmetrics")],
)
def test_the_form_is_the_one_that_is_asked_for(client: FlaskClient, accept: str, kind: str) -> None:
    response = client.get("/metrics", headers={"Accept": accept})
    assert response.content_type.startswith(kind)
    assert response.get_data().endswith(b"# EOF\n") == ("openmetrics" in kind)


def test_the_readme_names_those_that_there_are(client: FlaskClient) -> None:
    section = README.split("### Watching it")[1].split("\n## ")[0]
    named = set(re.findall(r"`(mnist_\w+)`", section))
    post(client, b"no picture")
    client.get("/")
    text = client.get("/metrics").get_data(as_text=True)
    there = set(re.findall(r"^# TYPE (mnist_\w+)", text, re.MULTILINE))
    assert named == {name for name in there if not name.endswith("_created")}


def test_the_index_tells_where_it_is(client: FlaskClient) -> None:
    assert "GET /metrics" in client.get("/").get_json()["routes"]
