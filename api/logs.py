"""Logs: a line a request and a record a fault, as text for a person or as JSON for a collector.

Pictures never come into them: of a request they hold its size, its times and its answers.
"""

import json
import logging
import re
import uuid
from datetime import UTC, datetime
from typing import Any, TextIO

from flask import Flask, Response, g, has_request_context, request

from api import stages

ID_HEADER = "X-Request-ID"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
LONGEST_PATH = 200  # characters of a path that are logged
TEXT_FORMAT = "%(asctime)s %(levelname)s %(message)s"
FACTS = "facts"  # the record's attribute with what a JSON line tells beside the message

log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: its time in UTC, and the request's id if there is one.

    A traceback becomes a field. Characters beyond ASCII are escaped, and so are line breaks.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context():
            entry["request_id"] = request_id()
        entry |= getattr(record, FACTS, {})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up(log_format: str, stream: TextIO | None = None) -> None:
    """Send this process's log records, and Python's warnings, to a stream; None is stderr.

    log_format: of config.LOG_FORMATS. Where logging is set up already it stays as it is.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(TEXT_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if log_format == "json":
        logging.captureWarnings(True)


def tell(message: str, log_format: str) -> None:
    """Tell whoever started the server: a line to read, or one more record for the collector."""
    if log_format == "json":
        log.info(message)
    else:
        print(message, flush=True)


def request_id() -> str:
    """Return the id of the request at hand: the client's, if it is a sane token, or a new one."""
    found: str | None = g.get("request_id")
    if found is None:
        given = request.headers.get(ID_HEADER, "")
        found = g.request_id = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
    return found


def register(app: Flask) -> None:
    """Give every response of the app its request's id, and log a line for it and each fault."""

    def log_exception(exc_info: Any) -> None:
        log.error("unexpected fault in request %s", request_id(), exc_info=exc_info)

    # Flask's own record has the path in it as the client wrote it.
    app.log_exception = log_exception  # type: ignore[method-assign]  # meant to be overridden

    @app.before_request
    def begin() -> None:
        stages.watch()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[ID_HEADER] = request_id()
        level = logging.INFO if response.status_code < 500 else logging.WARNING
        if log.isEnabledFor(level):
            _log_request(level, response.status_code)
        return response


def _log_request(level: int, status: int) -> None:
    watch = stages.watch()
    facts = {
        "method": request.method[:LONGEST_PATH],
        "path": request.path[:LONGEST_PATH],
        "status": status,
        "duration_ms": _ms(watch.elapsed()),
        "stages_ms": {stage: _ms(seconds) for stage, seconds in watch.seconds.items()},
        "bytes_in": request.content_length or 0,
        "pictures": watch.pictures,
        "preprocessing": watch.preprocessing,
        "digits": [seen.digit for seen in watch.answers],
        "confidences": [round(seen.confidence, 4) for seen in watch.answers],
        "problem": watch.problem,
    }
    # Escaped, so that a client's text can neither break the line nor steer a terminal.
    asked = ascii(f"{facts['method']} {facts['path']}")[1:-1]
    log.log(level, "%s %d %s ms", asked, status, facts["duration_ms"], extra={FACTS: facts})


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
