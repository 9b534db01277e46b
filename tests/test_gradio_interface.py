"""The drawing page: the real program, and a real browser that draws in it as a person would."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hand import draw, write
from page_window import (
    MAX_BYTES,
    Server,
    call_predict,
    choose,
    client_of,
    expect_digit,
    expect_words,
    mnist_picture,
    tap_clear,
)
from samples import blank_png

import config

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
browser_test = pytest.mark.browser

SCRIPT = Path(__file__).resolve().parent.parent / "gradio_interface.py"
PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True, "is_mobile": True}
Open = Callable[..., "Page"]


@browser_test
def test_a_digit_written_with_a_finger_is_read_and_the_page_stays(open_page: Open) -> None:
    page = open_page(**PHONE)
    room = page.evaluate("document.documentElement.scrollHeight - innerHeight")
    assert room > 50  # it could scroll
    write(page, 7, touch=True)
    expect_digit(page, 7)
    assert page.evaluate("scrollY") == 0
    tap_clear(page)
    expect_words(page, "No ink yet")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@browser_test
def test_undo_and_clear_take_the_ink_and_the_answer_away(open_page: Open) -> None:
    page = open_page()
    write(page, 1)
    expect_digit(page, 1)
    draw(page, [[(0.1, 0.5), (0.9, 0.5)], [(0.1, 0.9), (0.9, 0.1)]])
    page.get_by_role("button", name="Undo").click()
    page.keyboard.press("Control+z")
    expect_digit(page, 1)
    page.get_by_role("button", name="Clear").click()
    page.locator(".pad-paper.empty").wait_for()
    expect_words(page, "No ink yet")
    expect_digit(page, "?")
    white = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
        .data.every(value => value === 255)"""
    assert page.locator(".pad canvas").evaluate(white)
    assert not page.locator(".answer-seen").is_visible()
    write(page, 7)
    expect_digit(page, 7)
    page.get_by_role("button", name="Undo").click()
    expect_words(page, "No ink yet")


@browser_test
def test_an_answer_that_comes_too_late_is_dropped(open_page: Open) -> None:
    page = open_page()
    arrived: list[str] = []

    def late(route: Any) -> None:
        page.wait_for_timeout(1_000)
        route.continue_()
        arrived.append(route.request.url)

    page.route("**/component_server/", late)
    write(page, 3)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(2_000)
    assert arrived
    expect_words(page, "No ink yet")


@browser_test
def test_a_picture_is_opened_pasted_and_written_over(open_page: Open) -> None:
    page = open_page()
    content, label = mnist_picture(0)
    choose(page, "digit.png", content)
    expect_digit(page, label)
    content, label = mnist_picture(1)
    paste = """bytes => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
        document.body.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }"""
    page.evaluate(paste, list(content))
    expect_digit(page, label)
    write(page, 8)  # on a fresh sheet
    expect_digit(page, 8)


@browser_test
def test_the_preprocessing_can_be_chosen(open_page: Open) -> None:
    page = open_page()
    write(page, 0)
    expect_digit(page, 0)
    seen = page.locator(".answer-seen img")
    seen.wait_for()
    assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    assert seen.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    enhanced = seen.get_attribute("src")
    page.get_by_label("Basic").check()
    page.wait_for_function(
        "src => document.querySelector('.answer-seen img').src !== src", arg=enhanced
    )
    expect_digit(page, 0)


@browser_test
def test_a_picture_without_an_answer_gets_a_calm_note(open_page: Open, page_server: Server) -> None:
    page = open_page()
    for content, words in (
        (b"Not a picture, whatever the name says.", "not a picture that is read here"),
        (blank_png(60, 60), "No ink: the picture looks blank"),
        (blank_png(20_000, 20_000), "at most 50,000,000"),
    ):
        choose(page, "picture.png", content)
        expect_words(page, words)
        expect_digit(page, "?")
    assert "Traceback" not in page_server.printed
    write(page, 1)
    expect_digit(page, 1)


@browser_test
def test_a_file_over_the_limit_is_not_sent(open_page: Open) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    choose(page, "large.png", bytes(MAX_BYTES + 1))
    page.get_by_text("large.png is 1 MB: at most 1 MB is accepted").wait_for()
    assert not [url for url in sent if "upload" in url]


@browser_test
def test_it_can_be_reloaded_in_a_stroke_and_used_by_keyboard(open_page: Open) -> None:
    page = open_page()
    page.locator(".pad canvas").hover()
    page.mouse.down()
    page.mouse.move(500, 300, steps=3)
    page.locator(".pad-paper:not(.empty)").wait_for()
    page.reload()
    page.locator(".pad-paper.empty").wait_for()
    page.mouse.up()
    expect_words(page, "No ink yet")
    write(page, 7)
    expect_digit(page, 7)
    reached = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.innerText || document.activeElement.value")
        )
        if reached[-1] == "Clear":
            page.keyboard.press("Enter")
    assert {"Undo", "Clear", "56", "Open picture", "Use camera", "enhanced"} <= set(reached)
    expect_words(page, "No ink yet")


def test_gradio_client_gets_the_contract(
    page_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from gradio_client import handle_file

    content, label = mnist_picture()
    file = tmp_path / "digit.png"
    file.write_bytes(content)
    client = client_of(page_server, monkeypatch)
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/predict", "/batch"}
    for method in config.PREPROCESSING_METHODS[:2]:
        answer = client.predict(handle_file(str(file)), method, api_name="/predict")
        assert answer["digit"] == label
        assert answer["preprocessing"] == method
        assert answer["confidence"] == max(answer["probabilities"])
        assert abs(sum(answer["probabilities"]) - 1) < 1e-4
        assert answer["top"][0]["digit"] == label
        assert len(answer["top"]) == 3
        assert len(answer["model"]["version"]) == 12
    answer = client.predict(handle_file(str(file)), api_name="/predict")
    assert answer["preprocessing"] == "enhanced"
    with pytest.raises(Exception, match="preprocessing 'sharp' is unknown"):
        client.predict(handle_file(str(file)), "sharp", api_name="/predict")
    file.write_bytes(b"text")
    with pytest.raises(Exception, match="not a picture that is read here"):
        client.predict(handle_file(str(file)), api_name="/predict")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_no_other_file_of_the_server_can_be_named(
    page_server: Server, tmp_path: Path, meta: dict[str, Any]
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(mnist_picture()[0])
    told = call_predict(page_server, {"path": str(secret)} | meta)
    assert "event: error" in told
    assert "probabilities" not in told


def test_a_busy_port_is_told_in_one_line_before_the_model_is_loaded(page_server: Server) -> None:
    port = str(urlsplit(page_server.url).port)
    done = subprocess.run(
        [sys.executable, SCRIPT, "--port", port], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
