"""The OpenAPI document: valid, complete, true to the app; and the page that shows it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from conftest import ROOT
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from page_window import is_outside
from stub_reader import stub_app
from werkzeug.serving import make_server

import config
from api import examples, problems, request_bodies
from api.app import create_app
from api.document import path_of
from api.operations import OPERATIONS
from classifier import Classifier

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "a-key"
BEARER = {"Authorization": f"Bearer {KEY}"}
HEALTH = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")


@pytest.fixture(scope="module")
def app(classifier: Classifier) -> Flask:
    return create_app(classifier, config.Settings(max_batch=5))


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert response.content_type == "application/json"
    return dict(response.get_json())


@pytest.fixture(scope="module")
def locked() -> dict[str, Any]:
    """The document of a server with a key."""
    response = stub_app(api_key=KEY).test_client().get("/openapi.json", headers=BEARER)
    return dict(response.get_json())


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, operation)
        for path, methods in document["paths"].items()
        for operation in methods.values()
    ]


class TestDocument:
    def test_it_is_valid(self, document: dict[str, Any], locked: dict[str, Any]) -> None:
        assert document["openapi"].startswith("3.1.")
        validate(document)
        validate(locked)

    def test_it_has_every_route_and_no_other(self, app: Flask, document: dict[str, Any]) -> None:
        routes = {
            (path_of(rule), method.lower())
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        described = {(path, method) for path, of in document["paths"].items() for method in of}
        assert described == routes
        assert set(OPERATIONS) == {rule.endpoint for rule in app.url_map.iter_rules()}

    def test_a_route_that_is_not_described_is_found(self, app: Flask) -> None:
        other = stub_app()
        other.add_url_rule("/new", "new", lambda: "")
        assert set(OPERATIONS) != {rule.endpoint for rule in other.url_map.iter_rules()}

    def test_names_are_told_apart_and_sorted_under_tags(self, document: dict[str, Any]) -> None:
        names = [operation["operationId"] for _, operation in operations(document)]
        assert len(set(names)) == len(names)
        tags = {tag["name"] for tag in document["tags"]}
        for _, operation in operations(document):
            assert set(operation["tags"]) < tags
            assert operation["summary"]

    def test_it_tells_the_servers_own_limit_and_model(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        assert schemas["PredictRequest"]["properties"]["images"]["maxItems"] == 5
        assert "x-" not in json.dumps(schemas)
        (name,) = document["paths"]["/v2/models/{name}"]["get"]["parameters"]
        assert name["schema"]["enum"] == ["mnist_cnn"]

    def test_every_schema_is_used(self, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        for name in document["components"]["schemas"]:
            assert f'"#/components/schemas/{name}"' in text

    def test_a_status_that_is_described_has_a_title(self) -> None:
        faults = {status for operation in OPERATIONS.values() for status in operation.faults}
        assert faults <= set(problems.TITLES)

    def test_a_key_is_told_of_where_one_is_asked_for(
        self, document: dict[str, Any], locked: dict[str, Any]
    ) -> None:
        assert "401" not in json.dumps(document)
        assert "securitySchemes" not in document["components"]
        assert locked["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, operation in operations(locked):
            assert ("401" in operation["responses"]) == (path not in HEALTH)
            assert operation.get("security", locked["security"]) == (
                [] if path in HEALTH else [{"key": []}]
            )
        assert KEY not in json.dumps(locked)

    def test_it_follows_the_model(self, two_outputs: Classifier) -> None:
        document = create_app(two_outputs, config.Settings()).test_client().get("/openapi.json")
        assert "two_outputs" in document.get_data(as_text=True)

    def test_the_example_is_answered_as_it_says(self, client: FlaskClient) -> None:
        answer = client.post("/predict", json={"image": examples.PICTURE}).get_json()
        assert list(answer) == list(examples.ANSWER)
        assert answer["digit"] == examples.DIGIT
        assert answer["probabilities"] == pytest.approx(examples.ANSWER["probabilities"], abs=1e-3)

    @pytest.mark.parametrize("path", ["/v1/models/mnist_cnn:predict", "/v2/models/mnist_cnn/infer"])
    def test_every_example_shows_the_seven(
        self, client: FlaskClient, document: dict[str, Any], path: str
    ) -> None:
        template = path.replace("mnist_cnn", "{name}")
        content = document["paths"][template]["post"]["requestBody"]["content"]
        shown = content["application/json"]["examples"].values()
        assert len(shown) >= 2
        for example in shown:
            found = _probabilities(client.post(path, json=example["value"]).get_json())
            assert found.index(max(found)) == examples.DIGIT

    def test_fields_that_exclude_each_other_are_there(self) -> None:
        for body, fields in request_bodies.EXACTLY_ONE.items():
            assert {field.name for field in msgspec.structs.fields(body)} >= set(fields)


def _probabilities(answer: dict[str, Any]) -> list[float]:
    if "predictions" in answer:
        return list(answer["predictions"][0]["probabilities"])
    outputs = answer["outputs"]
    return list(outputs["probabilities"][0] if isinstance(outputs, dict) else outputs[0]["data"])


def test_a_key_is_asked_for_at_document_and_page() -> None:
    client = stub_app(api_key=KEY).test_client()
    for path in ("/openapi.json", "/docs"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=BEARER).status_code == 200


def test_nothing_of_it_is_imported_to_answer_pictures() -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'tests']\n"
        "from stub_reader import stub_app\nfrom api_server import EIGHT\n"
        "client = stub_app().test_client()\n"
        "assert client.post('/predict', data=EIGHT, content_type='image/png').status_code == 200\n"
        "late = {'apispec', 'api.document', 'api.operations', 'api.docs_page'}\n"
        "assert not late & set(sys.modules)\n"
        "assert client.get('/docs').status_code == 200\n"
        "assert late <= set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


class TestPage:
    def test_it_names_every_operation_and_schema(
        self, client: FlaskClient, document: dict[str, Any]
    ) -> None:
        response = client.get("/docs")
        page = response.get_data(as_text=True)
        assert response.content_type == "text/html; charset=utf-8"
        for name in (
            *document["components"]["schemas"],
            *(operation["operationId"] for _, operation in operations(document)),
        ):
            assert f'id="{name}"' in page
        for path in document["paths"]:
            assert f"<code>{path}</code>" in page

    def test_its_policy_lets_nothing_else_in(self, client: FlaskClient) -> None:
        response = client.get("/docs")
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "<script" not in response.get_data(as_text=True)

    def test_a_hosts_name_stays_text(self, client: FlaskClient) -> None:
        page = client.get("/docs", headers={"Host": "<b>x"}).get_data(as_text=True)
        assert "<b>x" not in page

    def test_with_a_key_its_commands_bring_one(self) -> None:
        client = stub_app(api_key=KEY).test_client()
        page = client.get("/docs", headers=BEARER).get_data(as_text=True)
        assert "Authorization: Bearer &lt;key&gt;" in page
        assert "<form" not in page
        assert KEY not in page


@pytest.fixture(scope="module")
def url(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_it_fits_opens_what_is_linked_and_a_picture_can_be_tried(
    browser: "Browser", url: str
) -> None:
    """Whatever it asks elsewhere, or has to complain of, fails the test."""
    page, wrong = browser.new_page(), []
    page.on("request", lambda asked: wrong.append(asked.url) if is_outside(asked.url) else None)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda fault: wrong.append(str(fault)))
    for width, dark in ((1280, False), (390, True)):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.goto(f"{url}/docs")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(20, 24, 31)" if dark else "rgb(255, 255, 255)")  # style applies
        assert not page.locator("#PredictRequest").is_visible()
        page.get_by_role("link", name="PredictRequest").first.click()
        assert page.locator("#PredictRequest").is_visible()
        assert not page.locator("#healthz").is_visible()
        page.get_by_text("/healthz", exact=True).click()
        assert page.locator("#healthz").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_input_files("input[type=file]", str(ROOT / "tests" / "pictures" / "eight.png"))
    page.get_by_role("button", name="Read the digit").click()
    page.wait_for_url("**/predict")
    assert '"digit":8' in page.content()
    page.context.close()
    assert wrong == []
