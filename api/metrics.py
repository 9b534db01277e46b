"""What is counted and timed, for Prometheus, at `GET /metrics`.

Where the environment names PROMETHEUS_MULTIPROC_DIR, an empty folder, every worker process writes
its figures there and any of them answers for all; otherwise a process answers for itself.
"""

import os
from typing import TYPE_CHECKING

from flask import Flask, Response, request

import config
from api import stages
from api.live_model import OUTCOMES, LiveModel

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

MODEL_METERS = "mnist_model_meters"  # where an app keeps its ModelMeters
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Clients choose methods and paths: what is not known here is counted under one name.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PICTURES = (1, 2, 4, 8, 16, 32, 64)
CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)


class Meters:
    """The counters and histograms of one app."""

    def __init__(self, registry: "CollectorRegistry | None") -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.requests = Counter(
            "mnist_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self.problems = Counter(
            "mnist_problems",
            "Requests answered with a problem, by the kind of fault.",
            ("status", "kind"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "mnist_requests_in_flight",
            "Requests being answered, the one that reads this among them.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.duration = Histogram(
            "mnist_request_seconds",
            "Time from a request's routing to its response.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        stage = Histogram(
            "mnist_stage_seconds",
            "Time of one stage of a request, over all of its pictures.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self.pictures = Histogram(
            "mnist_request_pictures", "Pictures of a request.", buckets=PICTURES, registry=registry
        )
        digits = Counter(
            "mnist_digits", "Pictures answered, by the likeliest digit.", ("digit",),
            registry=registry,
        )  # fmt: skip
        self.confidence = Histogram(
            "mnist_confidence",
            "Confidence of the likeliest digit.",
            buckets=CONFIDENCES,
            registry=registry,
        )
        self.no_digit = Counter(
            "mnist_no_digit", "Pictures whose is_digit says: not one digit.", registry=registry
        )
        # Made beforehand, so that they are seen at 0 and cost no look-up later.
        self.stages = {name: stage.labels(name) for name in stages.STAGES}
        self.digits = [digits.labels(digit) for digit in range(config.CLASSES)]
        self._kinds: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, watch: stages.Watch, status: int) -> None:
        """Count a request, now that its response is known."""
        requests, duration = self._of_kind(watch.route, watch.method, status)
        requests.inc()
        duration.observe(watch.elapsed())
        for stage, seconds in watch.seconds.items():
            self.stages[stage].observe(seconds)
        if watch.pictures:
            self.pictures.observe(watch.pictures)
        for seen in watch.answers:
            self.digits[seen.digit].inc()
            self.confidence.observe(seen.confidence)
            if seen.is_digit is not None and seen.is_digit < config.IS_DIGIT_THRESHOLD:
                self.no_digit.inc()
        if watch.problem:
            self.problems.labels(status, watch.problem).inc()

    def _of_kind(self, route: str, method: str, status: int) -> "tuple[Counter, Histogram]":
        """Return the meters of requests of a kind, kept so that they are looked up once."""
        kind = route, method if method in METHODS else OTHER_METHOD, status
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = self.requests.labels(*kind), self.duration.labels(route)
        return found


class ModelMeters:
    """Which model answers in this process, and the swaps that it saw."""

    def __init__(self, registry: "CollectorRegistry | None") -> None:
        from prometheus_client import Counter, Gauge

        swaps = Counter(
            "mnist_model_swaps",
            "Models that were put in place; every worker counts what became of them in it.",
            ("outcome",),
            registry=registry,
        )
        self.swaps = {outcome: swaps.labels(outcome) for outcome in OUTCOMES}
        self.workers = Gauge(
            "mnist_model_workers",
            "Worker processes that answer with this model.",
            ("version",),
            multiprocess_mode="livesum",
            registry=registry,
        )

    def follow(self, model: LiveModel) -> None:
        """Count the swaps of a model from now on, and show the version that answers."""
        current = self.workers.labels(model().version)
        current.set(1)

        def count(outcome: str) -> None:
            nonlocal current
            self.swaps[outcome].inc()
            current.set(0)
            current = self.workers.labels(model().version)
            current.set(1)

        model.on_outcome = count


def _registry() -> "tuple[CollectorRegistry, CollectorRegistry | None]":
    """Return what `GET /metrics` reads, and where meters are entered: nowhere if in the folder."""
    from prometheus_client import CollectorRegistry, ProcessCollector, multiprocess

    registry = CollectorRegistry()
    folder = os.environ.get(FOLDER)
    if folder is None:
        ProcessCollector(registry=registry)
        return registry, registry
    try:
        multiprocess.MultiProcessCollector(registry)
    except ValueError:
        raise config.ConfigError(f"{FOLDER} is {folder!r}: it must be an empty folder") from None
    return registry, None


def register(app: Flask) -> Meters:
    """Have the app answer `GET /metrics`, and return what counts its requests.

    Raises ConfigError if PROMETHEUS_MULTIPROC_DIR names no folder. The variable must be set when
    the first app of a process is made: prometheus_client reads it once, when it is imported.
    """
    from prometheus_client.exposition import choose_encoder

    registry, entered = _registry()

    @app.get("/metrics")
    def exposition() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    app.extensions[MODEL_METERS] = ModelMeters(entered)
    return Meters(entered)


def forget_worker(process_id: int) -> None:
    """Forget the requests in flight of a worker process that has ended; its counts stay."""
    if FOLDER in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(process_id)
