"""Who may ask, and what a browser may do with the answer: key, origins, security headers."""

import hmac

from flask import Flask, Response, request

import config
from api import logs
from api.problems import NoKey

# For those who watch whether it lives, and hold no key.
OPEN = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
HEADERS = {  # where a view has not set its own
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
SENT_HEADERS = f"Authorization, Content-Type, {logs.ID_HEADER}"  # that a page may send
READ_HEADERS = f"{logs.ID_HEADER}, Retry-After, WWW-Authenticate"  # that a page may read
PREFLIGHT_SECONDS = "600"  # for which a browser need not ask again


def register(app: Flask, settings: config.Settings) -> None:
    """Ask for the settings' key, answer their origins' pages, and set the security headers."""
    key, origins = settings.api_key.encode(), frozenset(settings.cors_origins)

    @app.before_request
    def admit() -> Response | None:
        if origins and _is_preflight():  # which browsers send without a key
            return _preflight(app)
        if key and request.path not in OPEN:
            _check_key(key)
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if origins:
            _allow_origin(response, origins)
        return response


def _check_key(key: bytes) -> None:
    """Raise NoKey unless the request bears the key (RFC 6750)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NoKey("this API asks for its key: send the header 'Authorization: Bearer <key>'")
    if not hmac.compare_digest(token.strip().encode(errors="replace"), key):
        raise NoKey("the key in the header Authorization is not the one that this API asks for")


def _is_preflight() -> bool:
    """Tell whether a browser asks if its page may ask, of an address that exists (Fetch, CORS)."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
        and request.routing_exception is None
    )


def _preflight(app: Flask) -> Response:
    """Return what the address answers to; `_allow_origin` adds whether this origin may ask it."""
    response = app.make_default_options_response()
    response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
    response.headers["Access-Control-Allow-Headers"] = SENT_HEADERS
    response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def _allow_origin(response: Response, origins: frozenset[str]) -> None:
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin in origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = READ_HEADERS
