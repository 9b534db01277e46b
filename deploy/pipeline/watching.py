"""A running API looked at from outside: what it answers, and what its `/metrics` counts."""

import http.client
import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "deploy" / "smoke"):
    sys.path.insert(0, str(folder))

from hundred import Picture  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

ROUTE = "/predict"  # whose seconds are compared
PATIENCE = 10.0  # seconds for one answer
NOTHING_ANSWERS = (OSError, http.client.HTTPException)  # urllib's faults are OSErrors too


@dataclass(frozen=True)
class Counts:
    """What a server has counted since its start, or, subtracted, in between.

    failed: answered with a status of 500 or more. within: requests of `ROUTE` answered within so
    many seconds.
    """

    requests: float = 0
    failed: float = 0
    pictures: float = 0
    no_digit: float = 0
    within: Mapping[float, float] = field(default_factory=dict)

    def __sub__(self, before: "Counts") -> "Counts":
        return Counts(
            self.requests - before.requests,
            self.failed - before.failed,
            self.pictures - before.pictures,
            self.no_digit - before.no_digit,
            {most: count - before.within.get(most, 0) for most, count in self.within.items()},
        )

    def quantile(self, share: float) -> float:
        """Return the seconds within which that share was answered, up to a bucket's limit."""
        limits = sorted(self.within)
        wanted = share * (self.within[limits[-1]] if limits else 0)
        return next((limit for limit in limits if self.within[limit] >= wanted), 0.0)


@dataclass(frozen=True)
class Asked:
    """One picture asked: the digit that came back, None for a failure; and how long it took."""

    digit: int | None
    seconds: float
    right: bool


def read_counts(text: str) -> Counts:
    """Read what `GET /metrics` answers."""
    requests = failed = pictures = no_digit = 0.0
    within: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name == "mnist_requests_total":
                requests += value
                failed += value if int(labels["status"]) >= 500 else 0
            elif name == "mnist_digits_total":
                pictures += value
            elif name == "mnist_no_digit_total":
                no_digit += value
            elif name == "mnist_request_seconds_bucket" and labels["route"] == ROUTE:
                within[float(labels["le"])] = value
    return Counts(requests, failed, pictures, no_digit, within)


class Server:
    """One running server, by its address: a process or a pod, not a balancer before several."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        key = os.environ.get("MNIST_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def _get(self, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(self.address + path, body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            content: bytes = response.read()
        return content

    def ready(self) -> bool:
        try:
            self._get("/readyz")
        except NOTHING_ANSWERS:
            return False
        return True

    def counts(self) -> Counts | None:
        """Return what it has counted, None if it does not say."""
        try:
            return read_counts(self._get("/metrics").decode())
        except (*NOTHING_ANSWERS, ValueError):
            return None

    def ask(self, picture: Picture) -> Asked:
        begun = time.perf_counter()
        try:
            answer = json.loads(self._get(ROUTE, picture.content, picture.content_type))
            digit = int(answer["digit"])
        except (*NOTHING_ANSWERS, ValueError, KeyError):
            return Asked(None, time.perf_counter() - begun, False)
        return Asked(digit, time.perf_counter() - begun, digit == picture.digit)
