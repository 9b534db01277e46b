"""The application: the contract's routes, each protocol's, and what holds for all of them."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request

import config
import utils
from api import (
    metrics,
    open_inference,
    openapi,
    pictures,
    problems,
    reading,
    tensorflow_serving,
)
from api.front import Front
from api.live_model import LiveModel
from api.picture_reader import PictureReader, RemoteCall
from api.predict import answer_pictures
from classifier import Classifier


def create_app(
    model: Classifier | Callable[[], Classifier],
    settings: config.Settings | None = None,
    remote_call: RemoteCall | None = None,
) -> Flask:
    """Return the WSGI application that answers with this model, or with what it is by then.

    remote_call: for large pictures, as for `PictureReader`; None to decode them in this process.
    """
    settings = settings or config.settings()
    reader = PictureReader(settings, remote_call)
    app = Flask("mnist_reader", static_folder=None)
    app.request_class = pictures.InMemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    problems.register(app, settings.max_bytes)

    def classifier_of() -> Classifier:
        return model if isinstance(model, Classifier) else model()

    @app.post("/predict")
    def predict() -> Response:
        method = request.args.get("preprocessing", config.DEFAULT_PREPROCESSING)
        sources, batch = pictures.of_request(request, settings)
        made = answer_pictures(sources, batch, method, classifier_of(), reader)
        return Response(made.body, made.status, made.headers)

    @app.get("/")
    def index() -> Response:
        return jsonify(describe_api(classifier_of(), request.host_url))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify({"status": "alive"})

    @app.get("/readyz")
    def readyz() -> Response:
        asked = classifier_of()
        reading.check_ready(asked)
        refusal = model.refusal if isinstance(model, LiveModel) else None
        refused = {"refused": refusal} if refusal else {}
        return jsonify({"status": "ready", "model": asked.version} | refused)

    @app.get("/model")
    def model_card() -> Response:
        return jsonify(classifier_of().card)

    tensorflow_serving.register(app, classifier_of, reader)
    open_inference.register(app, classifier_of, reader)
    openapi.register(app, classifier_of, settings)
    app.wsgi_app = Front(app, classifier_of, settings, reader)  # type: ignore[method-assign]
    if isinstance(model, LiveModel):
        app.extensions[metrics.MODEL_METERS].follow(model)
    return app


def describe_api(classifier: Classifier, url: str) -> dict[str, Any]:
    """Return what `GET /` says: what this is and how to call it."""
    return {
        "name": "handwritten-digit reader",
        "model": {"name": classifier.name, "version": classifier.version},
        "routes": {
            "POST /predict": "the digit in a picture; ?preprocessing=" + "|".join(utils.METHODS),
            "GET /healthz": "200 while the process lives",
            "GET /readyz": "200 when the model answers",
            "GET /model": "the model's card",
            "GET /metrics": "what was counted and timed, for Prometheus",
            "GET /openapi.json": "all of this as an OpenAPI document; GET /docs shows it",
            **tensorflow_serving.routes(classifier.name),
            **open_inference.routes(classifier.name),
        },
        "forms": pictures.FORMS,
        "example": f"curl -F file=@picture.png {url}predict",
    }
