"""What the tests share: the repository on the path, the data, the shipped model, a browser."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from page_window import Server
    from playwright.sync_api import Browser, Page

    from classifier import Classifier
    from load_mnist_local import Mnist

ROOT = Path(__file__).resolve().parent.parent
LONGEST = {  # of the test files, by their place
    f"test_{name}": place
    for place, name in enumerate(
        [
            "train_model",
            "deploy_browser",
            "exports",
            "gradio_interface",
            "page_drawing",
            "calibration",
            "gate",
            "canary",
            "page_axe",
            "contract",
            "readme",
            "page_remote",
        ]
    )
}
for folder in (ROOT, ROOT / "tests"):  # whatever import mode pytest runs in
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As when the tests run in a shell's background: the programs they start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
for variable in [name for name in os.environ if name.startswith("MNIST_")]:
    del os.environ[variable]  # a deployer's settings are not what is tested

# The same examples at every run, so that a red test is red for the next person too;
# HYPOTHESIS_PROFILE=search looks for new ones.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))

BROWSERS = (
    "google-chrome",
    "chromium",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Chrome's own popups, two more pages a window; the rest is what Playwright switches off, whose
    # list this one replaces.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,LensOverlay,"
    "MediaRouter,OptimizationHints,PaintHolding",
)
NO_BROWSER = (
    "NO BROWSER: the page's tests need Google Chrome or Chromium and none was found; "
    "install one, such as Debian's package chromium"
)
AXE_SCRIPT = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
NO_AXE = (
    "NO AXE: the page's accessibility tests need axe-core and it was not found; "
    "npm ci --prefix tests/browser brings it"
)
NO_ONNX = (
    "NO ONNX: the exports' tests for it need onnx, onnxruntime and tf2onnx, not all of which are "
    "there; pip install -r requirements-export.txt -c requirements.lock brings them"
)


def chromium_path() -> str | None:
    """Return the path of the Chrome or Chromium of this machine, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def mnist() -> "Mnist":
    """The real data; treat it as read-only."""
    from load_mnist_local import load_mnist

    return load_mnist()


@pytest.fixture(scope="session")
def classifier() -> "Classifier":
    """The shipped model, loaded."""
    from classifier import Classifier

    return Classifier.load()


@pytest.fixture(scope="session")
def two_outputs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a model that says `is_digit`, its LiteRT form beside it; see two_outputs.py."""
    folder = tmp_path_factory.mktemp("model") / "copy"
    shutil.copytree(ROOT / "tests" / "models", folder)
    return folder / "two_outputs.keras"


@pytest.fixture(scope="session")
def two_outputs(two_outputs_file: Path) -> "Classifier":
    """The same, loaded."""
    from classifier import Classifier

    return Classifier.load(two_outputs_file)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """A headless Chromium. Without one the test is skipped, or fails if REQUIRE_BROWSER=1."""
    executable = chromium_path()
    if executable is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def started_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Server"]:
    from page_window import page_served

    with page_served(tmp_path_factory.mktemp("page")) as server:
        yield server
        server.halt(False)


@pytest.fixture(scope="module")
def page_server(started_page: "Server") -> Iterator["Server"]:
    """The drawing page's program, one for all the tests that need no other.

    It is halted between modules: Gradio takes 7% of a core to wait.
    """
    started_page.halt(False)
    yield started_page
    started_page.halt(True)


@pytest.fixture(scope="module")
def tabs() -> Iterator[dict[str, "Page"]]:
    """The pages that tests have opened, cleared, by server and options: a new one takes seconds."""
    kept: dict[str, Page] = {}
    yield kept
    for page in kept.values():
        page.context.close()


@pytest.fixture
def open_page(
    page_server: "Server", browser: "Browser", tabs: dict[str, "Page"]
) -> Iterator[Callable[..., "Page"]]:
    """Opens the page, empty, with a viewport and other options; in a window of its own.

    Nothing outside may be asked for, and nothing fail. server: another than the usual one.
    """
    from page_window import cleared, is_outside

    pages: dict[str, Page] = {}
    outside: list[str] = []
    faults: list[str] = []

    def hear_request(request: Any) -> None:
        outside.append(request.url)

    def hear_fault(fault: Any) -> None:
        faults.append(str(fault))

    def opened(server: "Server" = page_server, **options: Any) -> "Page":
        viewport = options.pop("viewport", {"width": 1280, "height": 720})
        name = f"{server.url} {options} {len(pages)}"
        page = tabs.pop(name, None)
        if new := page is None:
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(30_000)
        pages[name] = page
        page.on("request", hear_request)
        page.on("pageerror", hear_fault)
        page.set_viewport_size(viewport)
        if new:
            page.goto(server.url)
            page.locator(".pad-paper.empty").wait_for()
        return page

    yield opened
    for name, page in pages.items():
        if cleared(page):
            page.remove_listener("request", hear_request)
            page.remove_listener("pageerror", hear_fault)
            tabs[name] = page
        else:
            page.context.close()
    assert [url for url in outside if is_outside(url)] == []
    assert faults == []


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The script of axe-core. Without it the test is skipped, or fails if REQUIRE_BROWSER=1."""
    if not AXE_SCRIPT.is_file():
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(NO_AXE, pytrace=False)
        pytest.skip(NO_AXE)
    return AXE_SCRIPT.read_text("utf-8")


@pytest.fixture
def request_at_hand() -> Iterator[None]:
    """A request at hand, as those who note things of it need."""
    from api import stages

    stages.begin({"REQUEST_METHOD": "POST"})
    yield
    stages.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: LONGEST.get(item.path.stem, len(LONGEST)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tried of page and exports; a skip alone shows as one letter."""
    skipped = terminalreporter.stats.get("skipped", [])
    for missing in (NO_BROWSER, NO_AXE, NO_ONNX):
        without = sum(missing in str(report.longrepr) for report in skipped)
        if without:
            terminalreporter.write_line(f"{missing} ({without} tests skipped)", red=True, bold=True)
