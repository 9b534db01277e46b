"""Clients that try to stop a server for others: `make hostile` starts them.

    python benchmarks/attacks.py PORT SECONDS [CONNECTIONS]

Attacks from fifty connections unless told otherwise. Says "ready" when everything it sends is
built, begins when it reads a line, and ends by printing as JSON what it sent and what came back.
Its priority is low, so that it takes no processor time that the server could use.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import attack_bodies
from http_client import Response, Streams, connect, head, in_chunks, post, read_response

CONNECTIONS = 50
SLOW, LIGHT = 16, 20  # of fifty connections; the rest is heavy
LONGEST = 75.0  # seconds for one response; a request may wait 30 and be answered in 30
AWAITED = 35.0  # seconds in which a body that does not come is given up by the server
PAUSE, UNREAD = (
    0.5,
    20,
)  # seconds between the chunks of an upload; such pauses with responses unread
BURST_EVERY, BURST = 20.0, 40  # seconds; uploads in chunks at once
FLOOD_EVERY, FLOOD = 60.0, 320  # seconds; requests at once, more than a queue of 256 holds
KEPT_FOR = 520  # requests on one connection, more than it is kept for
NICENESS = 10

Bodies = dict[str, list[bytes]]  # requests by their kind
Outcomes = list[str]
Act = Callable[["Attacker", Outcomes], Awaitable[None]]  # adds what comes of it to the outcomes


class Attacker:
    """What the attacks share: where they go, and what came of them."""

    def __init__(self, port: int, until: float) -> None:
        self.port, self.until = port, until
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.floods: list[float] = []  # when
        self.picture = attack_bodies.EIGHT.read_bytes()
        self.whole = attack_bodies.raw(self.picture)

    async def ask(self, request: bytes, *chunks: bytes) -> str:
        """Send one request on a connection of its own; return what came of it."""
        async with connected(self.port) as (reader, writer):
            writer.write(request)
            for piece in chunks:
                writer.write(piece)
                await asyncio.sleep(PAUSE)
            return (await response(reader)).outcome

    async def connection(self, kinds: Iterator[tuple[str, Act]]) -> None:
        """Make one attack after another until the time is over."""
        while time.monotonic() < self.until:
            name, act = next(kinds)
            await self.attempt(name, act)
            await asyncio.sleep(0.01)

    async def attempt(self, name: str, act: Act) -> None:
        """Make one attack and count what came of it; one that the end of the run cuts off, too."""
        outcomes = list[str]()
        end = asyncio.timeout(max(0.0, self.until - time.monotonic()))
        try:
            async with end:
                await act(self, outcomes)
        except TimeoutError:
            outcomes.append("cut off" if end.expired() else f"unanswered for {LONGEST:.0f} s")
        except (OSError, EOFError):
            outcomes.append("connection ended")
        self.outcomes[name].update(outcomes)

    async def every(self, seconds: float, first: float, name: str, act: Act) -> None:
        """Make an attack at an interval, the first after other seconds, until the time is over."""
        await asyncio.sleep(min(first, self.until - time.monotonic()))
        while time.monotonic() < self.until:
            await self.attempt(name, act)
            await asyncio.sleep(max(0.0, min(seconds, self.until - time.monotonic())))


async def response(reader: asyncio.StreamReader) -> Response:
    """Read a response. Raises TimeoutError if it takes longer than any request may."""
    return await asyncio.wait_for(read_response(reader), LONGEST)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    """Give a connection's streams, and close it whatever happens."""
    streams = await connect(port)
    try:
        yield streams
    finally:
        streams[1].close()


async def held(attacker: Attacker, outcomes: Outcomes, start: bytes, drip: bytes = b"") -> None:
    """Send the start of a request and then, byte by byte or not at all, something more."""
    until = time.monotonic() + AWAITED
    async with connected(attacker.port) as (reader, writer):
        writer.write(start)
        awaited = asyncio.ensure_future(read_response(reader))
        try:
            for place in itertools.count():
                done, _ = await asyncio.wait([awaited], timeout=PAUSE)
                if done:
                    outcomes.append((await awaited).outcome)
                    return
                if time.monotonic() > until:
                    outcomes.append("held open")
                    return
                if drip:
                    writer.write(drip[place % len(drip) :][:1])
        finally:
            awaited.cancel()


