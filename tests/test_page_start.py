"""The drawing page that is slow to answer: a drawing is answered, or told why not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hand import write
from page_window import Server, choose, expect_digit, mnist_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NO_ANSWER = "No answer yet"
PATIENCE = 10_000  # milliseconds, as in page/pad/asking.js and page/unfold.js


@pytest.fixture(scope="module")
def window(browser: "Browser") -> Iterator["Page"]:
    """An empty window with a clock that can be put forward."""
    page = browser.new_page()
    page.set_default_timeout(30_000)
    page.clock.install()
    yield page
    page.context.close()


@pytest.fixture
def page(window: "Page", page_server: Server) -> Iterator["Page"]:
    """The page, opened there."""
    window.goto(page_server.url)
    window.locator(".pad-paper.empty").wait_for()
    yield window
    window.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("request_held", ["component_server/", "upload*"])
def test_a_picture_without_an_answer_is_told_until_it_has_one(
    page: "Page", request_held: str
) -> None:
    held: list[Route] = []
    page.route(f"**/{request_held}", lambda route: held.append(route))
    content, label = mnist_picture()
    if request_held == "upload*":
        choose(page, "digit.png", content)
    else:
        write(page, label)
    page.clock.run_for(PATIENCE // 2)
    assert page.locator(".pad-status").inner_text() == ""
    page.clock.run_for(PATIENCE // 2)
    page.locator(".pad-status", has_text=NO_ANSWER).wait_for()
    assert len(held) == 1
    page.unroute_all()  # lets go what was held
    expect_digit(page, label)
    page.locator(".pad-status:empty").wait_for(state="attached")


def test_of_an_answered_picture_and_of_one_that_could_not_be_sent_no_answer_is_awaited(
    page: "Page",
) -> None:
    content, label = mnist_picture()
    choose(page, "digit.png", content)
    expect_digit(page, label)
    page.clock.run_for(PATIENCE + 2_000)
    status = page.locator(".pad-status")
    assert status.inner_text() == ""
    page.route("**/component_server/", lambda route: route.abort())
    write(page, 7)
    page.get_by_text("The picture could not be sent").wait_for()
    page.clock.run_for(PATIENCE + 2_000)
    assert "could not be sent" in status.inner_text()


def test_a_view_that_does_not_come_is_told(page: "Page") -> None:
    held: list[Route] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    page.get_by_text("Why this digit?").click()
    view = page.locator(".unfold", has_text="Why this digit?").locator(".unfold-body")
    page.clock.run_for(PATIENCE - 1_000)
    assert "Nothing came yet" not in view.inner_text()
    page.clock.run_for(2_000)
    view.get_by_text("Nothing came yet").wait_for()
    held.pop().continue_()
    view.get_by_text("Nothing to explain yet").wait_for()
