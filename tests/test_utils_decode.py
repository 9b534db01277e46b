"""Pictures decoded: every kind that people send comes out upright, opaque and on paper."""

import base64
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from samples import drawing, encoded, png

from utils import decode


def assert_shows(picture: Image.Image, expected: Image.Image, tolerance: float = 1.0) -> None:
    """Compare brightness; tolerance: the mean difference that a lossy format may make."""
    assert picture.mode in ("L", "RGB")
    assert picture.size == expected.size
    found, wanted = (np.asarray(p.convert("L"), float) for p in (picture, expected))
    assert np.abs(found - wanted).mean() <= tolerance


def as_mode(mode: str) -> Image.Image:
    if mode in ("I", "I;16"):
        values = np.asarray(drawing(), np.uint16) * 257
        return Image.fromarray(values if mode == "I;16" else values.astype(np.int32))
    if mode == "F":
        return Image.fromarray(np.asarray(drawing(), np.float32) / 255)
    return drawing().convert(mode)


KINDS = [
    *(("PNG", mode) for mode in ("1", "L", "P", "RGB", "LA", "RGBA", "I;16")),
    *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    *(("GIF", mode) for mode in ("1", "L", "P", "RGB")),
    *(("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *(("WEBP", mode) for mode in ("L", "RGB", "RGBA")),
    ("MPO", "RGB"),
]


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_every_kind_of_picture_shows_the_same(kind: str, mode: str, tmp_path: Path) -> None:
    content = encoded(as_mode(mode), kind)
    tolerance = {"JPEG": 6.0, "MPO": 6.0, "WEBP": 6.0}.get(kind, 0.5)
    assert_shows(decode(content), drawing(), tolerance)
    (tmp_path / "picture").write_bytes(content)
    assert_shows(decode(tmp_path / "picture"), drawing(), tolerance)
    assert_shows(decode(base64.b64encode(content).decode()), drawing(), tolerance)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "LA", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"]
)
def test_a_pillow_image_of_any_mode_shows_the_same(mode: str) -> None:
    assert_shows(decode(as_mode(mode)), drawing())


UPRIGHT_TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def photo(orientation: int, kind: str = "JPEG") -> bytes:
    """The drawing as a camera held that way stores it."""
    turn = UPRIGHT_TO_STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(drawing() if turn is None else drawing().transpose(turn), kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "MPO"])
@pytest.mark.parametrize("orientation", UPRIGHT_TO_STORED)
def test_a_photo_is_turned_upright(orientation: int, kind: str) -> None:
    assert_shows(decode(photo(orientation, kind)), drawing(), tolerance=6.0)


@pytest.mark.parametrize("orientation", UPRIGHT_TO_STORED)
def test_a_photo_opened_with_pillow_is_turned_upright(orientation: int) -> None:
    assert_shows(decode(Image.open(io.BytesIO(photo(orientation)))), drawing(), tolerance=6.0)


def test_sixteen_bit_colour_becomes_eight_bit() -> None:
    row = struct.pack(">60H", *([0, 0, 0] * 10 + [65_535, 65_535, 65_535] * 10))
    expected = Image.new("L", (20, 8), 255)
    expected.paste(0, (0, 0, 10, 8))
    assert_shows(decode(png(20, 8, 16, 2, row)), expected)


def test_sixteen_bit_grey_keeps_its_levels() -> None:
    row = struct.pack(">256H", *(level * 257 for level in range(256)))
    levels = np.asarray(decode(png(256, 2, 16, 0, row)), int)[0]
    assert np.abs(levels - np.arange(256)).max() <= 1


def test_a_palette_with_transparency_is_laid_on_paper() -> None:
    picture = drawing().convert("1").convert("P")
    white = picture.getpixel((0, 0))
    assert_shows(decode(encoded(picture, "PNG", transparency=white)), drawing())
    assert_shows(decode(encoded(picture, "GIF", transparency=white)), drawing())


def ink_on_nothing(colour: tuple[int, int, int]) -> Image.Image:
    """The hook in a colour, all around it transparent."""
    picture = Image.new("RGBA", drawing().size, (*colour, 0))
    picture.paste((*colour, 255), mask=drawing().point(lambda level: 255 - level))
    return picture


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 0, 160), (255, 230, 80)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_ink_on_a_transparent_canvas_survives(kind: str, colour: tuple[int, int, int]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    found = np.asarray(decode(encoded(ink_on_nothing(colour), kind, **options)).convert("L"), float)
    ink = np.asarray(drawing()) == 0
    assert abs(found[ink].mean() - found[~ink].mean()) > 90
    assert found[~ink].std() == 0


def test_grey_with_alpha_survives() -> None:
    for colour in ((0, 0, 0), (255, 255, 255)):
        found = np.asarray(decode(encoded(ink_on_nothing(colour).convert("LA"), "PNG")))
        assert np.ptp(found) == 255


def test_what_hides_under_full_transparency_is_not_seen() -> None:
    picture = drawing().convert("RGBA")
    picture.putalpha(0)
    assert np.ptp(np.asarray(decode(picture))) == 0


def test_an_animation_shows_its_first_frame() -> None:
    other = [Image.new("L", (40, 30), 0), Image.new("L", (40, 30), 128)]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        frames = encoded(drawing(), kind, save_all=True, append_images=other, **options)
        assert_shows(decode(frames), drawing())


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "data:image/png;base64,{}",
        "data:;base64,{}",
        "data:image/png;charset=x;base64,{}",
        "  {}\n",
    ],
)
def test_base64_text_and_data_urls_are_read(form: str) -> None:
    text = base64.b64encode(encoded(drawing(), "PNG")).decode()
    assert_shows(decode(form.format(text)), drawing())
    assert_shows(
        decode(form.format("\r\n".join(text[i : i + 76] for i in range(0, 999, 76)))), drawing()
    )


WHOLE = np.asarray(drawing())


@pytest.mark.parametrize(
    "array",
    [
        WHOLE,
        WHOLE[..., None],
        WHOLE.astype(int),
        WHOLE.astype(np.float64),
        WHOLE / 255,
        (WHOLE / 255).astype(np.float16),
        WHOLE > 0,
        (WHOLE > 0).astype(int),
        np.stack([WHOLE] * 3, axis=-1),
        np.stack([WHOLE] * 3, axis=-1) / 255,
        np.stack([WHOLE] * 3 + [np.full_like(WHOLE, 255)], axis=-1),
        np.stack([0 * WHOLE] * 3 + [255 - WHOLE], axis=-1),
        WHOLE[::-1][::-1].T.copy(order="F").T,
    ],
)
def test_arrays_of_either_range_show_the_same(array: np.ndarray) -> None:
    before = array.copy()
    assert_shows(decode(array), drawing())
    np.testing.assert_array_equal(array, before)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_an_array_of_bytes_is_taken_as_it_is(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    assume(pixels.max() > 1)
    np.testing.assert_array_equal(np.asarray(decode(pixels)), pixels)
