"""Take the pictures of the drawing page that the README shows.

    python docs/take_screenshots.py

Starts the page on a free port, draws a digit in Chrome or Chromium, and writes docs/page.png and
docs/page_dark.png (a desktop's window in the light and the dark theme) and docs/page_phone.png (a
phone's, 390 pixels wide).
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from math import cos, pi, sin
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DESKTOP = {"width": 1000, "height": 840}
COLOURS = 128  # of a picture that is written: the page has few
WINDOWS: dict[str, dict[str, Any]] = {
    "page.png": {"viewport": DESKTOP, "color_scheme": "light"},
    "page_dark.png": {"viewport": DESKTOP, "color_scheme": "dark"},
    "page_phone.png": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
    },
}
STARTS_WITHIN = 120  # seconds
Point = tuple[float, float]


def eight(points: int = 90) -> list[Point]:
    """Return the path of a hand that writes an 8, in shares of the pad's width and height."""
    path = []
    for step in range(points + 1):
        turn = -0.35 + 2 * pi * 1.02 * step / points
        across = 0.13 if cos(turn) > 0 else 0.155
        x, y = 0.5 - across * sin(2 * turn), 0.5 - 0.29 * cos(turn)
        path.append((x - 0.12 * (y - 0.5), y + 0.006 * sin(3 * turn)))
    return path


@contextmanager
def page_served() -> Iterator[str]:
    """Serve the page on a free port for the time of the context; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = DOCS.parent / "gradio_interface.py"
    server = subprocess.Popen([sys.executable, script, "--host", "127.0.0.1", "--port", str(port)])
    url = f"http://127.0.0.1:{port}/"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                direct.open(url, timeout=5).close()
                break
            except urllib.error.URLError:
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit("take_screenshots: the page did not start") from None
                time.sleep(0.3)
        yield url
    finally:
        server.terminate()
        server.wait()


def draw(page: Any, path: list[Point]) -> None:
    """Draw one stroke on the pad with the mouse."""
    box = page.locator(".pad canvas").bounding_box()
    for number, (x, y) in enumerate(path):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def take(browser: Any, url: str, name: str) -> None:
    """Draw an 8 in a window of this kind, wait for the answer, and write its picture."""
    context = browser.new_context(**WINDOWS[name])
    page = context.new_page()
    page.goto(url)
    page.locator(".pad-paper.empty").wait_for()
    draw(page, eight())
    page.locator(".pad-box:visible").wait_for()
    page.wait_for_timeout(500)  # the bars grow
    aside = DOCS / f".{name}.new"  # whole or not there
    shot = Image.open(io.BytesIO(page.screenshot(full_page=name == "page_phone.png")))
    shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        aside, "PNG", optimize=True
    )
    aside.replace(DOCS / name)
    print(f"{DOCS / name}: {page.locator('.answer-words').inner_text()}")
    context.close()


def main(argv: list[str] | None = None) -> int:
    """Take all pictures; return the exit status."""
    argparse.ArgumentParser(prog="take_screenshots.py", description=__doc__).parse_args(argv)
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        print("take_screenshots: neither Chrome nor Chromium is installed", file=sys.stderr)
        return 1
    arguments = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
    with page_served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for name in WINDOWS:
            take(browser, url, name)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
