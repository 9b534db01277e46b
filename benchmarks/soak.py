"""The server under steady load while workers are killed and the model is swapped; all is counted.

    python benchmarks/soak.py [--minutes 10]

Linux. Measures what the server and this client manage together, then asks at 80% of that over 16
kept connections. Every 30 seconds a worker is killed, every 20 the model file is written anew.
Prints how many answers were right, wrong, refused or broken off, when, and the memory of the
server's processes by the minute. Exits 1 if an answer was wrong, or if one failed that no killed
worker had in hand.
"""

import argparse
import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cold_start import ROOT, free_port, reads_right
from PIL import Image
from process_tree import adopt_orphans, descendants, end, memory_mb

sys.path.insert(0, str(ROOT))
import config
import load_mnist_local
import utils
from classifier import Classifier

CONNECTIONS = 16
SHARE = 0.8  # of what was measured
KILL_EVERY, SWAP_EVERY, LOOK_EVERY = 30, 20, 10  # seconds
AFTER_KILL = 2.0  # seconds in which what the killed worker held comes back broken
FILES = ("mnist_cnn.keras", "mnist_cnn.json", "mnist_cnn.litert.tflite", "mnist_cnn.litert.json")


def requests() -> list[tuple[bytes, int]]:
    """Return requests with a test digit of each kind that the model reads right, and the digit."""
    images = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    labels = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_labels"])
    classifier, found = Classifier.load(config.MODEL_PATH), {}
    for image, label in zip(images, labels.tolist(), strict=True):
        picture = Image.fromarray(image)
        (answer,) = classifier.answer(utils.to_mnist_form(picture)[None])
        if answer.digit == label and label not in found:
            file = io.BytesIO()
            picture.save(file, "PNG")
            head = (
                "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: "
            )
            found[label] = f"{head}{len(file.getvalue())}\r\n\r\n".encode() + file.getvalue()
        if len(found) == config.CLASSES:
            break
    return [(request, label) for label, request in found.items()]


class Load:
    """Clients that ask at a rate, and what became of it."""

    def __init__(self, port: int) -> None:
        self.port, self.rate, self.stop = port, 0.0, False
        self.outcomes: Counter[str] = Counter()
        self.broken: list[float] = []  # when

    async def client(self, number: int, asked: list[tuple[bytes, int]]) -> None:
        """Ask one request after another over a connection, and over a new one if it breaks."""
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        due, turn = time.monotonic(), number
        while not self.stop:
            if self.rate:
                due = max(due, time.monotonic() - 1) + CONNECTIONS / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            request, digit = asked[turn % len(asked)]
            turn += 1
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self.port)
                streams[1].write(request)
                outcome, last = await self.outcome(streams[0], digit)
                self.outcomes[outcome] += 1
                if last:
                    streams[1].close()
                    streams = None
            except (OSError, EOFError):
                self.outcomes["broken"] += 1
                self.broken.append(time.monotonic())
                if streams:
                    streams[1].close()
                streams = None
                await asyncio.sleep(0.01)

    @staticmethod
    async def outcome(reader: asyncio.StreamReader, digit: int) -> tuple[str, bool]:
        """Read a response; return whether it was right, and whether the connection ends."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        (length,) = (
            line.split(b":")[1]
            for line in head.split(b"\r\n")
            if line.startswith(b"content-length")
        )
        body = await reader.readexactly(int(length))
        last = b"\r\nconnection: close" in head
        if b" 200 " not in head.split(b"\r\n")[0]:
            return head.split(b" ")[1].decode(), last
        return "right" if json.loads(body)["digit"] == digit else "wrong", last


class Server:
    """The script with a model of its own, which is tormented."""

    def __init__(self, folder: Path, *flags: str) -> None:
        for name in FILES:
            shutil.copy(config.MODEL_PATH.parent / name, folder)
        self.folder, self.port, self.kills, self.swaps = folder, free_port(), list[float](), 0
        self.process = subprocess.Popen(
            [sys.executable, "flask_deploy.py", "--port", str(self.port), *flags],
            cwd=ROOT,
            env=os.environ | {"MNIST_MODEL": str(folder / FILES[0])},
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
        )
        while not reads_right(self.port):
            if self.process.poll() is not None:
                raise SystemExit(f"the server did not start: {(folder / 'log').read_text('utf-8')}")
            time.sleep(0.05)

    def kill_a_worker(self) -> None:
        """Kill the worker that has lived longest."""
        workers = sorted(descendants(self.process.pid))
        self.kills.append(time.monotonic())
        os.kill(workers[0], signal.SIGKILL)

    def swap(self) -> None:
        """Write model and card anew, each whole."""
        self.swaps += 1
        card = json.loads((self.folder / FILES[1]).read_text("utf-8")) | {"note": self.swaps}
        with utils.atomic_path(self.folder / FILES[0]) as aside:
            shutil.copy(config.MODEL_PATH, aside)
        with utils.atomic_path(self.folder / FILES[1]) as aside:
            aside.write_text(json.dumps(card), "utf-8")


async def every(seconds: float, act: object, until: float) -> None:
    """Call something at an interval, until a time."""
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        act()  # type: ignore[operator]


async def soak(server: Server, minutes: float) -> tuple[Load, list[tuple[float, float]]]:
    """Load and torment the server; return what was counted, and its memory in MB by the second."""
    load, looks = Load(server.port), list[tuple[float, float]]()
    asked = requests()
    clients = [asyncio.create_task(load.client(n, asked)) for n in range(CONNECTIONS)]
    await asyncio.sleep(3)
    before = load.outcomes.total()
    await asyncio.sleep(10)
    capacity = (load.outcomes.total() - before) / 10
    load.rate = SHARE * capacity
    begun = time.monotonic()
    until = begun + 60 * minutes
    print(f"{capacity:,.0f} requests a second at most; now {load.rate:,.0f}", flush=True)
    await asyncio.gather(
        every(KILL_EVERY, server.kill_a_worker, until),
        every(SWAP_EVERY, server.swap, until),
        every(
            LOOK_EVERY,
            lambda: looks.append((time.monotonic() - begun, memory_mb(os.getpid())[0])),
            until,
        ),
        asyncio.sleep(until - time.monotonic()),
    )
    load.stop = True
    await asyncio.gather(*clients)
    return load, looks


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    minutes = parser.parse_args().minutes
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            load, looks = asyncio.run(soak(server, minutes))
            alive = reads_right(server.port)
        finally:
            end(server.process, os.getpid())
        log = (Path(folder) / "log").read_text("utf-8")
    late = [at for at in load.broken if not any(0 <= at - k < AFTER_KILL for k in server.kills)]
    by_minute: dict[int, list[float]] = {}
    for at, size in looks:
        by_minute.setdefault(int(at // 60) + 1, []).append(size)
    print(f"{load.outcomes.total():,} requests: {dict(load.outcomes)}")
    print(f"{len(server.kills)} workers killed, {server.swaps} models swapped in")
    print(f"broken off: {len(load.broken)}, of these without a kill before: {len(late)}")
    print("memory, MB by minute:", {m: round(max(sizes)) for m, sizes in by_minute.items()})
    taken, refused = log.count(" answers now, in place of "), log.count(" is refused, ")
    print(f"log: {taken} swaps taken by a worker, {refused} refused")
    return 0 if alive and not late and set(load.outcomes) <= {"right", "broken"} else 1


if __name__ == "__main__":
    sys.exit(main())
