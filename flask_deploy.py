"""Serve the classifier over HTTP: POST a picture to /predict, get the digit as JSON.

    python flask_deploy.py                                    then, elsewhere:
    curl -F file=@tests/pictures/eight.png http://127.0.0.1:5000/predict

Granian serves, with a worker process a core. A new model file takes the old one's place while it
serves.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cli
import config
from api import logs, server
from api.app import create_app
from api.live_model import LiveModel


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
        help="processes that answer requests",
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
    if args.debug:
        model.watch()
        create_app(model, settings).run(args.host, args.port, debug=True)
    else:
        server.serve(settings)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return cli.run("flask_deploy", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
