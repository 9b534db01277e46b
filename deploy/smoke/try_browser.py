"""The page that needs no server: served by a plain file server, asked in a headless browser."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asking
import roots
from asking import Row
from cold_start import free_port
from hundred import Picture

FOLDER = asking.ROOT / "deploy" / "browser"
for folder in (FOLDER, asking.ROOT / "tests"):
    sys.path.insert(0, str(folder))
NOTE = "a plain file server, headless Chromium; without a connection after the first answer"
PATIENCE = 30_000  # milliseconds for an answer


def prepare(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build the page; return what opens it."""
    import build
    from conftest import NO_BROWSER, chromium_path

    if chromium_path() is None:
        return lambda: Row("Browser", note=NO_BROWSER)
    build.build(asking.ROOT / "models" / "mnist_cnn.keras", folder / "dist")
    return lambda: measured(folder / "dist")


def measured(made: Path) -> Row:
    """Open the page in a browser that has started, and have it read the pictures."""
    from conftest import BROWSER_FLAGS, chromium_path
    from playwright.sync_api import sync_playwright

    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]

    def launch(log: Path) -> "subprocess.Popen[bytes]":
        return asking.start([*server, "--directory", str(made)], log)

    playwright = sync_playwright().start()
    chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(BROWSER_FLAGS))

    def close() -> str:  # before all that runs is ended
        chromium.close()
        playwright.stop()
        return ""

    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    ask = by_page(page, f"http://127.0.0.1:{port}/")
    return asking.measure("Browser", launch, ask, roots.size_mb(made), NOTE, close, price=None)


def by_page(page: Any, address: str) -> asking.Ask:
    """Return what opens a picture in the page and reads the digit of its answer."""
    from playwright.sync_api import Error

    def ask(picture: Picture) -> int:
        try:
            if page.url != address:
                page.goto(address)
                page.locator("#state", has_text="without a connection").wait_for()
            name = f"picture.{picture.content_type[6:]}"
            sent = {"name": name, "mimeType": picture.content_type, "buffer": picture.content}
            page.locator("[data-action=clear]").dispatch_event("click")
            page.locator(".page-answer .answer.nothing").wait_for()
            page.locator("input[type=file]").set_input_files(sent)
            page.locator(".page-answer[aria-busy=false] .answer:not(.nothing)").wait_for()
            read = page.locator(".answer-digit").inner_text()
            page.context.set_offline(True)
            return int(read.rstrip("?"))
        except Error as fault:
            raise OSError(str(fault)) from None

    return ask
