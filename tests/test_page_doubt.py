"""The drawing page of a model that says `is_digit`: doubt is seen, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hand import draw, write
from page_window import CONTRASTS, Server, expect_words, page_served

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WINDOWS: dict[str, dict[str, Any]] = {
    "light desktop": {"viewport": {"width": 1000, "height": 740}},
    "dark phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
# To and fro, up and down, until the pad's middle is black.
HATCHING = [(0.2 + 0.6 * step / 24, 0.25 + 0.5 * (step % 2)) for step in range(25)]
BLOT = [HATCHING, [(y, x) for x, y in HATCHING]]


@pytest.fixture(scope="module")
def doubting_server(
    two_outputs_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The program with a throw-away model that doubts what has much ink."""
    folder = tmp_path_factory.mktemp("doubt")
    with page_served(folder, "--model", str(two_outputs_file)) as server:
        yield server


@pytest.mark.parametrize("window", WINDOWS)
def test_doubt_is_seen_and_goes_away(
    doubting_server: Server, open_page: Callable[..., "Page"], window: str
) -> None:
    from playwright.sync_api import expect

    page = open_page(doubting_server, **WINDOWS[window])
    digit = page.locator(".answer-digit")
    colours = []
    draw(page, BLOT)
    expect_words(page, "This does not look like one digit (most like ")
    for doubted in (True, False):
        if not doubted:
            page.get_by_role("button", name="Clear").click()
            expect_words(page, "No ink yet")
            expect(page.locator(".answer-small")).to_have_count(0)
            write(page, 1)
            expect_words(page, "ikely")  # Most likely, Hard to tell: most likely
        expect(page.locator(".answer-small")).to_contain_text("Likeness to one digit: ")
        assert digit.inner_text().endswith("?") == doubted
        colours.append(digit.evaluate("element => getComputedStyle(element).color"))
        assert [text for text in page.evaluate(CONTRASTS) if text[1] < 4.5] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert colours[0] != colours[1]
