"""A target started, asked one hundred pictures and measured: one row of the table."""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hundred
import pace
from cost import of_a_million, prices
from hundred import Picture
from process_tree import end, memory_mb

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120  # seconds in which a target must give its first right answer
FIRST = Picture((ROOT / "tests" / "pictures" / "eight.png").read_bytes(), "image/png", 8)
Ask = Callable[[Picture], int]  # raises OSError or ValueError while the target does not answer


@dataclass(frozen=True)
class Row:
    """What was measured of a target. cold: seconds from its start to the first right answer.

    memory: MB of its processes after the pictures, what they share counted once. size: MB on
    disk, without the system's and Python's own files. note: what else was tried, or the reason
    for which a figure is missing. rate: right answers a second. cost: dollars of a million.
    """

    target: str
    started: bool = False
    right: int | None = None
    cold: float | None = None
    memory: float | None = None
    size: float | None = None
    note: str = ""
    wrong: bool = False  # whether it should have run here, and did not as it should
    rate: float | None = None
    cost: float | None = None

    def cells(self) -> list[str]:
        """Return the row as the table shows it."""
        numbers = (
            "-" if self.right is None else str(self.right),
            "-" if self.cold is None else f"{self.cold:.2f} s",
            "-" if self.memory is None else _shown(self.memory),
            "-" if self.size is None else _shown(self.size),
            "-" if self.rate is None else f"{self.rate:,.0f}",
            "-" if self.cost is None else f"${self.cost:.2f}",
        )
        return [self.target, "yes" if self.started else "no", *numbers, self.note]


def _shown(megabytes: float) -> str:
    """Return a size in MB, or in kB if it is less than one."""
    return f"{megabytes:.0f} MB" if megabytes >= 1 else f"{1000 * megabytes:.0f} kB"


def by_http(port: int, path: str = "/predict") -> Ask:
    """Return what posts a picture as a raw body, and reads the digit of the answer."""

    def ask(picture: Picture) -> int:
        return int(
            json.loads(post(port, path, picture.content, {"Content-Type": picture.content_type}))[
                "digit"
            ]
        )

    return ask


def ready(port: int, path: str = "/readyz") -> bool:
    """Tell whether a server of 127.0.0.1 answers there with 200; wait a little if not at all."""
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as asked:
            asked.request("GET", path)
            return asked.getresponse().status == 200
    except OSError:
        time.sleep(0.05)
        return False


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Post a body to 127.0.0.1; return the answer's. Raises ValueError unless it is 200."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    ) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
    if response.status != 200:
        raise ValueError(f"{response.status}: {content[:200]!r}")
    return content


def start(command: list[str], log: Path, folder: Path = ROOT) -> "subprocess.Popen[bytes]":
    """Start a server whose output goes to a file. folder: where it works."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
        )


def measure(
    target: str,
    launch: Callable[[Path], "subprocess.Popen[bytes]"],
    ask: Ask,
    size: float | None = None,
    note: str = "",
    check: Callable[[], str] | None = None,
    price: str | None = "machine",
    hurry: Callable[[], pace.Pace | None] | None = None,
) -> Row:
    """Start a target, ask it the pictures, end it with all that it has started.

    launch: starts it, its output into the file that is given. check: tries more of it while it
    runs, and returns what is wrong, or nothing. price: by whose prices its cost is worked out;
    None if it is not loaded.
    hurry: loads it, and returns how it kept up (by default, and if it returns None: by threads).
    """
    before, begun = memory_mb(os.getpid())[0], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = launch(log)
        try:
            if not _answers(process, ask):
                return Row(target, note=f"no answer: {_last_line(log)}", size=size, wrong=True)
            cold = time.perf_counter() - begun
            begun = time.perf_counter()
            right = sum(_right(ask, picture) for picture in hundred.pictures())
            alone = (time.perf_counter() - begun) / len(hundred.pictures())
            memory = memory_mb(os.getpid())[0] - before
            fault = check() if check else ""
            kept = None
            if price:
                kept = (hurry and hurry()) or pace.by_callers(lambda picture: _right(ask, picture))
        finally:
            end(process, os.getpid())
    bad = bool(fault) or right < len(hundred.pictures())
    rate = kept.rate if kept else None
    cost = of_a_million(prices()[price], kept.core_seconds, alone) if kept and price else None
    return Row(target, True, right, cold, memory, size, fault or note, bad, rate, cost)


def _answers(process: "subprocess.Popen[bytes]", ask: Ask) -> bool:
    """Wait for the first right answer; tell whether it came."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and process.poll() is None:
        if _right(ask, FIRST):
            return True
        time.sleep(0.01)
    return False


def _right(ask: Ask, picture: Picture) -> bool:
    try:
        return ask(picture) == picture.digit
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "and nothing was printed"
