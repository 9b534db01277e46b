"""The drawing page whose model says `is_digit`: doubt is seen, in a real browser."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hand import draw, write
from page_window import CONTRASTS, expect_digit, expect_words

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


@pytest.mark.parametrize("window", WINDOWS)
def test_doubt_is_seen_and_goes_away(open_page: Callable[..., "Page"], window: str) -> None:
    from playwright.sync_api import expect

    page = open_page(**WINDOWS[window])
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
            expect_digit(page, 1)
        expect(page.locator(".answer-small")).to_contain_text("Likeness to one digit: ")
        assert digit.inner_text().endswith("?") == doubted
        colours.append(digit.evaluate("element => getComputedStyle(element).color"))
        assert [text for text in page.evaluate(CONTRASTS) if text[1] < 4.5] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert colours[0] != colours[1]
