"""Every tab and state of the page, on a desktop and a phone: accessible, and all of it local."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from conftest import AXE_SCRIPT
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


DARK_TOO = ("answered", "batch with rows", "model")


def set_scheme(page: "Page", scheme: Any) -> None:
    """Show an open page as it would have opened in the dark, or in light."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
    page.wait_for_timeout(200)  # colours that fade in are there


def test_in_every_state_axe_finds_nothing_serious_and_nobody_elsewhere_is_asked(
    page_server: Server, browser: "Browser"
) -> None:
    """Whatever is not on this machine is blocked and recorded: nothing is missed without it."""
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

    context = browser.new_context(**WINDOWS["light desktop"])
    context.route("**/*", guard)
    axe = AXE_SCRIPT.read_text("utf-8") if AXE_SCRIPT.is_file() else ""
    if axe:  # else the test below says that it is missing
        context.add_init_script(axe)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto(page_server.url)
    page.locator(".pad-paper.empty").wait_for()
    violations = {}
    for state in tour(page):
        for window, options in reversed(WINDOWS.items()):  # the tour goes on in the desktop's
            page.set_viewport_size(options["viewport"])
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, state
            if axe and (window == "light desktop" or state in DARK_TOO):
                set_scheme(page, options["color_scheme"])
                violations[state, window] = page.evaluate(RUN_AXE)
    context.close()
    assert tuple(state for state, window in violations if window == "light desktop") == (
        STATES if axe else ()
    )
    assert {state: serious for state, serious in violations.items() if serious} == {}
    assert len(asked) > 50
    assert refused == [url for url in asked if is_outside(url)] == []
    assert faults == []


def test_axe_would_find_something(open_page: Callable[..., "Page"], axe_source: str) -> None:
    """So that the test above cannot pass because nothing is looked at; skipped without axe."""
    page = open_page()
    page.evaluate(axe_source)
    page.evaluate("document.querySelector('[data-action=undo]').textContent = ''")
    faults = page.evaluate(RUN_AXE)
    page.close()
    assert any(fault.startswith("button-name") for fault in faults)
