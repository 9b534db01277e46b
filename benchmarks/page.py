"""How soon the drawing page answers once the pen is up, with ten visitors who draw at once.

    python benchmarks/page.py [--visitors 10] [--seconds 30]

Starts `gradio_interface.py` three times. First ten plain HTTP clients ask as the pad does, while a
stroke grows and when it ends: the program's share. Then nine of them, and a window of headless
Chrome or Chromium in which digits are drawn, point after point at a hand's pace: the page takes
the time from the pen's rising to the answer that stays. Last ten such windows, which share this
machine with the program, and leave it little. Prints medians, 95th percentiles and the longest.
"""

import argparse
import asyncio
import base64
import http.client
import io
import json
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from hand import HANDS, Stroke, smooth  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu"]  # there is none here, and to imitate one costs much
PATIENCE = 120.0  # seconds in which the program starts
STEP = 1 / 60  # seconds between two points of a hand
REST = 0.6  # seconds between two digits
PAUSE = 0.1  # seconds between two questions of a pad, as in page/pad/asking.js
SIDE = 280  # pixels of what a pad sends
STOPWATCH = """
window.taken = [];
let risen = null;
document.addEventListener("pointerup", () => (risen = performance.now()), true);
document.addEventListener("answered", ({ detail }) => {
  if (!detail.settled || risen === null) return;
  const begun = risen;
  risen = null;
  setTimeout(() => taken.push(performance.now() - begun)); // once the answer is in the page
});
"""


@contextmanager
def page_served() -> Iterator[int]:
    """Serve the page on a free port for the time of the context; give the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, ROOT / "gradio_interface.py", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit("the page did not start")
            time.sleep(0.2)
        yield port
    finally:
        server.terminate()
        server.wait()


async def visit(browser: Any, port: int, number: int, seconds: float) -> list[float]:
    """Draw digit after digit in a window; return milliseconds from each pen-up to its answer."""
    page = await (await browser.new_context(viewport={"width": 1000, "height": 740})).new_page()
    await page.add_init_script(STOPWATCH)
    await page.goto(f"http://127.0.0.1:{port}/")
    await page.locator(".pad-paper.empty").wait_for()
    pad = await page.locator(".pad canvas").bounding_box()
    clear = await page.locator("[data-action=clear]").bounding_box()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for line in HANDS[number % 10]:
            path = [
                (pad["x"] + x * pad["width"], pad["y"] + y * pad["width"]) for x, y in smooth(line)
            ]
            await page.mouse.move(*path[0])
            await page.mouse.down()
            for point in path[1:]:
                due = time.monotonic() + STEP
                await page.mouse.move(*point)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await page.mouse.up()
            await asyncio.sleep(REST)
        await page.mouse.click(clear["x"] + clear["width"] / 2, clear["y"] + clear["height"] / 2)
        number += 3
    await page.wait_for_timeout(1_000)
    return list(await page.evaluate("taken"))


async def windows(port: int, visitors: int, seconds: float) -> list[float]:
    """Draw in that many windows at once; return what `visit` does, of all."""
    from playwright.async_api import async_playwright

    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        raise SystemExit("neither Chrome nor Chromium is installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        visits = [visit(browser, port, number, seconds) for number in range(visitors)]
        taken = await asyncio.gather(*visits)
        await browser.close()
    return [each for some in taken for each in some]


def in_windows(port: int, visitors: int, seconds: float) -> list[float]:
    """Do what `windows` does."""
    return asyncio.run(windows(port, visitors, seconds))


def drawings(digit: int) -> list[str]:
    """Return what a pad would send as a digit grows, in quarters, as data URLs of PNGs."""
    lines = [smooth(line) for line in HANDS[digit]]
    points = sum(map(len, lines))
    return [_drawing(lines, points * quarter // 4) for quarter in (1, 2, 3, 4)]


def _drawing(lines: list[Stroke], points: int) -> str:
    sheet = Image.new("RGBA", (3 * SIDE, 3 * SIDE), "white")
    brush, width = ImageDraw.Draw(sheet), 3 * SIDE // 14
    for line in lines:
        path = [(3 * SIDE * x, 3 * SIDE * y) for x, y in line[:points]]
        points = max(0, points - len(line))
        if len(path) > 1:
            brush.line(path, "black", width, joint="curve")
    file = io.BytesIO()
    sheet.resize((SIDE, SIDE), Image.Resampling.BOX).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class Client(threading.Thread):
    """A visitor's pad without its browser: asks, waits for the answer and a pause, asks again."""

    def __init__(self, port: int, number: int, until: float) -> None:
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.number, self.until = number, until
        self.taken: list[float] = []

    def run(self) -> None:
        self.connection.request("GET", "/config")
        config = json.loads(self.connection.getresponse().read())
        (pad,) = [
            c["id"] for c in config["components"] if "read" in c["props"].get("server_fns", ())
        ]
        pictures = [drawings(digit) for digit in range(10)]
        time.sleep(0.13 * self.number)
        digit = self.number
        while time.monotonic() < self.until:
            *growing, whole = pictures[digit % 10]
            for picture in growing:
                begun = time.monotonic()
                self._ask(pad, picture)
                time.sleep(max(PAUSE, time.monotonic() - begun))
            begun = time.monotonic()
            said = self._ask(pad, whole)
            self.taken.append(1000 * (time.monotonic() - begun))
            assert 'class="answer-digit"' in said["html"], said
            digit += 3
            time.sleep(REST)

    def _ask(self, pad: int, picture: str) -> Any:
        question = {"picture": picture, "preprocessing": "enhanced"}
        body = {"data": question, "component_id": pad, "fn_name": "read", "session_hash": "bench"}
        path, kind = "/gradio_api/component_server/", {"Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(body), kind)
        return json.loads(self.connection.getresponse().read())


def clients(port: int, visitors: int, seconds: float) -> list[float]:
    """Ask as that many pads do; return milliseconds from the last question to its answer."""
    until = time.monotonic() + seconds
    pads = [Client(port, number, until) for number in range(visitors)]
    for pad in pads:
        pad.start()
    for pad in pads:
        pad.join()
    return [each for pad in pads for each in pad.taken]


def beside_clients(port: int, visitors: int, seconds: float) -> list[float]:
    """Draw in one window while all other visitors are plain clients; return what `visit` does."""
    until = time.monotonic() + seconds
    pads = [Client(port, number, until) for number in range(1, visitors)]
    for pad in pads:
        pad.start()
    taken = in_windows(port, 1, seconds)
    for pad in pads:
        pad.join()
    return taken


WAYS = {
    "plain clients": clients,
    "visitors, one of them in a browser": beside_clients,
    "browsers on this machine": in_windows,
}


def main(argv: list[str] | None = None) -> int:
    """Measure all ways; return the exit status."""
    parser = argparse.ArgumentParser(prog="page.py", description=__doc__)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args(argv)
    for name, way in WAYS.items():
        with page_served() as port:
            taken = sorted(way(port, args.visitors, args.seconds))
        if len(taken) < 2:
            raise SystemExit(f"{name}: too few answers came")
        slow = statistics.quantiles(taken, n=20)[-1]
        middle = statistics.median(taken)
        print(f"{args.visitors} {name}: {len(taken)} answers, median {middle:.0f} ms, ", end="")
        print(f"95% within {slow:.0f} ms, longest {taken[-1]:.0f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
