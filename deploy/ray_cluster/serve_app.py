"""The API behind Ray Serve: replicas that grow with the requests under way, pictures in batches.

    python deploy/ray_cluster/serve_app.py --port 5000          on this machine
    serve deploy deploy/ray_cluster/serve_config.yaml           on a cluster

The whole contract is served by the API's one application, each request in a thread of its own; the
images that threads have ready at the same time are read in one call.
"""

import asyncio
import logging
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, Path(__file__).resolve().parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402
import ray_start  # noqa: E402
from bodies import Bodies, environ_of  # noqa: E402
from ray import serve  # noqa: E402
from starlette.requests import ClientDisconnect, Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from werkzeug.test import run_wsgi_app  # noqa: E402

import cli  # noqa: E402
import config  # noqa: E402
from api import logs, reading, stages  # noqa: E402
from api.app import create_app  # noqa: E402
from api.front import REFUSED, Environ  # noqa: E402
from api.problems import BUSY, Overloaded  # noqa: E402
from classifier import Classifier  # noqa: E402
from outputs import Outputs  # noqa: E402

NAME = "serve_app"
TOGETHER = 16  # requests at work in a replica, whose images may be read in one call
AT_ONCE = 1024  # requests under way in a replica, most of them awaiting their bodies
WANTED = 8  # on average, by which Ray Serve has more or fewer replicas


@serve.deployment(
    max_ongoing_requests=AT_ONCE,
    max_queued_requests=config.Settings.max_queue,  # beyond it Serve's proxy answers 503
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": config.CORES,
        "target_ongoing_requests": WANTED,
    },
    ray_actor_options={"num_cpus": 0.5},  # the proxy needs the rest
    health_check_period_s=5,
)
class Reader:
    """One replica: a loaded model, and the application that answers for it."""

    def __init__(self) -> None:
        settings = config.settings()
        logs.set_up(settings.log_format)
        self.alone = Classifier.load(settings.model)
        together = Classifier(self._ask, self.alone.card, self.alone.runtime)
        self.app = create_app(together, settings)
        self.bodies, self.queue, self.waiting = Bodies(settings), settings.max_queue, 0
        self.threads = ThreadPoolExecutor(TOGETHER)
        self.loop = asyncio.get_event_loop()

    def check_health(self) -> None:
        """Raise an exception unless the model answers; Ray Serve then replaces the replica."""
        reading.check_ready(self.alone)

    async def __call__(self, request: Request) -> Response:
        """Answer any request of the contract."""
        self.loop = asyncio.get_running_loop()
        stated = request.headers.get("content-length", "")
        try:
            async with self.bodies.read(stated, request.stream()) as body:
                if self.waiting >= self.queue and request.method == "POST":
                    body.fault = body.fault or Overloaded(BUSY)
                return await self._answer(environ_of(dict(request.scope), body))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it

    async def _answer(self, environ: Environ) -> Response:
        self.waiting += 1
        try:
            asked = partial(run_wsgi_app, self.app, environ, True)
            refused = environ[REFUSED] is not None
            body, status, headers = (
                asked() if refused else await self.loop.run_in_executor(self.threads, asked)
            )
        finally:
            self.waiting -= 1
        kept = {name: value for name, value in headers if name != stages.ID_HEADER}  # Ray adds it
        return Response(b"".join(body), int(status.split()[0]), kept)

    def _ask(self, images: np.ndarray) -> Outputs:
        """Have images read together with those of other threads."""
        asked = self.read_together(images)
        return asyncio.run_coroutine_threadsafe(asked, self.loop).result()

    @serve.batch(max_batch_size=TOGETHER, batch_wait_timeout_s=0.0)
    async def read_together(self, images: list[np.ndarray]) -> list[Outputs]:
        """Read the images of several requests in one call."""
        said = await self.loop.run_in_executor(None, self.alone.outputs, np.concatenate(images))
        ends = np.cumsum([len(some) for some in images]).tolist()
        parts = [slice(end - len(some), end) for some, end in zip(images, ends, strict=True)]
        digits = said.is_digit
        return [
            Outputs(said.probabilities[part], None if digits is None else digits[part])
            for part in parts
        ]


app = cast(Any, Reader).bind()


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser(f"{NAME}.py", "Serve the API by Ray Serve on this machine.")
    parser.add_argument("--host", default=settings.host, help="the address to listen on")
    port = cli.whole_number("port")
    parser.add_argument("--port", type=port, default=settings.port, help="the port")
    return parser


def _work(args: Namespace) -> int:
    cli.check_port(args.host, args.port)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ray_start.start(None, config.CORES)
    import ray

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(http_options={"host": args.host, "port": args.port})
    serve.run(app, name="digits", route_prefix="/", logging_config={"log_level": "WARNING"})
    print(f"Ray Serve answers at http://{args.host}:{args.port}", flush=True)
    ended.wait()
    serve.shutdown()
    ray.shutdown()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status."""
    return cli.run(NAME, _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
