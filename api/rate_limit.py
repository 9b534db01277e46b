"""How often one client may ask: counted by `limits`, in one place for all worker processes."""

import os
import time
from pathlib import Path
from typing import Any

import config
from api import metrics
from api.problems import TooManyRequests

FILE = "rates.sqlite"


class RateLimit:
    """The settings' limit, held against each client's address; without one nothing is counted."""

    def __init__(self, settings: config.Settings) -> None:
        self._text, self._proxies = settings.rate_limit, settings.proxies
        if self._text:
            self._start(os.environ.get(metrics.FOLDER))

    def _start(self, folder: str | None) -> None:
        from limits import parse
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        from api.shared_counts import SharedStorage

        storage = SharedStorage(Path(folder) / FILE) if folder else MemoryStorage()
        self._item, self._limiter = parse(self._text), FixedWindowRateLimiter(storage)

    def check(self, environ: dict[str, Any]) -> None:
        """Count a request of a WSGI environment. Raises TooManyRequests beyond the limit."""
        if not self._text or self._limiter.hit(self._item, client := self._client(environ)):
            return
        ends = self._limiter.get_window_stats(self._item, client).reset_time
        seconds = max(1, round(ends - time.time() + 0.5))
        raise TooManyRequests(
            f"more than {self._text.replace('/', ' requests per ')} from your address: "
            f"try again in {seconds} seconds",
            seconds,
        )

    def _client(self, environ: dict[str, Any]) -> str:
        """Return the client's address: what the outermost trusted proxy saw, if there are any."""
        seen = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if 0 < self._proxies <= len(seen):
            return seen[-self._proxies].strip()
        return str(environ.get("REMOTE_ADDR", ""))
