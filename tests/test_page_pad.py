"""The pad's scripts with a server whose answers a test holds back: what is shown for which ink."""

import io
import random
from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from page import answer_view, read_tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAUSE = 100  # milliseconds, as in pad/asking.js
STYLES = (read_tab.PAD / "pad.css", read_tab.PAD.parent / "answer.css")
# Starts the pad with a server that keeps its questions in `questions` until a test answers them.
START = """([template, pad, answer, unfold, nothing]) => {
    document.body.innerHTML = `<div id="pad"></div><div id="answer">${nothing}</div>
        <div><details><summary>Why</summary><div class="unfold-body"></div></details></div>
        <label><input type="radio" name="preprocessing" value="basic">Basic</label>`;
    const [padPlace, answerPlace, viewPlace] = [...document.body.children];
    padPlace.innerHTML = template;
    window.questions = [];
    const server = { read: ({ picture }) => new Promise((done, failed) => {
        questions.push({ picture, done, failed });
    }) };
    const shown = { set value(html) { answerPlace.innerHTML = html; } };
    Function("element", "props", answer)(answerPlace, shown);
    const props = { max_bytes: 1e6, max_pixels: 1e6, preprocessing: "enhanced", nothing };
    const upload = async (file) => ({ path: file });
    Function("element", "props", "server", "upload", "trigger", pad)(
        padPlace, props, server, upload, () => {});
    const view = {};
    window.views = 0;  // how many were asked for
    const watch = (name, heard) => window.show = (html) => { view[name] = html; heard(); };
    Function("element", "props", "trigger", "watch", unfold)(
        viewPlace, view, () => { views += 1; }, watch);
}"""
ANSWER = """(number) => questions[number].done(
    { html: `<div class="answer">${number}</div>`, box: [0, 0, 1, 1] })"""
STATE = """() => {
    const place = document.getElementById("answer");
    return { settled: place.ariaBusy !== "true", text: place.textContent.trim(),
        mark: getComputedStyle(place.firstElementChild, "::after").content };
}"""
UNFOLD = """(open) => new Promise((done) => {
    const details = document.querySelector("details");
    details.addEventListener("toggle", done, { once: true });
    details.open = open;
})"""
LINE = ((0.3, 0.2), (0.5, 0.5), (0.7, 0.8))
OTHER_LINE = ((0.2, 0.8), (0.5, 0.6), (0.8, 0.2))


@pytest.fixture(scope="module")
def window(browser: "Browser") -> Iterator["Page"]:
    page = browser.new_page(viewport={"width": 500, "height": 900})
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))
    yield page
    page.context.close()


@pytest.fixture
def page(window: "Page") -> Iterator["Page"]:
    """The pad and its answer, with a clock that runs only when a test lets it."""
    faults: list[str] = []
    page = window
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto("about:blank")
    pad = "\n".join((read_tab.PAD / name).read_text("utf-8") for name in read_tab.SCRIPTS)
    answer = (read_tab.PAD / "answer.js").read_text("utf-8")
    template = (read_tab.PAD / "pad.html").read_text("utf-8")
    for style in STYLES:
        page.add_style_tag(content=style.read_text("utf-8"))
    unfold = (read_tab.PAD.parent / "unfold.js").read_text("utf-8")
    page.evaluate(START, [template, pad, answer, unfold, answer_view.of_nothing()])
    yield page
    page.mouse.up()
    assert faults == []


def asked(page: "Page") -> int:
    """Return how many questions there were, when no more are asked for what is on the paper."""
    page.clock.run_for(2 * PAUSE)
    return int(page.evaluate("questions.length"))


def answer(page: "Page", number: int) -> None:
    page.evaluate(ANSWER, number)
    page.clock.run_for(2 * PAUSE)


def settle(page: "Page") -> int:
    """Answer all that is asked about what is on the paper; return the last question's number."""
    while True:
        number = asked(page) - 1
        answer(page, number)
        if asked(page) - 1 == number:
            return number


def shown(page: "Page") -> tuple[str, bool]:
    """Return the answer that is shown, a question's number, and whether it is marked as settled."""
    state = page.evaluate(STATE)
    assert ("Reading" in state["mark"]) == (not state["settled"])
    return state["text"], state["settled"]


