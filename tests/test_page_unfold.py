"""The views below the answer, in a real browser: asked for while they are open, and not else."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hand import write
from page_window import expect_digit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, ViewportSize

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TALL: "ViewportSize" = {"width": 1000, "height": 2000}  # pad and views are seen together
WHY, COMPARE = "Why this digit?", "Compare basic and enhanced"


@pytest.fixture
def page(open_page: Callable[..., "Page"]) -> "Page":
    page = open_page(viewport=TALL)
    page.get_by_text("Loading...").wait_for(state="detached")
    return page


def view(page: "Page", title: str) -> "Locator":
    return page.locator(".unfold", has_text=title).locator(".unfold-body")


def expect_key(page: "Page", digit: int) -> None:
    """Wait until the explanation is of this digit, and no longer of an earlier picture."""
    page.locator('.unfold-body[aria-busy="false"] .why-key-for').get_by_text(
        f"speaks for {digit}", exact=True
    ).wait_for()


def test_a_view_is_asked_for_while_it_is_open_and_follows_the_answer(page: "Page") -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def questions() -> int:
        return sum("queue/join" in url for url in asked)

    write(page, 8)
    expect_digit(page, 8)
    page.wait_for_timeout(700)
    assert questions() == 0
    page.get_by_text(WHY).click()
    expect_key(page, 8)
    assert questions() == 1
    page.get_by_role("button", name="Clear").click()
    view(page, WHY).get_by_text("Nothing to explain yet").wait_for()
    write(page, 7)
    expect_digit(page, 7)
    expect_key(page, 7)
    marks = page.locator(".why-picture svg rect").count()
    assert marks > 50
    words = page.locator(".why-words").inner_text()
    assert words.startswith("The ink ")
    assert " for 7 against " in words
    before = questions()
    page.get_by_text(WHY).click()  # folded up, and out again: it is still the same picture
    page.get_by_text(WHY).click()
    page.wait_for_timeout(500)
    assert questions() == before
    page.get_by_text(WHY).click()
    write(page, 7)
    page.wait_for_timeout(700)
    assert questions() == before


def test_of_pictures_that_follow_each_other_quickly_the_last_is_explained(page: "Page") -> None:
    page.get_by_text(WHY).click()
    view(page, WHY).get_by_text("Nothing to explain yet").wait_for()
    for digit in (3, 2, 7):
        write(page, digit)
        if digit != 7:
            page.get_by_role("button", name="Clear").click()
    expect_digit(page, 7)
    expect_key(page, 7)


def test_the_methods_are_compared_whichever_is_chosen(page: "Page") -> None:
    page.locator("summary", has_text=COMPARE).focus()
    page.keyboard.press("Enter")
    compared = view(page, COMPARE)
    compared.locator(".story").wait_for()
    assert compared.locator(".compare-side").count() == 2  # the story's
    write(page, 5)
    compared.locator(".compare-side").nth(3).wait_for()
    for side, name in enumerate(("Basic", "Enhanced")):
        own = compared.locator(".compare-side").nth(side)
        assert own.locator(".compare-name").inner_text() == name
        assert own.locator("li").first.inner_text().startswith("5")
        size = own.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert size == [28, 28]
    seen = compared.locator(".compare-side img")
    assert seen.nth(0).get_attribute("src") != seen.nth(1).get_attribute("src")
    chosen = page.locator(".answer-seen img")
    assert chosen.get_attribute("src") == seen.nth(1).get_attribute("src")
    page.get_by_role("radio", name="Basic").check()
    page.wait_for_function(
        "src => document.querySelector('.answer-seen img').src === src",
        arg=seen.nth(0).get_attribute("src"),
    )