# Slow: each holds a connection for as long as the server lets it.


async def stated_above_the_limit(attacker: Attacker, outcomes: Outcomes) -> None:
    """State more than a body may have, send nearly as much as it may, then byte by byte."""
    stated = head(
        "POST", "/predict", "Content-Type: image/png", f"Content-Length: {attack_bodies.BODY + 1}"
    )
    await held(attacker, outcomes, stated + bytes(attack_bodies.BODY - 1_000_000), b"x")


async def stated_and_idle(attacker: Attacker, outcomes: Outcomes) -> None:
    """State a large body and send one byte of it."""
    lines = ("Content-Type: image/png", "Content-Length: 16000000")
    await held(attacker, outcomes, head("POST", "/predict", *lines) + b"x")


async def chunked_and_idle(attacker: Attacker, outcomes: Outcomes) -> None:
    """Begin a body in chunks and send one byte of it."""
    lines = ("Content-Type: image/png", "Transfer-Encoding: chunked")
    await held(attacker, outcomes, head("POST", "/predict", *lines) + b"1\r\nx\r\n")


async def body_byte_by_byte(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send a small picture at two bytes a second."""
    await held(attacker, outcomes, attacker.whole[:-1000], attacker.whole[-1000:])


async def head_byte_by_byte(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send a head that never ends."""
    await held(attacker, outcomes, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ", b"a")


async def responses_never_read(attacker: Attacker, outcomes: Outcomes) -> None:
    """Ask for the largest document many times and read no response."""
    async with connected(attacker.port) as (_, writer):
        writer.write(head("GET", "/openapi.json") * 200)
        await asyncio.sleep(UNREAD * PAUSE)
    outcomes.append("not read")


# Light: each is over in a moment.


async def half_closed(attacker: Attacker, outcomes: Outcomes) -> None:
    """Ask, close the sending half, and wait for the response."""
    async with connected(attacker.port) as (reader, writer):
        writer.write(attacker.whole)
        writer.write_eof()
        outcomes.append((await response(reader)).outcome)


async def gone_after_sending(attacker: Attacker, outcomes: Outcomes) -> None:
    """Ask and leave at once, ten times."""
    for _ in range(10):
        async with connected(attacker.port) as (_, writer):
            writer.write(attacker.whole)
            await writer.drain()
        outcomes.append("gone")


async def underscored_headers(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send headers whose names become those of others where hyphens are written as underscores."""
    lines = ("X_Forwarded_For: 10.0.0.1", "Content_Length: 5", "Content_Type: text/plain")
    request = post("/predict", attacker.picture, "image/png", *lines)
    outcomes.append(await attacker.ask(request))


async def many_headers(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send ninety headers of a kilobyte each."""
    lines = (f"X-Header-{number}: {'a' * 1000}" for number in range(90))
    request = post("/predict", attacker.picture, "image/png", *lines)
    outcomes.append(await attacker.ask(request))


async def kept(
    attacker: Attacker, outcomes: Outcomes, request: bytes, times: int, depth: int
) -> None:
    """Send a request many times on one connection, `depth` at a time, until it is closed."""
    async with connected(attacker.port) as (reader, writer):
        for _ in range(times // depth):
            writer.write(request * depth)
            for _ in range(depth):
                each = await response(reader)
                outcomes.append(each.outcome)
                if each.closes:
                    return


async def pipelined(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send twenty requests before the first response."""
    await kept(attacker, outcomes, attacker.whole, 20, 20)


async def http_1_0_kept(attacker: Attacker, outcomes: Outcomes) -> None:
    """Keep an HTTP/1.0 connection for more responses than one is kept for."""
    request = head("GET", "/healthz", "Connection: keep-alive", version="1.0")
    await kept(attacker, outcomes, request, KEPT_FOR, 1)


async def flood_of_gets(attacker: Attacker, outcomes: Outcomes) -> None:
    """Ask for every document, a hundred times each."""
    for path in ("/metrics", "/openapi.json", "/docs", "/model"):
        await kept(attacker, outcomes, head("GET", path), 100, 10)


# Now and then: many connections at once.


async def at_once(attacker: Attacker, outcomes: Outcomes, count: int, *request: bytes) -> None:
    """Send a request on many connections at once."""

    async def one() -> None:
        try:
            outcomes.append(await attacker.ask(*request))
        except (OSError, EOFError):
            outcomes.append("connection ended")

    await asyncio.gather(*(one() for _ in range(count)))


async def uploads_in_chunks(attacker: Attacker, outcomes: Outcomes) -> None:
    """Upload a small picture in chunks over two seconds, as forty honest clients would at once."""
    lines = ("Content-Type: image/png", "Transfer-Encoding: chunked")
    chunks = in_chunks(attacker.picture)
    await at_once(attacker, outcomes, BURST, head("POST", "/predict", *lines), *chunks)


async def flood_of_requests(attacker: Attacker, outcomes: Outcomes) -> None:
    """Send more requests at once than the queue holds."""
    attacker.floods.append(time.monotonic())
    await at_once(attacker, outcomes, FLOOD, attacker.whole)


async def sent(requests: Iterator[bytes], attacker: Attacker, outcomes: Outcomes) -> None:
    """Send the next request of a kind."""
    outcomes.append(await attacker.ask(next(requests)))


SLOW_ACTS: tuple[Act, ...] = (
    stated_above_the_limit,
    stated_and_idle,
    chunked_and_idle,
    body_byte_by_byte,
    head_byte_by_byte,
    responses_never_read,
)
LIGHT_ACTS: tuple[Act, ...] = (
    half_closed,
    gone_after_sending,
    underscored_headers,
    many_headers,
    pipelined,
    http_1_0_kept,
    flood_of_gets,
)
BURST_ACTS: tuple[Act, ...] = (uploads_in_chunks, flood_of_requests)


def named(acts: tuple[Act, ...]) -> list[tuple[str, Act]]:
    """Return attacks with their names as words."""
    return [(act.__name__.replace("_", " "), act) for act in acts]


def kinds_of(bodies: Bodies) -> list[tuple[str, Act]]:
    """Return an attack for each kind of request, which sends one after another."""
    return [(name, partial(sent, itertools.cycle(each))) for name, each in bodies.items()]


async def attack(attacker: Attacker, connections: int, light: Bodies, heavy: Bodies) -> None:
    """Attack from so many connections until the time is over."""
    draws = random.Random(14)
    slow_count = round(connections * SLOW / CONNECTIONS)
    light_count = round(connections * LIGHT / CONNECTIONS)
    groups = (
        (slow_count, named(SLOW_ACTS)),
        (light_count, named(LIGHT_ACTS) + kinds_of(light)),
        (connections - slow_count - light_count, kinds_of(heavy)),
    )
    tasks = []
    for count, kinds in groups:
        order = itertools.cycle(draws.sample(kinds, len(kinds)))
        tasks += [attacker.connection(order) for _ in range(count)]
    burst, flood = named(BURST_ACTS)
    tasks.append(attacker.every(BURST_EVERY, BURST_EVERY / 2, *burst))
    tasks.append(attacker.every(FLOOD_EVERY, BURST_EVERY, *flood))  # between two bursts
    await asyncio.gather(*tasks)


def main() -> int:
    """Attack; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("port", type=int, help="of 127.0.0.1")
    parser.add_argument("seconds", type=float, help="how long")
    parser.add_argument("connections", type=int, nargs="?", default=CONNECTIONS)
    args = parser.parse_args()
    os.nice(NICENESS)
    light, heavy = attack_bodies.light(), attack_bodies.heavy()
    print("ready", flush=True)
    if not sys.stdin.readline():
        return 1  # whoever started this has ended
    attacker = Attacker(args.port, time.monotonic() + args.seconds)
    asyncio.run(attack(attacker, args.connections, light, heavy))
    print(json.dumps({"outcomes": attacker.outcomes, "floods": attacker.floods}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
