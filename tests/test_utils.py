"""Pictures brought to MNIST form by every method, blank ones told apart; files written whole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from samples import drawing, encoded

import config
import utils
from enhanced import NoInk
from utils import MalformedPicture, decode


@st.composite
def pictures(draw: st.DrawFn) -> Image.Image:
    """Any picture at all: evenly coloured, noise, a gradient, blots or lines; 1 to 600 pixels."""
    height, width = (int(2 ** draw(st.floats(0, 9.23))) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = np.full((height, width), draw(st.integers(0, 255)), np.uint8)
    content = draw(st.sampled_from(["even", "noise", "faint", "gradient", "blots"]))
    if content == "noise":
        pixels = rng.integers(0, 256, (height, width), np.uint8)
    elif content == "faint":
        pixels = np.clip(pixels + rng.normal(0, 3, (height, width)), 0, 255).astype(np.uint8)
    elif content == "gradient":
        pixels = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
    elif content == "blots":
        for _ in range(draw(st.integers(1, 5))):
            y, x = rng.integers(height), rng.integers(width)
            pixels[y : y + rng.integers(1, height + 1), x : x + rng.integers(1, width + 1)] = (
                rng.integers(256)
            )
    picture = Image.fromarray(pixels)
    return picture.convert("RGB") if draw(st.booleans()) else picture


@given(pictures(), st.sampled_from(config.PREPROCESSING_METHODS))
def test_any_picture_comes_to_mnist_form_or_is_refused(picture: Image.Image, method: str) -> None:
    before = picture.tobytes()
    try:
        image = utils.to_mnist_form(picture, method)
    except config.ReaderError as fault:
        assert str(fault)
    else:
        assert image.shape == (28, 28, 1)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert 0 < image.max() <= 1
    assert picture.tobytes() == before


@pytest.mark.parametrize("method", config.PREPROCESSING_METHODS)
@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 40), (40, 1), (1, 100), (100, 1), (2, 300)])
def test_a_strip_a_pixel_wide_comes_to_mnist_form_or_is_refused(
    method: str, size: tuple[int, int]
) -> None:
    picture = Image.new("L", size, 255)
    for share in (0.2, 0.6):  # two marks, where there is room
        left, top = int(share * size[0]), int(share * size[1])
        picture.paste(0, (left, top, left + 1 + size[0] // 10, top + 1 + size[1] // 10))
    try:
        image = utils.to_mnist_form(picture, method)
    except config.ReaderError as fault:
        assert str(fault)
    else:
        assert image.shape == (28, 28, 1)
        assert np.isfinite(image).all()


@pytest.mark.parametrize("method", ["enhanced", "basic"])
@pytest.mark.parametrize("level", [0, 1, 20, 128, 250, 255])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (100, 100), (640, 480)])
def test_an_even_page_has_no_ink(method: str, level: int, size: tuple[int, int]) -> None:
    with pytest.raises(NoInk, match="blank"):
        utils.to_mnist_form(Image.new("L", size, level), method)


@pytest.mark.parametrize("colour", [(0, 0, 0, 0), (255, 255, 255, 0), (10, 200, 90, 0)])
def test_a_transparent_canvas_is_blank(colour: tuple[int, int, int, int]) -> None:
    picture = decode(encoded(Image.new("RGBA", (60, 60), colour), "PNG"))
    for method in ("enhanced", "basic"):
        with pytest.raises(NoInk):
            utils.to_mnist_form(picture, method)


@pytest.mark.parametrize("method", ["enhanced", "basic"])
@pytest.mark.parametrize("level", [2, 128, 253])
@pytest.mark.parametrize("side", [28, 60, 100, 300, 800])
def test_a_page_with_faint_noise_has_no_ink(method: str, level: int, side: int) -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(-2, 3, (side, side))
        with pytest.raises(NoInk):
            utils.to_mnist_form(Image.fromarray((level + noise).astype(np.uint8)), method)


def test_the_methods_are_those_of_the_configuration() -> None:
    assert tuple(utils.METHODS) == config.PREPROCESSING_METHODS
    assert config.DEFAULT_PREPROCESSING in utils.METHODS


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(MalformedPicture, match=r"'magic' is unknown: .*enhanced, basic, none"):
        utils.to_mnist_form(drawing(), "magic")


def test_none_takes_a_picture_in_mnist_form_as_it_is() -> None:
    pixels = np.asarray(drawing().resize((28, 28)))
    image = utils.to_mnist_form(Image.fromarray(pixels), "none")
    np.testing.assert_allclose(image[..., 0], pixels / 255, atol=1e-6)
    with pytest.raises(NoInk):
        utils.to_mnist_form(Image.new("L", (28, 28), 0), "none")


@pytest.mark.parametrize("size", [(27, 28), (28, 29), (280, 280), (1, 1)])
def test_none_takes_no_other_size(size: tuple[int, int]) -> None:
    with pytest.raises(MalformedPicture, match=rf"{size[0]}x{size[1]}.*28x28"):
        utils.to_mnist_form(Image.new("L", size, 9), "none")


@pytest.mark.parametrize("paper", [255, 0])
def test_basic_squashes_and_turns_the_ink_light(paper: int) -> None:
    picture = Image.new("L", (280, 560), paper)
    picture.paste(255 - paper, (70, 140, 210, 420))
    expected = np.zeros((28, 28))
    expected[7:21, 7:21] = 1
    image = utils.to_mnist_form(picture, "basic")[..., 0]
    assert np.abs(image - expected)[8:20, 8:20].max() < 0.01
    assert np.abs(image - expected).mean() < 0.05


def test_a_file_appears_whole_when_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "table.csv"
    with utils.atomic_path(target) as aside:
        assert aside.suffix == ".csv"
        aside.write_text("half")
        assert not target.exists()
        aside.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("fault", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_file_that_was_there(tmp_path: Path, fault: BaseException) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(type(fault)), utils.atomic_path(target) as aside:
        aside.write_text("ne")
        raise fault
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_no_file_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), utils.atomic_path(tmp_path / "a.png") as aside:
        aside.write_text("ha")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []
