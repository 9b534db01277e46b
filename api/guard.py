"""Who may ask, and what a browser may do with the answer: key, origins, security headers."""

import hmac

from flask import Flask, Response, request

import config
from api import stages
from api.problems import NoKey
from api.replies import Headers

# For those who watch whether it lives, and hold no key.
OPEN = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
HEADERS = {  # where a view has not set its own
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
SENT_HEADERS = f"Authorization, Content-Type, {stages.ID_HEADER}"  # that a page may send
READ_HEADERS = f"{stages.ID_HEADER}, Retry-After, WWW-Authenticate"  # that a page may read
PREFLIGHT_SECONDS = "600"  # for which a browser need not ask again


class Guard:
    """The settings' key and origins, held against requests and put into responses."""

    def __init__(self, settings: config.Settings) -> None:
        self._key = settings.api_key.encode()
        self._origins = frozenset(settings.cors_origins)

    def register(self, app: Flask) -> None:
        """Have the app ask for the key, and answer the preflights of the origins' pages."""

        @app.before_request
        def admit() -> Response | None:
            if self._origins and _is_preflight():  # which browsers send without a key
                return _preflight(app)
            if request.path not in OPEN:
                self.check_key(request.headers.get("Authorization", ""))
            return None

    def check_key(self, authorization: str) -> None:
        """Raise NoKey unless the request's header bears the key (RFC 6750), if there is one."""
        if not self._key:
            return
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise NoKey("this API asks for its key: send the header 'Authorization: Bearer <key>'")
        if not hmac.compare_digest(token.strip().encode(errors="replace"), self._key):
            raise NoKey("the key in the header Authorization is not the one that this API asks for")

    def protect(self, headers: Headers, origin: str | None) -> None:
        """Add to a response's headers what keeps browsers safe.

        origin: the header Origin of the request.
        """
        given = {name.lower() for name, _ in headers}
        headers += [pair for pair in HEADERS.items() if pair[0].lower() not in given]
        if self._origins:
            headers.append(("Vary", "Origin"))
            if origin in self._origins:
                headers.append(("Access-Control-Allow-Origin", origin))
                headers.append(("Access-Control-Expose-Headers", READ_HEADERS))


def _is_preflight() -> bool:
    """Tell whether a browser asks if its page may ask, of an address that exists (Fetch, CORS)."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
        and request.routing_exception is None
    )


def _preflight(app: Flask) -> Response:
    """Return what the address answers to; `Guard.protect` adds whether this origin may ask it."""
    response = app.make_default_options_response()
    response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
    response.headers["Access-Control-Allow-Headers"] = SENT_HEADERS
    response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response
