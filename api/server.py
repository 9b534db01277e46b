"""The server beneath the application: it listens, and drains when it is told to stop."""

import logging
import signal
from typing import Any

import cli
import config
from api import logs
from api.app import create_app
from api.live_model import LiveModel


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