def move(page: "Page", place: tuple[float, float]) -> None:
    """Move the pen to a place in shares of the pad's side."""
    box = page.locator(".pad canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])


def press(page: "Page", place: tuple[float, float]) -> None:
    move(page, place)
    page.mouse.down()


def draw(page: "Page", first: tuple[float, float], *places: tuple[float, float]) -> None:
    press(page, first)
    for place in places:
        move(page, place)
    page.mouse.up()


def ink_of(url: str) -> np.ndarray:
    """Return the ink of a picture as 28 by 28 grey levels, 0 to 255, that can be compared."""
    picture = Image.open(io.BytesIO(b64decode(url.partition(",")[2]))).convert("L")
    return np.asarray(picture.resize((28, 28), Image.Resampling.BOX), float)


def belongs(page: "Page", number: int) -> bool:
    """Whether question `number` was about what is now seen on the paper."""
    page.clock.run_for(20)  # the paper is painted
    seen = ink_of(page.locator(".pad canvas").evaluate("canvas => canvas.toDataURL()"))
    about = ink_of(page.evaluate("number => questions[number].picture", number))
    return bool(np.abs(seen - about).max() < 30)


def test_new_ink_marks_the_answer_at_once_and_only_its_own_answer_settles(page: "Page") -> None:
    draw(page, *LINE)
    first = settle(page)
    assert shown(page) == (str(first), True)
    press(page, OTHER_LINE[0])  # nothing is asked yet, but the ink is there
    assert shown(page) == (str(first), False)
    assert not belongs(page, first)
    page.mouse.up()
    second = asked(page) - 1
    assert second == first + 1
    draw(page, *OTHER_LINE)  # while the second is awaited: a stroke more
    answer(page, second)
    assert shown(page) == (str(second), False)
    third = asked(page) - 1
    assert third == second + 1
    assert belongs(page, third)
    answer(page, third)
    assert shown(page) == (str(third), True)


def test_after_undo_clear_and_a_new_method_answers_to_what_was_there_are_dropped(
    page: "Page",
) -> None:
    draw(page, *LINE)
    first = settle(page)
    draw(page, *OTHER_LINE)
    second = asked(page) - 1
    page.get_by_role("button", name="Undo").click()
    assert shown(page) == (str(first), False)
    third = asked(page) - 1
    assert third == second + 1
    assert belongs(page, third)
    page.get_by_label("Basic").check()
    fourth = asked(page) - 1
    assert fourth == third + 1
    answer(page, fourth)  # the answers come in another order than the questions
    assert shown(page) == (str(fourth), True)
    for late in (third, second):
        answer(page, late)
        assert shown(page) == (str(fourth), True)
    draw(page, *OTHER_LINE)
    fifth = asked(page) - 1
    page.get_by_role("button", name="Clear").click()
    text, settled = shown(page)
    assert text.startswith("?No ink yet")
    assert settled
    answer(page, fifth)
    assert shown(page) == (text, True)


def test_a_question_that_fails_leaves_the_earlier_answer_marked(page: "Page") -> None:
    draw(page, *LINE)
    first = settle(page)
    draw(page, *OTHER_LINE)
    page.evaluate("number => questions[number].failed(new Error())", asked(page) - 1)
    page.locator(".pad-status", has_text="could not be sent").wait_for()
    assert shown(page) == (str(first), False)


def test_a_view_of_an_earlier_answer_is_marked_and_a_new_one_awaits_the_answer(
    page: "Page",
) -> None:
    body = page.locator(".unfold-body")
    draw(page, *LINE)
    settle(page)
    page.evaluate(UNFOLD, True)
    assert page.evaluate("views") == 1
    page.evaluate("show('<p>a view</p>')")
    assert body.get_attribute("aria-busy") == "false"
    draw(page, *OTHER_LINE)
    assert body.get_attribute("aria-busy") == "true"
    for is_open in (False, True):  # it is not asked for anew: the answer is not there yet
        page.evaluate(UNFOLD, is_open)
    assert page.evaluate("views") == 1
    settle(page)
    page.clock.run_for(500)
    assert page.evaluate("views") == 2
    page.evaluate("show('<p>another view</p>')")
    assert body.get_attribute("aria-busy") == "false"


def test_whatever_is_done_in_whatever_order_a_settled_answer_belongs_to_the_ink(
    page: "Page",
) -> None:
    """A long walk of random acts; after each, what is marked as settled is held to the paper."""
    rng = random.Random(3)
    down, compared = False, 0
    for _ in range(70):
        act = rng.choice(["pen", "pen", "move", "answer", "answer", "answer", "undo"])
        place = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)
        if act == "pen":
            page.mouse.up() if down else press(page, place)
            down = not down
        elif act == "move":
            move(page, place)
        elif act == "undo":  # also with the pen down, by the keyboard
            page.keyboard.press("Control+z")
        elif count := page.evaluate("questions.length"):
            answer(page, max(0, count - rng.choice([1, 1, 1, 1, 2])))
        page.clock.run_for(rng.choice([0, 2 * PAUSE]))
        text, settled = shown(page)
        if settled and text.isdigit():
            assert belongs(page, int(text)), act
            compared += 1
    assert compared > 6
