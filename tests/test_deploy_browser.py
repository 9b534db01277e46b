"""The page that needs no server: the same images as Python's, the API's answers, and no network."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import api_server
import hand
import numpy as np
import pytest
import static_page
from conftest import ROOT
from PIL import Image
from static_page import answered, many_pictures, needed, served
from test_page_axe import RUN_AXE, WINDOWS

import config
from api.app import create_app
from classifier import Classifier
from load_mnist_local import Mnist, Split
from page import answer_view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

EACH = 6  # pictures of each condition; benchmarks/browser_parity.py takes ten thousand in all
DRAWN = 24  # digits in other people's shapes
MOST_OTHERWISE = 0.001  # share of answers that may differ from Python's
DRAWINGS = 15
READY = "Ready, without a connection too."


@pytest.fixture(scope="module")
def built(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, built."""
    needed()
    import build

    import exports

    folder, few = (
        tmp_path_factory.mktemp("browser") / "dist",
        Split(mnist.test.images[:500], mnist.test.labels[:500]),
    )
    with pytest.MonkeyPatch.context() as patch:  # its parity is tried in test_exports.py
        patch.setattr(build, "load_mnist", lambda: Mnist(mnist.train, few, few))
        patch.setattr(exports, "NO_DIGITS", replace(exports.NO_DIGITS, none=50))
        build.build(ROOT / "models" / "mnist_cnn.keras", folder)
    return folder


@pytest.fixture
def address(built: Path) -> Iterator[str]:
    with served(built) as (url, _):
        yield url


def opened(browser: "Browser", url: str, **options: Any) -> "Page":
    """Open the page, and wait until it needs its server no more."""
    context = browser.new_context(**options)
    context.add_init_script(static_page.LISTEN)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    page.locator("#state", has_text=READY).wait_for()
    return page


def settled(page: "Page") -> None:
    """Wait for the answer to what is now on the paper."""
    page.locator(".page-answer[aria-busy=false] .answer:not(.nothing)").wait_for()


def test_its_images_are_pythons(mnist: Mnist, classifier: Classifier) -> None:
    needed()
    pictures = many_pictures(mnist.validation, EACH, DRAWN, seed=11)
    otherwise, largest = static_page.held(pictures, classifier)
    assert otherwise <= MOST_OTHERWISE * len(pictures)
    assert largest < 1e-4  # not promised, but so it is


def test_drawings_without_a_server_are_answered_as_the_api_does(
    built: Path, browser: "Browser", classifier: Classifier
) -> None:
    with served(built) as (url, server):
        page = opened(browser, url)
        server.shutdown()
        server.server_close()
    page.context.set_offline(True)
    rng, sent = np.random.default_rng(5), []
    for number in range(DRAWINGS):
        if number:
            page.locator("[data-action=clear]").click()
        page.locator(".page-answer .answer.nothing").wait_for()
        page.locator(".pad-brush input").fill(str(2 * int(rng.integers(14, 45))))
        middle = rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58)
        size, slant = rng.uniform(0.45, 0.8), rng.uniform(-0.15, 0.25)
        hand.draw(page, hand.varied(number % 10, float(size), middle, float(slant)))
        settled(page)
        picture, answer = answered(page)
        assert page.locator(".answer-digit").inner_text().rstrip("?") == str(answer["digit"])
        sent.append((picture, answer))
    page.context.close()
    right = sum(answer["digit"] == number % 10 for number, (_, answer) in enumerate(sent))
    apart = []
    client = create_app(classifier, config.Settings()).test_client()
    for picture, answer in sent:
        response = client.post("/predict", data=picture, content_type="image/png")
        assert response.status_code == 200
        wanted = response.get_json()
        assert answer["digit"] == wanted["digit"]
        shares = np.subtract(answer["probabilities"], wanted["probabilities"])
        apart += [*shares, answer["is_digit"] - wanted["is_digit"]]
    largest = float(np.abs(apart).max())
    print(f"{right} of {DRAWINGS} right; largest difference to the API {largest:.1e}")
    assert right >= DRAWINGS - 1
    assert largest < 1e-4


