"""The API described by itself: OpenAPI 3.1 at `GET /openapi.json`, to be read at `GET /docs`.

    https://spec.openapis.org/oas/v3.1.0

The document is put together from the routes that the app has and the definitions by which requests
are checked, when it is first asked for; until then nothing of what that takes is imported.
"""

import functools
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

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

    @functools.lru_cache(maxsize=2)
    def as_json(name: str, version: str) -> bytes:
        import msgspec

        return msgspec.json.encode(described(name, version))

    @functools.lru_cache(maxsize=8)  # to render it takes 30 ms
    def as_page(name: str, version: str, url: str) -> tuple[str, dict[str, str]]:
        from api import docs_page

        return docs_page.render(described(name, version), url)

    @app.get("/openapi.json")
    def openapi_json() -> Response:
        classifier = classifier_of()
        content = as_json(classifier.name, classifier.version)
        return Response(content, content_type="application/json")

    @app.get("/docs")
    def docs() -> Response:
        classifier = classifier_of()
        page, headers = as_page(classifier.name, classifier.version, request.host_url)
        return Response(page, mimetype="text/html", headers=headers)
