"""How soon the server answers after it is started, and in how much memory, by LiteRT and by Keras.

    python benchmarks/cold_start.py [--rounds 3]

Starts `flask_deploy.py` by turns with each runtime, and waits for the first right answer to a
drawing of 280x280. Prints the medians of the rounds, their range, and the memory of the server's
processes after six drawings, what they share counted once. Linux.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from process_tree import adopt_orphans, end, memory_mb

ROOT = Path(__file__).resolve().parent.parent
DRAWING = (ROOT / "tests" / "pictures" / "eight.png").read_bytes()
DIGIT = 8
PATIENCE = 120  # seconds
# As on a machine for which LiteRT has no package: read by every Python that starts there.
WITHOUT_LITERT = """
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, *rest: None if name == "ai_edge_litert" else found(name, *rest)
"""
RUNTIMES = {"LiteRT": "", "Keras": WITHOUT_LITERT}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reads_right(port: int) -> bool:
    """Ask once; return whether the digit came back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/predict", DRAWING, {"Content-Type": "image/png"})
        return bool(json.loads(connection.getresponse().read())["digit"] == DIGIT)
    except OSError:  # not listening yet
        return False
    finally:
        connection.close()


def start_once(runtime: str) -> tuple[float, float]:
    """Return the seconds to the first right answer, and the MB after six."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(RUNTIMES[runtime], "utf-8")
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "flask_deploy.py", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not reads_right(port):
                if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                    raise SystemExit("cold_start: the server did not start")
                time.sleep(0.01)
            seconds = time.perf_counter() - begun
            if not all(reads_right(port) for _ in range(5)):
                raise SystemExit("cold_start: the server did not read its drawing")
            return seconds, memory_mb(os.getpid())[0]
        finally:
            end(process, os.getpid())


def main() -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is started")
    args = parser.parse_args()
    adopt_orphans()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in RUNTIMES}
    for _ in range(args.rounds):
        for name in RUNTIMES:
            found[name].append(start_once(name))
    for name, starts in found.items():
        seconds, memory = zip(*starts, strict=True)
        print(
            f"{name:<7} first right answer after {statistics.median(seconds):.2f} s "
            f"({min(seconds):.2f}-{max(seconds):.2f}), "
            f"{statistics.median(memory):.0f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