def test_it_opens_again_without_a_connection(built: Path, browser: "Browser") -> None:
    with served(built) as (url, _):
        page = opened(browser, url)
        asked_for: list[str] = []
        page.context.on("request", lambda request: asked_for.append(request.url))
        page.reload()
        page.locator("#state", has_text=READY).wait_for()
    page.context.set_offline(True)
    page.reload()
    page.locator("#state", has_text=READY).wait_for()
    hand.write(page, 4)
    settled(page)
    assert answered(page)[1]["digit"] == 4
    assert {each for each in asked_for if not each.startswith((url, "data:", "blob:"))} == set()
    page.context.close()


def test_pictures_are_opened_and_what_is_none_is_said(address: str, browser: "Browser") -> None:
    page = opened(browser, address)
    files = page.locator("input[type=file]")
    files.set_input_files(api_server.PICTURES / "eight.png")
    settled(page)
    assert answered(page)[1]["digit"] == 8
    files.set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.locator(".answer-words", has_text="no picture that the browser can read").wait_for()
    file = io.BytesIO()
    Image.new("L", (40, 40), 255).save(file, "PNG")
    files.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.locator(".answer-words", has_text="looks blank").wait_for()
    page.context.close()


def test_a_model_that_is_not_there_is_said(built: Path, browser: "Browser") -> None:
    with served(built) as (url, _):
        context = browser.new_context(service_workers="block")
        context.route("**/model.onnx", lambda route: route.fulfill(status=404))
        page = context.new_page()
        page.goto(url)
        page.locator("#state.wrong", has_text="could not be loaded").wait_for()
        hand.write(page, 3)
        page.locator(".answer-words", has_text="could not be loaded").wait_for()
        context.close()


def test_an_answer_is_told_as_the_other_page_tells_it(address: str, browser: "Browser") -> None:
    page = opened(browser, address, bypass_csp=True)
    rng = np.random.default_rng(2)
    for _ in range(40):
        shares = rng.dirichlet(np.full(10, rng.choice([0.02, 0.2])))
        ranked = np.argsort(-shares, kind="stable").tolist()
        answer = {
            "digit": ranked[0],
            "confidence": float(shares[ranked[0]]),
            "probabilities": shares.tolist(),
            "top": [{"digit": d, "confidence": float(shares[d])} for d in ranked[:3]],
            "is_digit": float(rng.choice([rng.uniform(), 0.999, 0.001])),
        }
        image = np.rint(255 * rng.random((28, 28, 1))).astype(np.float32) / 255
        given = [answer, image.ravel().tolist()]
        found = page.evaluate(
            """async ([answer, image]) => {
              const { panel } = await import("./answer_view.js");
              const place = document.createElement("div");
              place.innerHTML = panel(answer, Float32Array.from(image));
              place.querySelector("img").removeAttribute("src");
              return place.innerHTML;
            }""",
            given,
        )
        wanted = page.evaluate(
            """(html) => {
              const place = document.createElement("div");
              place.innerHTML = html;
              place.querySelector("img").removeAttribute("src");
              return place.innerHTML;
            }""",
            answer_view.of_answer(answer, image),
        )
        assert found == wanted
    page.context.close()


@pytest.mark.parametrize("window", WINDOWS)
def test_axe_finds_nothing_serious(
    address: str, browser: "Browser", axe_source: str, window: str
) -> None:
    context = browser.new_context(**WINDOWS[window], bypass_csp=True)
    context.add_init_script(axe_source)
    page = context.new_page()
    page.goto(address)
    page.locator("#state", has_text=READY).wait_for()
    faults = page.evaluate(RUN_AXE)
    hand.write(page, 7)
    settled(page)
    faults += page.evaluate(RUN_AXE)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    context.close()
    assert faults == []
