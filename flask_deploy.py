"""Serve the classifier over HTTP: POST a picture to /predict, get the digit as JSON.

    python flask_deploy.py                                    then, elsewhere:
    curl -F file=@tests/pictures/eight.png http://127.0.0.1:5000/predict

By default waitress serves (pure Python, the same on Linux, macOS and Windows), in one process
whose threads share the model: LiteRT and Pillow leave Python's lock while they work. A new model
file takes the old one's place while it serves.
"""

import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

import answers
import cli
import config
import utils
from api import (
    guard,
    logs,
    metrics,
    open_inference,
    pictures,
    problems,
    reading,
    tensorflow_serving,
)
from api.live_model import LiveModel
from classifier import Classifier, answers_from


def create_app(
    model: Classifier | LiveModel,
    settings: config.Settings | None = None,
    waiting: Callable[[], int] = lambda: 0,
) -> Flask:
    """Return the WSGI application that answers with this model, or with what it is by then.

    waiting: how many requests wait for a thread, if the server can tell; beyond
    `settings.max_queue` a further one is answered 503.
    """
    settings = settings or config.settings()
    app = Flask("mnist_reader", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    problems.register(app, settings.max_bytes)
    logs.register(app)
    metrics.register(app)
    guard.register(app, settings)

    def classifier_of() -> Classifier:
        return model() if isinstance(model, LiveModel) else model

    @app.before_request
    def refuse_when_overloaded() -> None:
        """Hold for every protocol: what a POST asks for is the model's work."""
        if request.method == "POST" and waiting() > settings.max_queue:
            raise problems.Overloaded("too many requests are waiting: try again in a second")

    @app.post("/predict")
    def predict() -> Response:
        method = request.args.get("preprocessing", config.DEFAULT_PREPROCESSING)
        sources, batch = pictures.of_request(request)
        images = reading.read_pictures(sources, method, settings)
        asked = classifier_of()
        answered = answers_from(reading.outputs_of(asked, images))
        found = [answers.describe(answer, method, asked) for answer in answered]
        return jsonify({"predictions": found} if batch else found[0])

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
        return jsonify({"status": "ready", "model": asked.version})

    @app.get("/model")
    def model_card() -> Response:
        return jsonify(classifier_of().card)

    for protocol in (tensorflow_serving, open_inference):
        protocol.register(app, classifier_of, settings)
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
            **tensorflow_serving.routes(classifier.name),
            **open_inference.routes(classifier.name),
        },
        "forms": pictures.FORMS,
        "example": f"curl -F file=@picture.png {url}predict",
    }


def serve(model: LiveModel, settings: config.Settings) -> None:
    """Serve with waitress until SIGTERM or Ctrl-C."""
    import waitress

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(0)

    dispatcher: Any = None
    app = create_app(model, settings, lambda: len(dispatcher.queue))
    try:
        server = waitress.create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.workers,
            ident=None,
            # A body somewhat over the limit is read, to be answered with a problem of ours.
            max_request_body_size=8 * settings.max_bytes,
        )
    except OSError as fault:
        raise cli.cannot_listen(settings.host, settings.port, fault) from None
    dispatcher = server.task_dispatcher
    # Its warnings tell of every request that waits; how many may is our own limit.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, stop)
    logs.tell(
        f"serving on http://{settings.host}:{settings.port} (Ctrl-C ends it)", settings.log_format
    )
    server.run()


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("flask_deploy.py", "Serve the digit classifier over HTTP.")
    add = parser.add_argument
    add("--host", default=settings.host, help="address to listen on")
    add("--port", type=cli.whole_number("port"), default=settings.port, help="port to listen on")
    add("--model", type=Path, default=settings.model, help="the model file")
    add(
        "--workers",
        type=cli.whole_number("workers"),
        default=settings.workers,
        help="threads that answer requests",
    )
    add(
        "--log-format",
        choices=config.LOG_FORMATS,
        default=settings.log_format,
        help="lines for a person, or one JSON object a record",
    )
    add("--debug", action="store_true", help="Flask's development server, which reloads on edits")
    return parser


def _work(args: Namespace) -> int:
    settings = replace(
        config.settings(),
        host=args.host,
        port=args.port,
        model=args.model,
        workers=args.workers,
        log_format=args.log_format,
    )
    if not args.debug or os.environ.get("WERKZEUG_RUN_MAIN") is None:
        cli.check_port(args.host, args.port)
    logs.set_up(settings.log_format)
    model = LiveModel(args.model)
    classifier = model()
    logs.tell(
        f"model {classifier.name} {classifier.version} loaded, served by {classifier.runtime}",
        settings.log_format,
    )
    model.watch()
    if args.debug:
        create_app(model, settings).run(args.host, args.port, debug=True)
    else:
        serve(model, settings)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return cli.run("flask_deploy", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
