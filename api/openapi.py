"""The API described by itself: OpenAPI 3.1 at `GET /openapi.json`, to be read at `GET /docs`.

    https://spec.openapis.org/oas/v3.1.0

The document is put together from the routes that the app has and the definitions by which requests
are checked, when it is first asked for; until then nothing of what that takes is imported.
"""

import functools
from collections.abc import Callable
from typing import Any

from flask import Flask, Response

import config
from classifier import Classifier


def register(
    app: Flask, classifier_of: Callable[[], Classifier], settings: config.Settings
) -> None:
    """Add the two routes to the app; `classifier_of` is asked at every request."""

    @functools.lru_cache(maxsize=2)
    def described(name: str, version: str) -> dict[str, Any]:
        from api import document

        return document.of(app, name, version, settings)

    def of_now() -> dict[str, Any]:
        classifier = classifier_of()
        return described(classifier.name, classifier.version)

    @app.get("/openapi.json")
    def openapi_json() -> Response:
        import msgspec

        return Response(msgspec.json.encode(of_now()), content_type="application/json")

    @app.get("/docs")
    def docs() -> Response:
        from api.docs_page import response

        return response(of_now())
