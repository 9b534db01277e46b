"""The pad's camera, that may not be used, and that shows a digit; page_tour.py has none."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import BROWSER_FLAGS, chromium_path
from page_window import Server, expect_digit, mnist_picture
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LIVE = "() => document.querySelector('.pad video').srcObject !== null"


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


def test_what_the_camera_sees_is_taken_and_read_if_it_may_be_used(
    page_server: Server, browser: "Browser", tmp_path: Path
) -> None:
    file, label = film_of(tmp_path)
    film = "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={file}"
    started = browser.browser_type.launch(
        executable_path=chromium_path(), args=[*BROWSER_FLAGS, *film]
    )
    page = started.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(20_000)
    page.goto(page_server.url)
    page.get_by_role("button", name="Use camera").click()
    page.locator(".pad-status", has_text="The camera may not be used: allow it").wait_for()
    assert page.get_by_role("button", name="Undo").is_visible()
    page.context.grant_permissions(["camera"])
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
    started.close()
