"""The guard: who holds the key may ask, named origins' pages may too, and headers say so."""

import hmac
import io
import json
import logging

import pytest
from api_server import EIGHT
from flask import Response
from flask.testing import FlaskClient
from samples import blank_png
from stub_reader import fail, stub_app

import config
import flask_deploy
from api import guard, logs

KEY = "correct-horse.battery~staple+1/2=="
BEARER = {"Authorization": f"Bearer {KEY}"}
ORIGIN, STRANGER = "https://page.example", "https://page.example.evil.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest.fixture(scope="module")
def locked() -> FlaskClient:
    return stub_app(api_key=KEY).test_client()


class TestKey:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/predict"), ("GET", "/"), ("GET", "/model"), ("GET", "/metrics"),
         ("GET", "/nowhere"), ("GET", "/predict"), ("OPTIONS", "/predict"), ("GET", "/healthz/")],
    )  # fmt: skip
    @pytest.mark.parametrize(
        "sent",
        ["", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Basic {KEY}", KEY,
         "Bearer é", f"Bearer {KEY} {KEY}", f"Bearer {KEY.upper()}"],
    )  # fmt: skip
    def test_without_it_nothing_is_answered(
        self, locked: FlaskClient, method: str, path: str, sent: str
    ) -> None:
        headers = {"Authorization": sent} if sent else {}
        response = locked.open(path, method=method, headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.content_type == "application/problem+json"
        body = json.loads(response.get_data())
        assert body["status"] == 401
        assert "Authorization" in body["detail"]
        assert KEY not in response.get_data(as_text=True)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_with_it_all_is_answered(self, locked: FlaskClient, scheme: str) -> None:
        headers = {"Authorization": f"{scheme} {KEY}"}
        answer = locked.post("/predict", data=EIGHT, content_type="image/png", headers=headers)
        assert answer.get_json()["digit"] == 8
        for path in ("/", "/model", "/metrics"):
            assert locked.get(path, headers=headers).status_code == 200
        assert locked.get("/nowhere", headers=headers).status_code == 404

    @pytest.mark.parametrize("path", guard.OPEN)
    def test_health_needs_none(self, locked: FlaskClient, path: str) -> None:
        assert locked.get(path).status_code == 200
        assert locked.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 200

    def test_none_is_asked_for_where_none_is_set(self) -> None:
        client = stub_app().test_client()
        assert client.get("/model").status_code == 200
        assert client.get("/model", headers={"Authorization": "Bearer any"}).status_code == 200

    def test_it_is_compared_in_constant_time(
        self, locked: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared = []

        def compare(one: bytes, other: bytes) -> bool:
            compared.append({one, other})
            return False

        monkeypatch.setattr(hmac, "compare_digest", compare)
        assert locked.get("/model", headers=BEARER).status_code == 401
        assert compared == [{KEY.encode()}]

    def test_it_is_never_shown(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MNIST_API_KEY", KEY)
        settings = config.settings()
        assert settings.api_key == KEY
        assert KEY not in f"{settings!r} {settings}"
        with pytest.raises(SystemExit):
            flask_deploy.main(["--help"])
        shown = capsys.readouterr()
        assert "--log-format" in shown.out
        assert KEY not in shown.out + shown.err

    def test_a_malformed_one_is_refused_unseen(self) -> None:
        with pytest.raises(config.ConfigError) as caught:
            config.settings({"MNIST_API_KEY": "open sesame"})
        assert "MNIST_API_KEY" in str(caught.value)
        assert "sesame" not in str(caught.value)

    def test_it_is_not_logged(self) -> None:
        stream, root = io.StringIO(), logging.getLogger()
        handler, level = logging.StreamHandler(stream), root.level
        handler.setFormatter(logs.JsonLines())
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            client = stub_app(api_key=KEY, before=fail).test_client()
            client.post("/predict", data=EIGHT, content_type="image/png", headers=BEARER)
            client.get("/model", headers={"Authorization": f"Bearer {KEY}x"})
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        assert "ZeroDivisionError" in stream.getvalue()
        assert '"status": 401' in stream.getvalue()
        assert KEY not in stream.getvalue()


@pytest.fixture(scope="module")
def shared() -> FlaskClient:
    """An app for the pages of two origins, with a key."""
    origins = ("http://localhost:3000", ORIGIN)
    return stub_app(api_key=KEY, cors_origins=origins).test_client()


class TestOrigins:
    @pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
    @pytest.mark.parametrize("body", [EIGHT, blank_png(50, 50)])
    def test_a_named_ones_page_may_read_answers_and_problems(
        self, shared: FlaskClient, origin: str, body: bytes
    ) -> None:
        response = shared.post(
            "/predict", data=body, content_type="image/png", headers=BEARER | {"Origin": origin}
        )
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
        assert "Origin" in response.vary

    def test_so_that_it_learns_that_a_key_is_missing(self, shared: FlaskClient) -> None:
        response = shared.post("/predict", headers={"Origin": ORIGIN})
        assert response.status_code == 401
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    @pytest.mark.parametrize("origin", [STRANGER, "http://page.example", "null", "*", ""])
    def test_anothers_may_not(self, shared: FlaskClient, origin: str) -> None:
        for response in (
            shared.get("/model", headers=BEARER | {"Origin": origin}),
            shared.options("/predict", headers=PREFLIGHT | {"Origin": origin}),
            shared.get("/model", headers=BEARER),
        ):
            assert "Access-Control-Allow-Origin" not in response.headers
            assert "Origin" in response.vary  # or a cache would serve it to a named one

    def test_a_preflight_is_answered_without_a_key(self, shared: FlaskClient) -> None:
        response = shared.options("/predict", headers=PREFLIGHT | {"Origin": ORIGIN})
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"authorization", "content-type"} <= set(allowed.split(", "))
        assert int(response.headers["Access-Control-Max-Age"]) > 0
        assert response.get_data() == b""

    def test_no_other_options_pass_without_a_key(self, shared: FlaskClient) -> None:
        assert shared.options("/predict").status_code == 401
        assert shared.options("/predict", headers={"Origin": ORIGIN}).status_code == 401
        nowhere = shared.options("/nowhere", headers=PREFLIGHT | {"Origin": ORIGIN})
        assert nowhere.status_code == 401

    def test_where_none_is_named_none_may(self) -> None:
        client = stub_app().test_client()
        for response in (
            client.get("/model", headers={"Origin": ORIGIN}),
            client.options("/predict", headers=PREFLIGHT | {"Origin": ORIGIN}),
        ):
            assert response.status_code == 200
            assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/", 200), ("GET", "/healthz", 200), ("GET", "/metrics", 200),
         ("GET", "/nowhere", 404), ("GET", "/predict", 405), ("OPTIONS", "/predict", 200),
         ("POST", "/predict", 500)],
    )  # fmt: skip
    def test_security_headers_are_on_every_response(
        self, method: str, path: str, status: int
    ) -> None:
        client = stub_app(before=fail, cors_origins=(ORIGIN,)).test_client()
        response = client.open(path, method=method, data=EIGHT, content_type="image/png")
        assert response.status_code == status
        assert {name: response.headers[name] for name in SECURITY} == SECURITY

    def test_on_answers_refusals_and_preflights_too(self, shared: FlaskClient) -> None:
        for response, status in (
            (shared.post("/predict", data=EIGHT, content_type="image/png", headers=BEARER), 200),
            (shared.get("/model"), 401),
            (shared.options("/predict", headers=PREFLIGHT | {"Origin": ORIGIN}), 200),
        ):
            assert response.status_code == status
            assert {name: response.headers[name] for name in SECURITY} == SECURITY

    def test_a_views_own_is_kept(self) -> None:
        app = stub_app()

        @app.get("/static")
        def static() -> Response:
            return Response("", headers={"Cache-Control": "max-age=60"})

        response = app.test_client().get("/static")
        assert response.headers.getlist("Cache-Control") == ["max-age=60"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
