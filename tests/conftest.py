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
    from playwright.sync_api import Browser, BrowserContext, Page

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
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Server"]:
    """The drawing page's program, one for all the tests that need no other."""
    from page_window import page_served

    with page_served(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Server"]:
    """The API and a page that asks it, as a deployment would run them.

    The model is the shipped one in LiteRT's form: to the page another than the shipped file.
    """
    from api_server import running
    from page_window import page_served

    import config
    import litert_runtime
    import model_files

    folder = tmp_path_factory.mktemp("pair")
    content = litert_runtime.derived_path(config.MODEL_PATH).read_bytes()
    model = folder / "mnist_cnn.tflite"
    model_files.write_model(lambda file: file.write_bytes(content), {}, model)
    with running("--workers", "1", "--model", str(model)) as port:
        flags = "--api-url", f"http://127.0.0.1:{port}", "--model", "none.keras"
        with page_served(folder, *flags) as server:
            yield server


@pytest.fixture(scope="session")
def windows(browser: "Browser") -> Iterator[dict[str, "BrowserContext"]]:
    """The windows that tests have opened, by their options: a tab costs a third of a window."""
    contexts: dict[str, BrowserContext] = {}
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture
def open_page(
    page_server: "Server", browser: "Browser", windows: dict[str, "BrowserContext"]
) -> Iterator[Callable[..., "Page"]]:
    """Opens the page in a tab, the only one of its window, with a viewport and other options.

    Nothing outside may be asked for, and nothing fail. server: another than the usual one.
    """
    from page_window import is_outside

    pages: list[Page] = []
    outside: list[str] = []
    faults: list[str] = []

    def opened(server: "Server" = page_server, **options: Any) -> "Page":
        viewport = options.pop("viewport", {"width": 1280, "height": 720})
        context = windows.get(repr(options))
        if context is None:
            context = windows[repr(options)] = browser.new_context(**options)
        elif context.pages:  # two tabs of a window are not both seen
            context = browser.new_context(**options)
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size(viewport)
        page.set_default_timeout(30_000)
        page.on("request", lambda request: outside.append(request.url))
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(server.url)
        page.locator(".pad-paper.empty").wait_for()
        return page

    yield opened
    for page in pages:
        page.unroute_all(behavior="ignoreErrors")
        if page.context in windows.values():
            page.close()
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
