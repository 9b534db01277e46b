"""Clients that ask as honest ones do, and probes of the server's health, counted and timed."""

import asyncio
import base64
import io
import itertools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import soak
from cold_start import DIGIT, DRAWING
from http_client import Streams, connect, head, in_chunks, multipart, post, read_response
from PIL import Image

CLIENTS = 8
PAUSE = 0.02  # seconds between a response and the next request, on average
BATCH_EVERY, PHOTO_EVERY = 50, 200  # requests of a client
PHOTO = (4000, 3000)  # pixels
PATIENCE = 75.0  # seconds for one response
TRIES, RETRY_AFTER = 3, 1.0  # of a request that is answered 503; seconds between them
PROBE_EVERY, PROBE_PATIENCE = 0.1, 30.0  # seconds
PROBED = ("/healthz", "/readyz")
LATE = 0.1  # seconds in which the server's health is to be told


class Ask(NamedTuple):
    """A request and the digits that its right answer holds."""

    form: str
    request: bytes
    digits: list[int]
    small: bool = True


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed; 0 of none."""
    ordered = sorted(seconds)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0


@dataclass
class Record:
    """What the honest clients and probes saw in one phase of the run; seconds."""

    small: Counter[str] = field(default_factory=Counter)  # outcomes
    large: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of small requests
    large_seconds: list[float] = field(default_factory=list)
    failures: list[tuple[float, str, str]] = field(default_factory=list)  # when, form, outcome
    health: dict[str, list[float]] = field(default_factory=dict)
    health_failures: list[tuple[float, str, str]] = field(default_factory=list)
    own_lateness: list[float] = field(default_factory=list)  # of this process, woken too late
    sent_away: int = 0  # 503 with Retry-After, after which the client asked again

    @property
    def probes(self) -> list[float]:
        """The seconds of all probes."""
        return list(itertools.chain(*self.health.values()))


class Asks(NamedTuple):
    """What honest clients ask."""

    small: list[Ask]
    batch: Ask
    photo: Ask


def asks() -> Asks:
    """Return small requests in every form, a batch, and a photo of 12 megapixels."""
    small, pictures, digits = [], [], []
    for request, digit in soak.requests():
        picture = request.partition(b"\r\n\r\n")[2]
        pictures.append(base64.b64encode(picture).decode())
        digits.append(digit)
        text = json.dumps({"image": pictures[-1]}).encode()
        chunked = head("POST", "/predict", "Content-Type: image/png", "Transfer-Encoding: chunked")
        small += [
            Ask("raw", request, [digit]),
            Ask("form", post("/predict", *multipart([picture])), [digit]),
            Ask("JSON", post("/predict", text, "application/json"), [digit]),
            Ask("chunks", chunked + b"".join(in_chunks(picture, 100)), [digit]),
        ]
    text = json.dumps({"images": pictures}).encode()
    batch = Ask("batch", post("/predict", text, "application/json"), digits, small=False)
    file = io.BytesIO()
    with Image.open(io.BytesIO(DRAWING)) as drawing:
        drawing.convert("RGB").resize(PHOTO).save(file, "JPEG", quality=90)
    photo = post("/predict", file.getvalue(), "image/jpeg")
    return Asks(small, batch, Ask("photo", photo, [DIGIT], small=False))


class Honest:
    """The clients; `record` is where they write, and may be exchanged at any time."""

    def __init__(self, port: int, asks: Asks) -> None:
        self.port, self.asks, self.stop, self.record = port, asks, False, Record()

    async def run(self) -> None:
        """Ask, probe, and watch this process's own lateness until `stop`."""
        probes = [self.probe(path, kept) for path in PROBED for kept in (False, True)]
        clients = [self.client(number) for number in range(CLIENTS)]
        await asyncio.gather(*clients, *probes, self.watch_own_lateness())

    def _next(self, turn: int, draws: random.Random) -> Ask:
        if turn % PHOTO_EVERY == PHOTO_EVERY // 2:
            return self.asks.photo
        batch = turn % BATCH_EVERY == BATCH_EVERY // 4
        return self.asks.batch if batch else draws.choice(self.asks.small)

    async def client(self, number: int) -> None:
        """Ask one request after another on a connection that is kept while it can be.

        A 503 that says when to ask again is followed; the waiting counts as time.
        """
        draws, streams = random.Random(number), None
        for turn in itertools.count(number * 25):
            if self.stop:
                break
            ask = self._next(turn, draws)
            begun = time.monotonic()
            for _ in range(TRIES):
                try:
                    streams = streams or await connect(self.port)
                    outcome, closes = await asyncio.wait_for(exchange(streams, ask), PATIENCE)
                except TimeoutError:
                    outcome, closes = "unanswered", True
                except (OSError, EOFError):
                    outcome, closes = "broken off", True
                if closes and streams:
                    streams[1].close()
                    streams = None
                if outcome != "503":
                    break
                self.record.sent_away += 1
                await asyncio.sleep(RETRY_AFTER)
            self._count(ask, outcome, time.monotonic() - begun)
            await asyncio.sleep(draws.uniform(0, 2 * PAUSE))
        if streams:
            streams[1].close()

    def _count(self, ask: Ask, outcome: str, seconds: float) -> None:
        record = self.record
        (record.small if ask.small else record.large)[outcome] += 1
        (record.seconds if ask.small else record.large_seconds).append(seconds)
        if outcome != "right":
            record.failures.append((time.monotonic(), ask.form, outcome))

    async def probe(self, path: str, keep: bool) -> None:
        """Ask for the server's health every 100 ms, on new connections or on one that is kept."""
        streams, due = None, time.monotonic()
        name, request = f"{path}, {'kept' if keep else 'new'}", head("GET", path)
        while not self.stop:
            begun, outcome, closes = time.monotonic(), "", True
            try:
                async with asyncio.timeout(PROBE_PATIENCE):
                    streams = streams or await connect(self.port)
                    streams[1].write(request)
                    response = await read_response(streams[0])
                    outcome = "" if response.status == 200 else response.outcome
                    closes = response.closes
            except TimeoutError:
                outcome = "unanswered"
            except (OSError, EOFError):
                outcome = "broken off"
            self.record.health.setdefault(name, []).append(time.monotonic() - begun)
            if outcome:
                self.record.health_failures.append((time.monotonic(), name, outcome))
            if streams and (closes or not keep or outcome):
                streams[1].close()
                streams = None
            due = max(due + PROBE_EVERY, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        if streams:
            streams[1].close()

    async def watch_own_lateness(self) -> None:
        """Note how late this process is woken, which is no fault of the server's."""
        while not self.stop:
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            self.record.own_lateness.append(time.monotonic() - due)


async def exchange(streams: Streams, ask: Ask) -> tuple[str, bool]:
    """Send a request; return "right", "wrong" or the status, and whether the connection ends."""
    streams[1].write(ask.request)
    response = await read_response(streams[0])
    if response.status != 200:
        return response.outcome, response.closes
    answer = json.loads(response.body)
    digits = [each["digit"] for each in answer.get("predictions", [answer])]
    return "right" if digits == ask.digits else "wrong", response.closes
