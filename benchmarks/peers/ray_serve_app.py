"""The reader behind Ray Serve.

    python ray_serve_app.py PORT REPLICAS

The picture is the raw body of the request, which Ray Serve hands on as Starlette's.
"""

import logging
import signal
import sys
import threading
from typing import Any

import core
import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig
from starlette.requests import Request


class Reader:
    def __init__(self) -> None:
        self.read = core.load_reader()

    async def __call__(self, request: Request) -> dict[str, float]:
        return self.read(await request.body())


def main() -> None:
    """Serve until SIGTERM."""
    port, replicas = map(int, sys.argv[1:])
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    deployment: Any = serve.deployment(
        num_replicas=replicas, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5}
    )(Reader)
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
    serve.run(
        deployment.bind(),
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    )
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
