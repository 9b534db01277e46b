"""A closed loop of requests, by wrk: each connection asks again when it has its answer.

So the load adapts to the server, and a latency is what one of N waiting clients sees, not what
an open stream of arrivals would. wrk fills in latencies that it thinks were missed in pauses
("coordinated omission"); a closed loop misses none, so that is taken back here, exactly.
"""

import math
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT = 20  # seconds for one answer
TURNS = 3  # answers that a connection should get in a load at least
LONGEST = 30  # seconds of a load
STARVED = 0.2  # Little's law may be missed by this share
WRK_MISSING = "wrk is not there: install it (Debian and Ubuntu: apt-get install wrk; macOS: brew)"


class LoadError(Exception):
    """The load could not be made, or what wrk printed cannot be read."""


@dataclass(frozen=True)
class Load:
    """What came of one load.

    answers: all; refused: those of a status from 400 on; errors: these, late answers, and
    connections that could not be made or broke; latencies: answers by their microseconds.
    """

    answers: int
    refused: int
    errors: int
    seconds: float
    latencies: dict[int, int]

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.answers - self.refused) / self.seconds

    @property
    def mean_ms(self) -> float:
        total = sum(us * n for us, n in self.latencies.items())
        return total / sum(self.latencies.values()) / 1000


def percentile_ms(latencies: dict[int, int], percent: float) -> float:
    """Return the smallest latency that at least `percent` of the answers do not exceed.

    latencies: answers by microseconds, at least one.
    """
    wanted, seen = percent / 100 * sum(latencies.values()), 0
    for microseconds in sorted(latencies):
        seen += latencies[microseconds]
        if seen >= wanted:
            break
    return microseconds / 1000


def long_enough(seconds: int, concurrency: int, rate: float) -> int:
    """Return the seconds a load must last: a slow server's answers would not come within it."""
    needed = TURNS * concurrency / rate if rate else LONGEST
    return max(seconds, min(LONGEST, math.ceil(needed)))


def starved(concurrency: int, load: Load) -> bool:
    """Whether Little's law fails: N clients wait N / rate on average, unless some never get on."""
    expected_ms = 1000 * concurrency * load.seconds / load.answers
    return abs(expected_ms - load.mean_ms) > STARVED * load.mean_ms


def measured_only(filled: dict[int, int], answers: int, interval: int) -> dict[int, int]:
    """Take back wrk's correction: for each latency above twice `interval` it added others.

    filled: answers by microseconds, as wrk tells them; answers: how many there were.
    interval: microseconds, the mean time between a connection's answers. For a latency of n wrk
    adds n - interval, n - 2 interval, … down to `interval`; so from the longest down, each count
    is first the true one. Raises LoadError if the result is not `answers` many.
    """
    counts = dict(filled)
    if interval > 0 and sum(counts.values()) > answers:
        for latency in sorted(filled, reverse=True):
            if latency < 2 * interval:
                break
            for added in range(latency - interval, interval, -interval):
                counts[added] = counts.get(added, 0) - counts[latency]
    counts = {latency: count for latency, count in counts.items() if count}
    if sum(counts.values()) != answers or min(counts.values(), default=0) < 0:
        raise LoadError(f"wrk tells {sum(filled.values())} latencies of {answers} answers")
    return counts


def parse(printed: str, concurrency: int) -> Load:
    """Read what load.lua printed. Raises LoadError for anything else."""
    lines = dict(line.split("\t", 1) for line in printed.splitlines() if "\t" in line)
    try:
        answers, microseconds, *errors = (int(float(x)) for x in lines["load"].split("\t"))
        pairs = [pair.split(":") for pair in lines["latencies"].split()]
        filled = {int(latency): int(count) for latency, count in pairs}
    except (KeyError, ValueError):
        raise LoadError(f"wrk printed what is not understood: {printed[-300:]!r}") from None
    rounds = answers // concurrency
    *_, refused, late = errors  # the latter's latencies are not told
    if answers == late:
        raise LoadError(f"no answer came within {microseconds / 1e6:.0f} s")
    latencies = measured_only(filled, answers - late, microseconds // rounds if rounds else 0)
    return Load(answers, refused, sum(errors), microseconds / 1e6, latencies)


def run(
    url: str, content_type: str, bodies: Sequence[Path], concurrency: int, seconds: int
) -> Load:
    """Ask by `concurrency` connections that are kept, for some seconds; the bodies by turns."""
    if not shutil.which("wrk"):
        raise LoadError(WRK_MISSING)
    command = ["wrk", "--threads", "1", "--connections", str(concurrency)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT)]
    command += [url, "--", content_type, *map(str, bodies)]
    patience = seconds + 5 * TIMEOUT
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise LoadError(f"wrk did not end within {patience} s") from None
    if done.returncode:
        raise LoadError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout, concurrency)
