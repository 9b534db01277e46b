"""A tour of the drawing page, through its tabs and the states that a visitor gets to see."""

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hand import write
from page_window import choose, expect_digit, expect_words, mnist_picture

import config
import model_files

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page

STATES = (
    "empty",
    "answered",
    "why",
    "compare",
    "example",
    "fault",
    "no camera",
    "batch",
    "batch with rows",
    "model",
    "program",
)


def tour(page: "Page") -> Iterator[str]:
    """Give the name of each of STATES when an opened page is in it."""
    yield "empty"
    write(page, 8)
    expect_digit(page, 8)
    yield "answered"
    page.get_by_text("Why this digit?").click()
    page.locator(".why-words").wait_for()
    yield "why"
    page.get_by_text("Compare basic and enhanced").click()
    page.locator(".story").wait_for()
    yield "compare"
    page.get_by_role("button", name="A scribble").click()
    expect_words(page, "This does not look like one digit")
    page.locator('.unfold-body[aria-busy="false"]').last.wait_for()
    yield "example"
    choose(page, "notes.png", b"Not a picture, whatever the name says.")
    expect_words(page, "not a picture that is read here")
    page.locator(".page-unfold", has_text="not a picture that is read here").first.wait_for()
    yield "fault"
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Use camera").click()
    page.locator(".pad-status", has_text="No camera was found.").wait_for()
    yield "no camera"
    page.get_by_role("tab", name="Batch").click()
    page.get_by_role("button", name="Choose files").wait_for()
    yield "batch"
    page.set_input_files('.drop input[data-of="files"]', [*_files()])
    page.get_by_role("button", name="Download as CSV").wait_for()
    yield "batch with rows"
    page.get_by_role("tab", name="Model").click()
    page.get_by_text(model_files.read_card(config.MODEL_PATH)["sha256"][:12]).first.wait_for()
    yield "model"
    page.get_by_text("Use it from a program").click()
    page.get_by_text("From Python").wait_for()
    yield "program"


def _files() -> Iterator["FilePayload"]:
    """Give a picture, a file that is none, and a zip file with another picture."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("packed.png", mnist_picture(1)[0])
    contents = {
        "digit.png": mnist_picture(0)[0],
        "broken.png": b"Not a picture.",
        "more.zip": packed.getvalue(),
    }
    for name, content in contents.items():
        yield {"name": name, "mimeType": "application/octet-stream", "buffer": content}
