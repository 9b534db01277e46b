"""How quickly a target answers that has started: many at once, and one at a time."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import hundred
import load
from hundred import Picture
from process_tree import cpu_seconds

SECONDS = 5  # of the load
AT_ONCE = 8  # callers that wait for an answer each


@dataclass(frozen=True)
class Pace:
    """Right answers a second, and the seconds of the processor that the target spends on one."""

    rate: float
    core_seconds: float


def by_wrk(url: str) -> Pace | None:
    """Load an address with the hundred pictures as raw bodies; None where wrk is missing."""
    if not shutil.which("wrk"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        bodies = [Path(folder) / str(number) for number in range(len(hundred.pictures()))]
        for body, picture in zip(bodies, hundred.pictures(), strict=True):
            body.write_bytes(picture.content)
        before = cpu_seconds(os.getpid())
        found = load.run(url, "application/octet-stream", bodies, AT_ONCE, SECONDS)
        spent = cpu_seconds(os.getpid()) - before
    return Pace(found.rate, spent / found.answers)


def by_callers(right: Callable[[Picture], bool], callers: int = AT_ONCE) -> Pace | None:
    """Have some callers in threads ask the pictures by turns; None if no answer is right."""
    pictures: Sequence[Picture] = hundred.pictures()
    begun, before = time.perf_counter(), cpu_seconds(os.getpid())

    def call(first: int) -> int:
        number, answers = first, 0
        while time.perf_counter() - begun < SECONDS:
            answers += right(pictures[number % len(pictures)])
            number += callers
        return answers

    with ThreadPoolExecutor(callers) as threads:
        answers = sum(threads.map(call, range(callers)))
    passed = time.perf_counter() - begun
    spent = cpu_seconds(os.getpid()) - before
    return Pace(answers / passed, spent / answers) if answers else None
