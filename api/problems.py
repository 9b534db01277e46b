"""Errors as `application/problem+json` (RFC 9457): what was wrong, and what would be right.

At the addresses of other servers' protocols they are what those servers' clients expect:
{"error": "<the same words>"}.
"""

import json
import re

from flask import Flask, Response, request
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)

import config
from api import logs, stages
from enhanced import NoInk
from utils import MalformedPicture, PictureError, UnreadablePicture, UnsupportedPicture


class TooManyPictures(PictureError):
    """A batch of more pictures than one request may hold."""


class MalformedRequest(config.ReaderError):
    """A request that does not keep to its protocol."""


class NotServed(config.ReaderError):
    """A model, a version of it or a way of asking it that is not here."""


STATUS = {
    MalformedRequest: 400,
    NotServed: 404,
    MalformedPicture: 400,
    TooManyPictures: 413,
    UnsupportedPicture: 415,
    UnreadablePicture: 422,
    NoInk: 422,
}
TITLES = {
    400: "Malformed request",
    401: "Key missing or wrong",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Not a picture type that is read here",
    422: "Picture cannot be read",
    500: "Internal error",
    503: "Overloaded",
}
RETRY_AFTER = 1  # seconds
CONTENT_TYPE = "application/problem+json"

PROTOCOLS = re.compile(r"/v[12](/|$)")  # the paths of tensorflow_serving.py and open_inference.py
PROTOCOL_STATUS = {415: 400, 422: 400}  # those servers know of an invalid argument only


class Overloaded(config.ReaderError):
    """More requests wait than would be answered in good time."""


class NoKey(config.ReaderError):
    """A request without the key that this API asks for, or with another."""


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, kind: str = "Other"
) -> Response:
    """Return the response for a fault, in the form of the protocol that the address belongs to.

    kind: the fault's class, by which it is counted and logged.
    """
    stages.watch().problem = kind
    if PROTOCOLS.match(request.path):
        text = json.dumps({"error": detail}) + "\n"
        status = PROTOCOL_STATUS.get(status, status)
        return Response(text, status, headers, content_type="application/json")
    title = TITLES.get(status, "Request refused")
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": logs.request_id(),
    }
    return Response(json.dumps(body) + "\n", status, headers, content_type=CONTENT_TYPE)


def register(app: Flask, max_bytes: int) -> None:
    """Make every fault of the app's views, and Flask's own, a problem response."""

    def fault_of_request(fault: config.ReaderError) -> Response:
        status = next(s for kind, s in STATUS.items() if isinstance(fault, kind))
        return problem(status, str(fault), kind=type(fault).__name__)

    for kind in STATUS:
        app.register_error_handler(kind, fault_of_request)

    @app.errorhandler(Overloaded)
    def overloaded(fault: Overloaded) -> Response:
        return problem(503, str(fault), {"Retry-After": str(RETRY_AFTER)}, "Overloaded")

    @app.errorhandler(NoKey)
    def no_key(fault: NoKey) -> Response:
        return problem(401, str(fault), {"WWW-Authenticate": "Bearer"}, "NoKey")

    @app.errorhandler(HTTPException)
    def http_fault(fault: HTTPException) -> Response:
        detail = fault.description or "the request was refused"
        if isinstance(fault, InternalServerError):
            detail = "an unexpected fault on the server; it was logged there"
        elif isinstance(fault, RequestEntityTooLarge):
            detail = f"the request is too large: at most {max_bytes:,} bytes are accepted"
        elif fault.code == 404:
            detail = "there is nothing here: GET / tells what is where"
        elif isinstance(fault, MethodNotAllowed):
            detail = f"this address answers {', '.join(sorted(fault.valid_methods or []))} only"
        kept = {k: v for k, v in fault.get_headers() if k in ("Allow", "Retry-After")}
        return problem(fault.code or 500, detail, kept, type(fault).__name__)
