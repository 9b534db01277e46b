"""The API held to its own OpenAPI document by schemathesis, over HTTP.

    python tests/contract.py [--examples 2000]

Starts the script with a key, has every operation asked with right and with wrong requests, and
checks each answer against the document: examples, coverage of every constraint, random requests,
and sequences along the links. See schemathesis.toml.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))

from conftest import free_port  # noqa: E402  # tests is no package

KEY = "a-key-for-the-tests"
SEED = 1
PATIENCE = 60  # seconds for the server to start
SETTINGS = {"MNIST_API_KEY": KEY, "MNIST_MAX_BATCH": "4"}


@contextmanager
def server() -> Iterator[str]:
    """Run the script as a person would, with a key; give its address, and print its faults."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "flask_deploy.py", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | SETTINGS,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(process, url)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)
            log.seek(0)
            printed = log.read()
            if "Traceback" in printed:
                print(printed[printed.index("Traceback") :][:3000], file=sys.stderr)


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise SystemExit("contract: the server did not start")


def run(url: str, examples: int, *options: str) -> "subprocess.CompletedProcess[str]":
    """Hold the server at an address to its document; the exit status is 0 if it keeps to it.

    examples: how many random requests an operation, at most.
    """
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/schemathesis.toml",
         "--no-color", "run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {KEY}",
         "--max-examples", str(examples), "--seed", str(SEED), "--checks", "all", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def main() -> int:
    """Run the checks and print what was found; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=2000, help="random requests an operation")
    args = parser.parse_args()
    with server() as url:
        done = run(url, args.examples)
    print(done.stdout, done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
