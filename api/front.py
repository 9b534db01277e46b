"""The layer in front of Flask: what holds for every request, and the short way of one picture.

It gives a request its id, counts and logs it, and puts the security headers into its response.
A single picture in a raw body, which is what most clients send most of the time, is answered here
by the same functions as anywhere else: routing and request objects cost more than the network.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

import config
from api import logs, metrics, stages
from api.guard import Guard
from api.picture_reader import PictureReader
from api.predict import answer_pictures
from api.problems import BUSY, Overloaded, reply_to, reply_to_unexpected
from api.replies import Headers, Reply
from classifier import Classifier

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
ClassifierOf = Callable[[], Classifier]

REFUSED = "mnist.refused"  # of a WSGI environment: the fault for which the server refuses it
PREDICT = "/predict"
METHOD_OF_QUERY = {"": config.DEFAULT_PREPROCESSING} | {
    f"preprocessing={method}": method for method in config.PREPROCESSING_METHODS
}


class Front:
    """A WSGI application that stands before Flask's."""

    def __init__(
        self,
        app: Flask,
        classifier_of: ClassifierOf,
        settings: config.Settings,
        pictures: PictureReader,
    ) -> None:
        self._flask = app.wsgi_app
        self._guard = Guard(settings)
        self._guard.register(app)
        self._meters = metrics.register(app)
        self._classifier_of = classifier_of
        self._settings = settings
        self._pictures = pictures
        app.before_request(_note_route)
        app.log_exception = lambda exc_info: logs.log_fault()  # type: ignore[method-assign]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as PEP 3333 asks for it."""
        watch = stages.begin(environ)
        self._meters.in_flight.inc()
        try:
            made = self._refused(environ) or self._at_once(environ) or self._by_flask(environ)
            self._guard.protect(made.headers, environ.get("HTTP_ORIGIN"))
            made.headers.append((stages.ID_HEADER, watch.request_id))
            self._meters.count(watch, made.status)
            logs.log_request(watch, made.status)
        finally:
            self._meters.in_flight.dec()
            stages.end()
        start_response(made.status_line, made.headers)
        return [made.body]

    def _refused(self, environ: Environ) -> Reply | None:
        fault: config.ReaderError | None = environ.get(REFUSED)
        late = stages.watch().elapsed() > self._settings.max_seconds
        if fault is None and late and environ["REQUEST_METHOD"] == "POST":
            fault = Overloaded(BUSY)
        return None if fault is None else reply_to(fault)

    def _at_once(self, environ: Environ) -> Reply | None:
        """Answer one picture in a raw body; None for any other request."""
        if not is_one_picture(environ):
            return None
        watch, method = stages.watch(), METHOD_OF_QUERY.get(environ.get("QUERY_STRING", ""))
        if method is None:
            return None
        if not 0 < watch.bytes_in <= self._settings.max_bytes:
            return None
        watch.route = PREDICT
        try:
            self._guard.check_key(environ.get("HTTP_AUTHORIZATION", ""))
            picture = environ["wsgi.input"].read(watch.bytes_in)
            asked = self._classifier_of()
            return answer_pictures([picture], False, method, asked, self._pictures)
        except config.ReaderError as fault:
            return reply_to(fault)
        except Exception:
            logs.log_fault()
            return reply_to_unexpected()

    def _by_flask(self, environ: Environ) -> Reply:
        started: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, fault: Any = None) -> Callable[[bytes], object]:
            started[:] = [(status, headers)]
            return lambda content: None

        content = self._flask(environ, start)
        try:
            body = b"".join(content)
        finally:
            if hasattr(content, "close"):
                content.close()
        ((status, headers),) = started
        return Reply(int(status[:3]), list(headers), body)


def is_one_picture(environ: Environ) -> bool:
    """Tell if a request has one picture in a raw body for the contract's own route."""
    return (
        environ.get("PATH_INFO") == PREDICT
        and environ["REQUEST_METHOD"] == "POST"
        and str(environ.get("CONTENT_TYPE", "")).startswith("image/")
    )


def _note_route() -> None:
    if request.url_rule is not None:
        stages.watch().route = request.url_rule.rule
