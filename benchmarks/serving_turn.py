"""One turn of a server in the serving benchmark: started, checked, loaded, measured, ended."""

import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import load
import process_tree
from cold_start import free_port
from peer_servers import SERVERS, Ports, Server, folder, variables

ROOT = Path(__file__).resolve().parent.parent
SMALL, LARGE = "28x28", "280x280"
DRAWN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHECKS = 50  # answers that are looked at before and after each load
PATIENCE = 120.0  # seconds to the first right answer
# So that glibc does not give memory back after every picture: the ceiling is the quickest way.
KEEP_MEMORY = {"MALLOC_TOP_PAD_": str(64 * 2**20)}
WARM_UP = (4, 2)  # connections, seconds

Pictures = list[tuple[bytes, int]]  # each with its digit


class ServingError(Exception):
    """A server does not do what it should."""


def all_pictures() -> dict[str, Pictures]:
    """Return test digits as PNG files of 28x28, and drawings of 280x280, ten of each."""
    from PIL import Image

    from load_mnist_local import load_mnist

    test = load_mnist().test
    small = []
    for digit in range(10):
        image = test.images[list(test.labels).index(digit)][..., 0]
        file = io.BytesIO()
        Image.fromarray((image * 255).round().astype("uint8")).save(file, "PNG")
        small.append((file.getvalue(), digit))
    drawings = [ROOT / "tests" / "pictures" / f"{word}.png" for word in DRAWN]
    return {SMALL: small, LARGE: [(x.read_bytes(), i) for i, x in enumerate(drawings)]}


def ask(connection: http.client.HTTPConnection, server: Server, picture: bytes) -> int | None:
    """Return the digit that a server reads, or None if it does not answer as it should."""
    try:
        headers = {"Content-Type": server.content_type}
        connection.request("POST", server.path, server.body(picture), headers)
        response = connection.getresponse()
        content = response.read()
        return server.digit(json.loads(content)) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        connection.close()  # the next request opens it anew
        return None


def wrong_answers(port: int, server: Server, pictures: Pictures, count: int = CHECKS) -> int:
    """Ask for some pictures by turns; return how many answers were not right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=load.TIMEOUT)
    try:
        asked = [pictures[number % len(pictures)] for number in range(count)]
        return sum(ask(connection, server, picture) != digit for picture, digit in asked)
    finally:
        connection.close()


@contextmanager
def started(name: str, workers: int, pictures: Pictures) -> Iterator[tuple[int, float]]:
    """Start a server; give its port and the seconds to its first right answer; end it."""
    server, home = SERVERS[name], folder(name)
    ports = Ports(free_port(), free_port(), free_port())
    with (home / "log").open("wb") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(
            server.command(ports, workers),
            cwd=home,
            env=variables(name, ports, workers),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while wrong_answers(ports.main, server, pictures[-2:], 1):
                if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                    tail = (home / "log").read_text("utf-8", "replace")[-1500:]
                    raise ServingError(f"{name} does not answer rightly:\n{tail}")
                time.sleep(0.01)
            yield ports.main, time.perf_counter() - begun
        finally:
            process_tree.end(process, os.getpid())


def one_load(
    port: int, server: Server, pictures: Pictures, concurrency: int, seconds: int
) -> dict[str, Any]:
    """Load a server once, checked before and after; return its figures."""
    wrong = wrong_answers(port, server, pictures)
    with tempfile.TemporaryDirectory() as place:
        bodies = []
        for picture, digit in pictures:
            bodies.append(Path(place) / str(digit))
            bodies[-1].write_bytes(server.body(picture))
        before = process_tree.times(os.getpid())
        found = load.run(
            f"http://127.0.0.1:{port}{server.path}",
            server.content_type,
            bodies,
            concurrency,
            seconds,
        )
        spent = process_tree.times(os.getpid()) - before
    wrong += wrong_answers(port, server, pictures)
    return {
        "rps": found.rate,
        "p50_ms": load.percentile_ms(found.latencies, 50),
        "p99_ms": load.percentile_ms(found.latencies, 99),
        "mean_ms": found.mean_ms,
        "cpu_us": 1e6 * spent.server / found.answers,
        "answers": found.answers,
        "seconds": found.seconds,
        "others": max(0.0, spent.machine - spent.server - spent.own) / found.seconds,
        "errors": found.errors + wrong,
        "starved": load.starved(concurrency, found),
    }


def turn(
    name: str,
    workers: int,
    pictures: dict[str, Pictures],
    concurrency: Sequence[int],
    seconds: int,
) -> dict[str, Any]:
    """Start a server, load it in all ways, end it; return what was found."""
    server = SERVERS[name]
    with started(name, workers, pictures[LARGE]) as (port, cold_start):
        process_tree.settle(os.getpid())
        rate = one_load(port, server, pictures[SMALL], *WARM_UP)["rps"]
        found: dict[str, Any] = {"cold_start_s": cold_start, "loads": {}}
        for kind, some in pictures.items():
            found["loads"][kind] = {}
            for n in concurrency:
                one = one_load(port, server, some, n, load.long_enough(seconds, n, rate))
                found["loads"][kind][str(n)], rate = one, one["rps"]
            if kind == SMALL:
                found["pss_mb"], found["rss_mb"] = process_tree.memory_mb(os.getpid())
    return found


def ceiling(pictures: dict[str, Pictures], seconds: int) -> dict[str, Any]:
    """Read in a loop in one process a core; return the pictures a second of all together."""
    found = {}
    for kind, some in pictures.items():
        with tempfile.TemporaryDirectory() as place:
            for picture, digit in some:
                (Path(place) / str(digit)).write_bytes(picture)
            files = [str(file) for file in sorted(Path(place).iterdir())]
            command = [sys.executable, str(ROOT / "benchmarks" / "ceiling.py"), str(seconds)]
            readers = [
                subprocess.Popen(
                    [*command, *files],
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | KEEP_MEMORY,
                )
                for _ in os.sched_getaffinity(0)
            ]
            for reader in readers:
                if reader.stdout is None or reader.stdout.readline() != "ready\n":
                    raise ServingError("the ceiling cannot be measured")
            for reader in readers:
                if reader.stdin is not None:
                    reader.stdin.write("\n")
                    reader.stdin.flush()
            told = [[float(x) for x in reader.communicate()[0].split()] for reader in readers]
        found[kind] = {
            "rps": sum(done / taken for done, taken, _ in told),
            "cpu_us": 1e6 * sum(cpu for *_, cpu in told) / sum(done for done, *_ in told),
        }
    return {"loads": found}
