"""An app whose classifier gives one answer at once, needing no model, and what it counted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

import config
from api.app import create_app
from api.front import REFUSED
from api.problems import BUSY, Overloaded
from classifier import Classifier
from outputs import Outputs

CARD: dict[str, Any] = {"name": "mnist_cnn", "sha256": "0123456789ab" + "0" * 52}
Samples = dict[tuple[str, ...], float]


def stub_app(
    digit: int = 8,
    confidence: float = 0.97,
    is_digit: float | None = 0.9,
    before: Callable[[], object] = lambda: None,
    **settings: Any,
) -> Flask:
    """Return the app with a classifier that calls `before` and then says the same of any image."""

    def predict(images: np.ndarray) -> Outputs:
        before()
        row = np.full(config.CLASSES, (1 - confidence) / (config.CLASSES - 1), np.float32)
        row[digit] = confidence
        said = None if is_digit is None else np.full(len(images), is_digit, np.float32)
        return Outputs(np.tile(row, (len(images), 1)), said)

    return create_app(Classifier(predict, CARD), config.Settings(**settings))


def overloaded(app: Flask) -> FlaskClient:
    """Return a client whose requests come when too many wait, as the server would tell the app."""
    client = app.test_client()
    client.environ_base |= {REFUSED: Overloaded(BUSY)}  # type: ignore[dict-item]
    return client


def fail() -> None:
    """Be the fault that nobody expects."""
    raise ZeroDivisionError("on purpose")


def counted(client: FlaskClient) -> Samples:
    """Return what `GET /metrics` says: (name, label values by their names' order) to value."""
    text = client.get("/metrics").get_data(as_text=True)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
