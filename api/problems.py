"""Errors as `application/problem+json` (RFC 9457): what was wrong, and what would be right.

At the addresses of other servers' protocols they are what those servers' clients expect:
{"error": "<the same words>"}.
"""

import json
import re
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)

import config
from api import stages
from api.replies import Reply
from decoding_process import DecoderBusy, DecoderTimeout
from enhanced import NoInk
from utils import MalformedPicture, PictureError, UnreadablePicture, UnsupportedPicture


class TooManyPictures(PictureError):
    """A batch of more pictures than one request may hold."""


class TooManyPixels(PictureError):
    """Pictures of more pixels in total than one request may hold."""


class TooManyValues(config.ReaderError):
    """JSON of more values than one request may hold."""


class MalformedRequest(config.ReaderError):
    """A request that does not keep to its protocol."""


class NotServed(config.ReaderError):
    """A model, a version of it or a way of asking it that is not here."""


class Overloaded(config.ReaderError):
    """More requests wait than would be answered in good time."""


class NoKey(config.ReaderError):
    """A request without the key that this API asks for, or with another."""


class SlowBody(config.ReaderError):
    """A request whose body did not come within the time limit."""


def slow_body(seconds: int) -> SlowBody:
    """Return the fault of a body that did not arrive within so many seconds."""
    return SlowBody(
        f"the body did not arrive within {seconds} seconds: send it faster, or less of it"
    )


class OutOfTime(config.ReaderError):
    """A request whose answer was not made within the time limit."""


STATUS = {
    MalformedRequest: 400,
    NotServed: 404,
    MalformedPicture: 400,
    TooManyPictures: 413,
    TooManyPixels: 413,
    TooManyValues: 413,
    UnsupportedPicture: 415,
    UnreadablePicture: 422,
    NoInk: 422,
    NoKey: 401,
    SlowBody: 408,
    Overloaded: 503,
    OutOfTime: 503,
    DecoderBusy: 503,
    DecoderTimeout: 503,
}
TITLES = {
    400: "Malformed request",
    401: "Key missing or wrong",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    413: "Too large",
    415: "Not a picture type that is read here",
    422: "Picture cannot be read",
    500: "Internal error",
    503: "Cannot answer now",
}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}  # of seconds
CONTENT_TYPE = "application/problem+json"
BUSY = "too many requests are waiting: try again in a second"
UNEXPECTED = "an unexpected fault on the server; it was logged there"

PROTOCOLS = re.compile(r"/v[12](/|$)")  # the paths of tensorflow_serving.py and open_inference.py
PROTOCOL_STATUS = {415: 400, 422: 400}  # those servers know of an invalid argument only


def reply(
    status: int, detail: str, headers: dict[str, str] | None = None, kind: str = "Other"
) -> Reply:
    """Return the response for a fault, in the form of the protocol that the address belongs to.

    kind: the fault's class, by which it is counted and logged.
    """
    watch = stages.watch()
    watch.problem = kind
    if PROTOCOLS.match(watch.path):
        body: dict[str, Any] = {"error": detail}
        status, content_type = PROTOCOL_STATUS.get(status, status), "application/json"
    else:
        body = {
            "type": "about:blank",
            "title": TITLES.get(status, "Request refused"),
            "status": status,
            "detail": detail,
            "request_id": watch.request_id,
        }
        content_type = CONTENT_TYPE
    text = (json.dumps(body) + "\n").encode()
    kept = [("Content-Type", content_type), ("Content-Length", str(len(text)))]
    return Reply(status, [*kept, *(headers or {}).items()], text)


def reply_to(fault: config.ReaderError) -> Reply:
    """Return the response for a fault of the request, of a kind in STATUS."""
    status = next(status for kind, status in STATUS.items() if isinstance(fault, kind))
    return reply(status, str(fault), HEADERS.get(status), type(fault).__name__)


def reply_to_unexpected() -> Reply:
    """Return the response for a fault of ours."""
    return reply(500, UNEXPECTED, kind=InternalServerError.__name__)


def register(app: Flask, max_bytes: int) -> None:
    """Make every fault of the app's views, and Flask's own, a problem response."""

    def fault_of_request(fault: config.ReaderError) -> Response:
        return _response(reply_to(fault))

    for kind in STATUS:
        app.register_error_handler(kind, fault_of_request)

    @app.errorhandler(HTTPException)
    def http_fault(fault: HTTPException) -> Response:
        detail = fault.description or "the request was refused"
        if isinstance(fault, InternalServerError):
            detail = UNEXPECTED
        elif isinstance(fault, RequestEntityTooLarge):
            detail = f"the request is too large: at most {max_bytes:,} bytes are accepted"
        elif fault.code == 404:
            detail = "there is nothing here: GET / tells what is where"
        elif isinstance(fault, MethodNotAllowed):
            detail = f"this address answers {', '.join(sorted(fault.valid_methods or []))} only"
        kept = {k: v for k, v in fault.get_headers() if k in ("Allow", "Retry-After")}
        return _response(reply(fault.code or 500, detail, kept, type(fault).__name__))


def _response(made: Reply) -> Response:
    return Response(made.body, made.status, made.headers)
