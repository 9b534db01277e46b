"""Logs: a line a request and a record a fault, as text for a person or as JSON for a collector.

Pictures never come into them: of a request they hold its size, its times and its answers.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any, TextIO

from api import stages

LONGEST_PATH = 200  # characters of a path that are logged
TEXT_FORMAT = "%(asctime)s %(levelname)s %(message)s"
FACTS = "facts"  # the record's attribute with what a JSON line tells beside the message

log = logging.getLogger(__name__)
requests = logging.getLogger(f"{__name__}.requests")


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
        watch = stages.current()
        if watch is not None:
            entry["request_id"] = watch.request_id
        entry |= getattr(record, FACTS, {})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up(log_format: str, stream: TextIO | None = None) -> None:
    """Send this process's log records, and Python's warnings, to a stream; None is stderr.

    log_format: of config.LOG_FORMATS; as text only requests that failed are logged. Where
    logging is set up already it stays as it is.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(TEXT_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if log_format == "json":
        logging.captureWarnings(True)
    else:
        requests.setLevel(logging.WARNING)


def tell(message: str, log_format: str) -> None:
    """Tell whoever started the server: a line to read, or one more record for the collector."""
    if log_format == "json":
        log.info(message)
    else:
        print(message, flush=True)


def log_request(watch: stages.Watch, status: int) -> None:
    """Log a line for a request that was answered with this status."""
    level = logging.INFO if status < 500 else logging.WARNING
    if not requests.isEnabledFor(level):
        return
    facts = {
        "method": watch.method[:LONGEST_PATH],
        "path": watch.path[:LONGEST_PATH],
        "status": status,
        "duration_ms": _ms(watch.elapsed()),
        "stages_ms": {stage: _ms(seconds) for stage, seconds in watch.seconds.items()},
        "bytes_in": watch.bytes_in,
        "pictures": watch.pictures,
        "preprocessing": watch.preprocessing,
        "digits": [seen.digit for seen in watch.answers],
        "confidences": [round(seen.confidence, 4) for seen in watch.answers],
        "problem": watch.problem,
    }
    # Escaped, so that a client's text can neither break the line nor steer a terminal.
    asked = ascii(f"{facts['method']} {facts['path']}")[1:-1]
    requests.log(level, "%s %d %s ms", asked, status, facts["duration_ms"], extra={FACTS: facts})


def log_fault() -> None:
    """Log the exception at hand, which nobody expected."""
    log.exception("unexpected fault in request %s", stages.watch().request_id)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
