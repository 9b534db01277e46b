"""The pad in a real browser: digits by many hands, pictures of every kind, many visitors."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hand import HANDS, draw, smooth, varied, write
from page_window import (
    CONTRASTS,
    choose,
    expect_digit,
    expect_words,
    mnist_picture,
    png,
    tap_clear,
)
from PIL import Image, ImageOps

import config

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAUSE = 0.1  # seconds at least between two questions, as in page/pad/asking.js
EXAMPLES = Path(__file__).resolve().parent.parent / "page" / "examples"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Size and middle in shares of the pad, slant, and the brush in 784ths: a hand a line.
HANDWRITING = (
    (0.34, (0.25, 0.3), 0.0, 22),
    (0.88, (0.5, 0.5), 0.2, 84),
    (0.6, (0.6, 0.42), -0.2, 56),
    (0.45, (0.72, 0.7), 0.3, 34),
    (0.8, (0.45, 0.52), 0.0, 20),
)
WINDOWS: dict[Literal["dark", "light"], tuple[int, int]] = {
    "dark": (390, 844),
    "light": (1000, 740),
}
LETTER = [smooth(line) for line in ("30,80 50,18 70,80", "38,58 62,58")]
# To and fro, up and down, until the pad's middle is black.
HATCHING = [(0.2 + 0.6 * step / 24, 0.25 + 0.5 * (step % 2)) for step in range(25)]
BLOT = [HATCHING, [(y, x) for x, y in HATCHING]]
BOX = """() => {
    const part = (inner, outer) => [
        (inner.left - outer.left) / outer.width, (inner.top - outer.top) / outer.height,
        (inner.right - outer.left) / outer.width, (inner.bottom - outer.top) / outer.height];
    const at = (name) => document.querySelector(name).getBoundingClientRect();
    return part(at(".pad-box"), at(".pad canvas"));
}"""
COLOUR = """(canvas, [x, y]) => [...canvas.getContext("2d")
    .getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3)"""
Open = Callable[..., "Page"]


def settled(page: "Page") -> None:
    """Wait until the answer stays: the part of the picture that was read is framed."""
    page.locator(".pad-box:visible").wait_for()


def clear(page: "Page", touch: bool = False) -> None:
    if touch:
        page.wait_for_timeout(300)  # nobody taps sooner, and the browser would take it for a slip
        tap_clear(page)
    else:
        page.get_by_role("button", name="Clear").click()
    page.locator(".pad-paper.empty").wait_for()


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_digits_of_every_size_place_slant_and_brush_are_read(open_page: Open, touch: bool) -> None:
    page = open_page(**(PHONE if touch else {}))
    misread = []
    for digit in (5, 9) if touch else (2, 3, 4, 5, 6):  # those that no other test writes
        size, middle, slant, brush = HANDWRITING[(digit + 2 * touch) % len(HANDWRITING)]
        page.get_by_label("Brush").fill(str(brush))
        draw(page, varied(digit, size, middle, slant), touch)
        settled(page)
        said = page.locator(".answer-digit").inner_text()
        if said != str(digit):
            misread.append((digit, said))
        texts = page.locator(".bar-share").all_inner_texts()
        shares = [float(text.rstrip("%")) for text in texts]
        assert len(shares) == config.CLASSES
        assert 99 < sum(shares) < 101
        assert shares[digit] == max(shares) or misread
        left, top, right, bottom = page.evaluate(BOX)
        assert abs(max(right - left, bottom - top) - size - brush / 784) < 0.08
        clear(page, touch)
        assert not page.locator(".pad-box").is_visible()
    assert misread == []


def test_the_answer_follows_the_pen_one_question_at_a_time(open_page: Open) -> None:
    page = open_page()
    under_way, most, asked = [0], [0], [0]

    def count(step: int) -> Callable[[Any], None]:
        def counted(request: Any) -> None:
            if "component_server" in request.url:
                under_way[0] += step
                most[0] = max(most[0], under_way[0])
                asked[0] += step > 0

        return counted

    page.on("request", count(1))
    page.on("requestfinished", count(-1))
    box = page.locator(".pad canvas").bounding_box()
    assert box
    path = [
        (box["x"] + x * box["width"], box["y"] + y * box["width"])
        for x, y in smooth(HANDS[2][0], 8)
    ]
    begun = time.monotonic()
    page.mouse.move(*path[0])
    page.mouse.down()
    for point in path[1:]:
        page.mouse.move(*point)
    expect_digit(page, 2)  # the pen is still down
    assert not page.locator(".pad-box").is_visible()
    busy = page.locator(".page-answer [aria-busy=true]")
    assert busy.count() == 1  # nothing is read out yet
    page.mouse.up()
    settled(page)
    assert busy.count() == 0
    assert most == [1]
    assert 2 <= asked[0] <= (time.monotonic() - begun) / PAUSE + 2


def test_the_brush_is_a_fourteenth_and_obeys_the_keyboard(open_page: Open) -> None:
    page = open_page()

    def ink() -> float:
        black = """canvas => {
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let dark = 0;
            for (let i = 0; i < pixels.data.length; i += 4) dark += pixels.data[i] < 128;
            return dark / canvas.width ** 2; }"""
        settled(page)
        return float(page.locator(".pad canvas").evaluate(black))

    brush = page.get_by_label("Brush")
    assert float(brush.input_value()) / 784 == pytest.approx(1 / 14)
    line = [[(0.3, 0.5), (0.5, 0.5), (0.7, 0.5)]]
    draw(page, line)
    usual = ink()
    assert usual == pytest.approx(0.4 / 14, rel=0.3)
    clear(page)
    brush.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    draw(page, line)
    assert ink() > 1.3 * usual


def test_doubt_is_seen_and_goes_away(open_page: Open) -> None:
    from playwright.sync_api import expect

    page = open_page()
    digit = page.locator(".answer-digit")
    for (scheme, (width, height)), strokes in zip(WINDOWS.items(), (BLOT, LETTER), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.reload()
        page.locator(".pad-paper.empty").wait_for()
        colours = []
        draw(page, strokes)
        expect_words(page, "This does not look like one digit (most like ")
        for doubted in (True, False):
            if not doubted:
                page.get_by_role("button", name="Clear").click()
                expect_words(page, "No ink yet")
                expect(page.locator(".answer-small")).to_have_count(0)
                write(page, 1)
                expect_digit(page, 1)
            expect(page.locator(".answer-small")).to_contain_text("Likeness to one digit: ")
            assert page.locator(".answer.doubtful").count() == doubted
            assert digit.inner_text().endswith("?") == doubted
            colours.append(digit.evaluate("element => getComputedStyle(element).color"))
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 20
            assert [text for text in contrasts if text[1] < 4.5] == []  # WCAG 2.2, level AA
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert colours[0] != colours[1]


def phone_photo(digit: Image.Image) -> bytes:
    """Return a JPEG that lies on its side, with the EXIF note that says so."""
    turned = digit.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    note = Image.Exif()
    note[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=note, quality=90)
    return file.getvalue()


def test_pictures_of_every_kind_are_opened_and_seen_upright_and_keep_their_shape(
    open_page: Open,
) -> None:
    page = open_page()
    content, label = mnist_picture(0)  # a 7
    upright = Image.open(io.BytesIO(content))
    sheet = ImageOps.expand(upright, (0, 60, 0, 0), 255)
    marked = sheet.convert("RGB")
    marked.paste((250, 150, 150), (0, 0, 280, 30))  # a faint strip above
    ink = Image.new("RGBA", upright.size, (0, 0, 90))
    ink.putalpha(ImageOps.invert(upright))
    light = Image.new("RGBA", upright.size, (255, 255, 255))
    light.putalpha(ImageOps.invert(upright))
    canvas = page.locator(".pad canvas")
    for name, file, place, colour in (
        ("turned.jpg", phone_photo(marked), (0.5, 0.03), (250, 150, 150)),
        ("dark_ink.png", png(ink), (0.02, 0.02), (255, 255, 255)),
        ("light_ink.png", png(light), (0.02, 0.02), (0, 0, 0)),
        ("light_on_dark.png", png(ImageOps.invert(upright)), (0.02, 0.02), (0, 0, 0)),
    ):
        choose(page, name, file)
        settled(page)
        expect_digit(page, label)
        seen = canvas.evaluate(COLOUR, place)
        assert max(abs(a - b) for a, b in zip(seen, colour, strict=True)) < 12, name
    left, top, right, bottom = page.evaluate(BOX)
    ink_at = ImageOps.invert(upright).point(lambda level: 255 * (level > 128)).getbbox()
    assert ink_at
    found = [edge / 280 for edge in ink_at]
    assert max(abs(a - b) for a, b in zip((left, top, right, bottom), found, strict=True)) < 0.05
    tall = ImageOps.expand(upright, (0, 0, 0, 280), 255)  # digit on top
    clear(page)
    choose(page, "tall.png", png(tall))
    settled(page)
    expect_digit(page, label)
    left, top, right, bottom = page.evaluate(BOX)
    assert 0.25 < left < right < 0.75
    assert top < bottom < 0.5


def test_examples_open_by_mouse_and_keyboard(open_page: Open) -> None:
    page = open_page()
    examples = page.locator(".page-example")
    assert examples.count() == len(list(EXAMPLES.iterdir()))
    page.get_by_role("button", name="A 5 with a thick marker").click()
    expect_digit(page, 5)
    page.get_by_role("button", name="A 6 in chalk").focus()
    page.keyboard.press("Enter")
    expect_digit(page, 6)
    page.get_by_role("button", name="between 4 and 9").click()
    expect_words(page, "ikely")
    page.get_by_role("button", name="A scribble").click()
    expect_words(page, "does not look like one digit")
    for example in examples.all():
        assert example.locator("img").get_attribute("alt")


def test_visitors_at_once_get_each_their_own_answer(open_page: Open) -> None:
    pages = [open_page(viewport={"width": 800, "height": 600}) for _ in range(2)]
    hands = []
    for digit, page in enumerate(pages):
        box = page.locator(".pad canvas").bounding_box()
        assert box
        hands.append(
            [
                (kind, box["x"] + x * box["width"], box["y"] + y * box["height"])
                for line in HANDS[digit]
                for number, (x, y) in enumerate(smooth(line, 1))
                for kind in ((["up"] if number == 0 else []) + ["move"] + ["down"] * (number == 0))
            ]
        )
    for step in range(max(map(len, hands))):
        for page, hand in zip(pages, hands, strict=True):
            if step < len(hand):
                kind, x, y = hand[step]
                page.mouse.move(x, y) if kind == "move" else getattr(page.mouse, kind)()
    for digit, page in enumerate(pages):
        page.mouse.up()
        expect_digit(page, digit)
        settled(page)
