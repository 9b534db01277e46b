"""The pad's camera, with one that shows a digit, one that may not be used, and none."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import BROWSER_FLAGS, chromium_path
from page_window import Server, expect_digit, mnist_picture
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LIVE = "() => document.querySelector('.pad video').srcObject !== null"


@contextmanager
def window(browser: "Browser", server: Server, *flags: str) -> Iterator["Page"]:
    """Open the page in a browser of its own, started with these flags."""
    started = browser.browser_type.launch(
        executable_path=chromium_path(),
        args=[*BROWSER_FLAGS, *flags],
    )
    page = started.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(20_000)
    page.goto(server.url)
    page.locator(".pad-paper.empty").wait_for()
    yield page
    started.close()


def film_of(folder: Path) -> tuple[Path, int]:
    """Write what a camera shows, a digit a little beside the middle; return it and the digit."""
    content, label = mnist_picture(0)
    sheet = Image.new("RGB", (640, 480), (215, 210, 200))
    sheet.paste(Image.open(io.BytesIO(content)).point(lambda level: level * 210 // 255), (150, 80))
    frame = io.BytesIO()
    sheet.save(frame, "JPEG", quality=90)
    file = folder / "camera.mjpeg"
    file.write_bytes(frame.getvalue() * 2)
    return file, label


def test_what_the_camera_sees_is_taken_and_read(
    page_server: Server, browser: "Browser", tmp_path: Path
) -> None:
    file, label = film_of(tmp_path)
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with window(browser, page_server, *flags, f"--use-file-for-fake-video-capture={file}") as page:
        page.get_by_role("button", name="Use camera").click()
        take = page.get_by_role("button", name="Take picture")
        take.wait_for()
        assert page.locator(".pad video").is_visible()
        assert page.evaluate("document.activeElement.innerText") == "Take picture"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Undo").wait_for()
        assert not page.evaluate(LIVE)  # the camera is off
        page.get_by_role("button", name="Use camera").click()
        take.click()
        expect_digit(page, label)
        page.locator(".pad-box:visible").wait_for()
        assert not page.locator(".pad video").is_visible()
        assert not page.evaluate(LIVE)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--use-fake-device-for-media-stream",), "The camera may not be used: allow it"),
        (("--use-fake-ui-for-media-stream",), "No camera was found."),
    ],
    ids=["refused", "none"],
)
def test_without_a_camera_a_sentence_says_why(
    page_server: Server, browser: "Browser", flags: tuple[str, ...], words: str
) -> None:
    with window(browser, page_server, *flags) as page:
        page.get_by_role("button", name="Use camera").click()
        page.locator(".pad-status", has_text=words).wait_for()
        assert page.get_by_role("button", name="Undo").is_visible()
