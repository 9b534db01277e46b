"""What the enhanced method leaves out on clean paper would not have changed a thing."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import enhanced
import flat_paper
from enhanced import Ink, NoInk, enhance
from utils import decode, to_mnist_form

shares = st.floats(-0.05, 1.05)


@dataclass(frozen=True)
class Drawing:
    """Lines of one level on paper of another, and perhaps a few stray pixels."""

    size: tuple[int, int]
    paper: int
    ink: int
    lines: list[list[tuple[float, float]]]
    width: float  # of the shorter side
    specks: list[tuple[float, float, int]]

    def picture(self) -> Image.Image:
        page = Image.new("L", self.size, self.paper)
        brush, (width, height) = ImageDraw.Draw(page), self.size
        pen = max(1, round(self.width * min(self.size)))
        for line in self.lines:
            brush.line([(x * width, y * height) for x, y in line], self.ink, pen, "curve")
        for x, y, level in self.specks:
            page.putpixel((int(x * (width - 1)), int(y * (height - 1))), level)
        return page


points = st.tuples(shares, shares)
drawings = st.builds(
    Drawing,
    size=st.one_of(
        st.sampled_from([(28, 28), (56, 56), (280, 280), (224, 224), (300, 200)]),
        st.tuples(st.integers(5, 300), st.integers(5, 300)),
    ),
    paper=st.one_of(st.sampled_from([0, 255]), st.integers(0, 255)),
    ink=st.integers(0, 255),
    lines=st.lists(st.lists(points, min_size=2, max_size=5), min_size=1, max_size=3),
    width=st.floats(0.005, 0.15),
    specks=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 255)), max_size=3),
)


def seven(size: int, paper: int, ink: int) -> Image.Image:
    line = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]
    return Drawing((size, size), paper, ink, [line], 0.08, []).picture()


def the_long_way(shrunk: np.ndarray) -> np.ndarray:
    """Return the ink as it is found where no paper counts as clean."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_paper, "ROUNDING", -2.0)
        return flat_paper.flat_ink(shrunk)


@given(drawings)
def test_clean_paper_gives_the_ink_of_the_long_way(drawing: Drawing) -> None:
    shrunk = enhanced._shrunk(drawing.picture())
    np.testing.assert_allclose(flat_paper.flat_ink(shrunk), the_long_way(shrunk), atol=3e-6)


@pytest.mark.parametrize("size", [28, 100, 280])
@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (200, 40), (0, 255), (30, 180)])
def test_clean_paper_is_not_closed(
    size: int, paper: int, ink: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the shortcut is there at all."""
    monkeypatch.delattr(flat_paper, "_closed")
    assert enhance(seven(size, paper, ink)).max() > 0.9


@given(drawings)
def test_a_window_gives_the_digit_of_the_whole_picture(drawing: Drawing) -> None:
    ink = flat_paper.flat_ink(enhanced._shrunk(drawing.picture()))
    whole = Ink(ink, 0, 0, (ink.shape[0], ink.shape[1]))
    try:
        labels, parts = enhanced.find_digit(whole)
    except NoInk:
        with pytest.raises(NoInk):
            enhanced.find_digit(enhanced._windowed(ink))
        return
    window = enhanced._windowed(ink)
    found_labels, found = enhanced.find_digit(window)
    assert [part[2:] for part in found] == [part[2:] for part in parts]
    np.testing.assert_array_equal(
        enhanced._cut_out(window, found_labels, found), enhanced._cut_out(whole, labels, parts)
    )


def test_the_window_of_a_drawing_is_smaller() -> None:
    page = seven(280, 255, 0)
    window = enhanced._windowed(flat_paper.flat_ink(enhanced._shrunk(page)))
    assert window.shape == (224, 224)
    assert window.pixels.size < 0.6 * 224 * 224
    assert 0 < window.left < 224 * 0.3 and 0 < window.top < 224 * 0.25


@pytest.mark.parametrize("paper", [0, 128, 255])
@pytest.mark.parametrize("size", [28, 280])
def test_one_pixel_of_noise_on_even_paper_is_no_digit(size: int, paper: int) -> None:
    page = Image.new("L", (size, size), paper)
    with pytest.raises(NoInk):
        enhance(page)
    page.putpixel((size // 2, size // 3), paper - 10 if paper else 10)
    with pytest.raises(NoInk):
        enhance(page)


@given(drawings)
def test_grey_in_the_form_of_colour_is_the_same_picture(drawing: Drawing) -> None:
    page = drawing.picture()
    try:
        image = to_mnist_form(page)
    except NoInk:
        with pytest.raises(NoInk):
            to_mnist_form(page.convert("RGB"))
        return
    np.testing.assert_array_equal(to_mnist_form(page.convert("RGB")), image)


@given(drawings, st.sampled_from([(0, 0, 0), (255, 255, 255), (20, 40, 200), (250, 230, 10)]))
def test_transparent_ink_is_laid_on_paper_as_pillow_would(
    drawing: Drawing, colour: tuple[int, int, int]
) -> None:
    canvas = Image.new("RGBA", drawing.size, colour)
    canvas.putalpha(drawing.picture())
    dark = np.asarray(canvas.convert("L"))[0, 0] < 128
    alpha = np.asarray(canvas)[..., 3]
    sheet = Image.new("RGBA", canvas.size, "white" if dark or not alpha.any() else "black")
    expected = Image.alpha_composite(sheet, canvas).convert("RGB")
    assert decode(canvas).convert("RGB").tobytes() == expected.tobytes()
