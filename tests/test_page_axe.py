"""Every tab and state of the page, on a desktop and a phone: accessible, and all of it local."""

from typing import TYPE_CHECKING, Any

import pytest
from page_tour import STATES, tour
from page_window import Server, is_outside

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WINDOWS: dict[str, dict[str, Any]] = {
    "light desktop": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark phone": {
        "color_scheme": "dark",
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    },
}
# axe-core's rules, the best practices among them: https://dequeuniversity.com/rules/axe/
RUN_AXE = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`)"""


def opened(browser: "Browser", server: Server, window: dict[str, Any], script: str = "") -> "Page":
    """Return the page, empty, in a window of its own in which `script` was run before."""
    context = browser.new_context(**window)
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(server.url)
    page.locator(".pad-paper.empty").wait_for()
    return page


@pytest.mark.parametrize("window", WINDOWS)
def test_axe_finds_nothing_serious_in_any_state(
    page_server: Server, browser: "Browser", axe_source: str, window: str
) -> None:
    page = opened(browser, page_server, WINDOWS[window], axe_source)
    found = {}
    for state in tour(page):
        page.wait_for_timeout(200)  # colours that fade in are there
        found[state] = page.evaluate(RUN_AXE)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state
    page.context.close()
    assert tuple(found) == STATES
    assert {state: faults for state, faults in found.items() if faults} == {}


def test_axe_would_find_something(page_server: Server, browser: "Browser", axe_source: str) -> None:
    """So that the test above cannot pass because nothing is looked at."""
    page = opened(browser, page_server, WINDOWS["light desktop"], axe_source)
    page.evaluate("document.querySelector('[data-action=undo]').textContent = ''")
    faults = page.evaluate(RUN_AXE)
    page.context.close()
    assert any(fault.startswith("button-name") for fault in faults)


def test_with_the_network_blocked_nothing_is_missed(
    page_server: Server, browser: "Browser"
) -> None:
    """Whatever is not on this machine is blocked and recorded: nobody asks for it."""
    context = browser.new_context(**WINDOWS["light desktop"])
    asked: list[str] = []
    refused: list[str] = []
    faults: list[str] = []

    def guard(route: "Route") -> None:
        asked.append(route.request.url)
        if is_outside(route.request.url):
            refused.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    context.route("**/*", guard)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto(page_server.url)
    page.locator(".pad-paper.empty").wait_for()
    assert tuple(tour(page)) == STATES
    page.wait_for_timeout(500)
    context.close()
    assert len(asked) > 50
    assert refused == [url for url in asked if is_outside(url)] == []
    assert faults == []
