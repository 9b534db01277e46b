"""Pictures that are none, damaged, hostile or too large: refused by name, quickly, and only so."""

import base64
import io
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from samples import drawing, encoded, png

import config
import utils
from utils import (
    MalformedPicture,
    PictureError,
    UnreadablePicture,
    UnsupportedPicture,
    decode,
)

PNG, JPEG = encoded(drawing(), "PNG"), encoded(drawing(), "JPEG")
TEXT = b"This is no picture, whatever its name says.\n" * 20


@pytest.mark.parametrize(
    ("source", "fault", "words"),
    [
        (b"", UnsupportedPicture, "0 bytes"),
        (TEXT, UnsupportedPicture, "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + TEXT, PictureError, "PNG"),
        ("", UnsupportedPicture, "0 bytes"),
        ("not base64!", MalformedPicture, "base64"),
        ("data:image/png,%89PNG", MalformedPicture, "base64"),
        ("data:image/png;base64,####", MalformedPicture, "base64"),
        ("é" * 8, MalformedPicture, "base64"),
        (base64.b64encode(TEXT).decode(), UnsupportedPicture, "not a picture"),
        (Path("nowhere.png"), UnreadablePicture, "nowhere.png"),
        (np.zeros((0, 5)), MalformedPicture, "(0, 5)"),
        (np.zeros(784), MalformedPicture, "(784,)"),
        (np.array(7), MalformedPicture, "()"),
        (np.zeros((8, 8, 2)), MalformedPicture, "(8, 8, 2)"),
        (np.zeros((1, 8, 8, 3)), MalformedPicture, "(1, 8, 8, 3)"),
        (np.full((8, 8), np.nan), MalformedPicture, "nan"),
        (np.where(np.eye(8), np.inf, 0), MalformedPicture, "inf"),
        (np.eye(8) - 0.5, MalformedPicture, "-0.5"),
        (np.eye(8) * 256, MalformedPicture, "256"),
        (np.full((8, 8), "x"), MalformedPicture, "expected numbers"),
        (np.full((8, 8), None), MalformedPicture, "expected numbers"),
        (np.eye(8) * 1j, MalformedPicture, "expected numbers"),
        (np.zeros((8, 8), "M8[s]"), MalformedPicture, "expected numbers"),
        (np.zeros((8, 8), "m8[s]"), MalformedPicture, "expected numbers"),
        (Image.new("L", (0, 5)), MalformedPicture, "0x5"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_fault(
    source: utils.Source, fault: type[PictureError], words: str
) -> None:
    with pytest.raises(fault) as caught:
        decode(source)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


REFUSED = {  # by Pillow's name, and what the refusal calls it
    "TIFF": "TIFF",
    "PPM": "PNM",
    "ICO": "ICO",
    "JPEG2000": "JPEG 2000",
    "AVIF": "AVIF",
    "PDF": "PDF",
    "EPS": "EPS",
    "DDS": "DDS",
    "ICNS": "ICNS",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_format_that_is_not_read_is_refused_by_its_name(kind: str) -> None:
    picture = Image.new("RGB", (64, 64), "white")
    with pytest.raises(UnsupportedPicture, match=r"PNG, JPEG, WebP, BMP or GIF") as caught:
        decode(encoded(picture, kind))
    assert f"{REFUSED[kind]}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- made by -->\n<svg width='9'/>", "SVG"),
        (b"8BPS\0\1" + bytes(20), "Photoshop"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"),
        (b"\0\0\0\x18ftypmif1" + bytes(20), "HEIC"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"MM\0+" + bytes(20), "TIFF"),
        (b"\0\0\2\0" + bytes(20), "ICO"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not a picture"),
        (b"<?xml version='1.0'?><html/>", "not a picture"),
    ],
)
def test_other_kinds_of_file_are_refused(content: bytes, name: str) -> None:
    with pytest.raises(UnsupportedPicture, match=name) as caught:
        decode(content)
    assert "send PNG, JPEG, WebP, BMP or GIF" in str(caught.value)


@pytest.mark.parametrize("kind", ["TGA", "PCX", "SGI", "XBM", "IM", "MSP", "SPIDER"])
def test_the_formats_of_other_times_are_no_pictures_here(kind: str) -> None:
    """Pillow reads them; no reader of it but the five is ever asked."""
    mode = {"XBM": "1", "MSP": "1", "SPIDER": "F"}.get(kind, "L")
    with pytest.raises(UnsupportedPicture, match="not a picture"):
        decode(encoded(Image.new(mode, (64, 64)), kind))


def test_a_palette_png_without_its_palette_is_refused() -> None:
    """Pillow notices only when it is asked whether such a picture is transparent."""
    content = encoded(drawing().convert("P"), "PNG")
    start, end = content.index(b"PLTE") - 4, content.index(b"IDAT") - 4
    with pytest.raises(UnreadablePicture, match="damaged"):
        decode(content[:start] + content[end:])


# Pillow warns of the damage that it is shown here; what counts is what comes of it.
quietly = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

FILES = {
    "PNG": PNG,
    "palette PNG": encoded(drawing().convert("P"), "PNG", transparency=3),
    "16-bit PNG": png(20, 20, 16, 2, bytes(120)),
    "JPEG": JPEG,
    "colour JPEG": encoded(drawing().convert("CMYK"), "JPEG", quality=30),
    "progressive JPEG": encoded(drawing().convert("RGB"), "JPEG", progressive=True),
    "GIF": encoded(drawing(), "GIF"),
    "WebP": encoded(drawing(), "WEBP"),
    "BMP": encoded(drawing().convert("1"), "BMP"),
}


def decoded_or_refused(content: bytes) -> Image.Image | None:
    """Return the picture, or None if it is refused as promised; anything else fails the test."""
    try:
        picture = decode(content)
    except PictureError as fault:
        assert str(fault)
        return None
    assert picture.mode in ("L", "RGB")
    assert picture.width * picture.height > 0
    return picture


@quietly
@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused_or_whole(name: str) -> None:
    content = FILES[name]
    whole = decode(content)
    for length in range(len(content)):
        picture = decoded_or_refused(content[:length])
        assert picture is None or picture.size == whole.size


@quietly
@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_refused(name: str) -> None:
    content = FILES[name]
    with pytest.raises(UnreadablePicture, match="damaged or cut short"):
        decode(content[: len(content) * 6 // 10])


@pytest.mark.parametrize("content", [PNG, JPEG])
def test_a_pillow_image_of_a_file_cut_short_is_refused(content: bytes) -> None:
    lazy = Image.open(io.BytesIO(content[: len(content) * 7 // 10]))
    with pytest.raises(UnreadablePicture):
        decode(lazy)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(content: bytes) -> None:
    decoded_or_refused(content)


@given(
    st.sampled_from(
        [
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"GIF89a",
            b"BM",
            b"RIFF\0\1\0\0WEBPVP8 ",
        ]
    ),
    st.binary(max_size=200),
)
@quietly
def test_random_bytes_behind_the_mark_of_a_format_are_refused(mark: bytes, rest: bytes) -> None:
    decoded_or_refused(mark + rest)


@quietly
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_file_with_some_bytes_altered_is_read_or_refused(
    name: str, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(FILES[name])
    for place, value in changes:
        content[place % len(content)] = value
    decoded_or_refused(bytes(content))


@given(st.text(max_size=200))
def test_random_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(PictureError):
        decode(text)


def test_a_small_file_of_400_million_pixels_is_refused_at_once() -> None:
    bomb = png(20_000, 20_000, 1, 0, bytes(2_500))
    assert len(bomb) < 100_000
    begun = time.process_time()
    with pytest.raises(UnreadablePicture, match=f"pixels: at most {config.Settings.max_pixels:,}"):
        decode(bomb)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("side", [7_100, 10_000, 13_000])
def test_a_picture_somewhat_too_large_is_refused_without_a_warning(side: int) -> None:
    large = png(side, side, 1, 0, bytes((side + 7) // 8))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(UnreadablePicture, match=f"{side}x{side} = {side * side:,} pixels"):
            decode(large)
    assert not shown


@pytest.mark.parametrize(
    "source", [np.zeros((30, 40)), drawing(), PNG, JPEG, base64.b64encode(PNG).decode()]
)
def test_the_limit_of_pixels_holds_for_every_source(source: utils.Source) -> None:
    assert decode(source, max_pixels=1_200).size == (40, 30)
    with pytest.raises(UnreadablePicture, match="40x30 = 1,200 pixels: at most 1,199"):
        decode(source, max_pixels=1_199)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", b"BM", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 "]
)
def test_a_file_that_ends_in_its_header_is_told_in_words_not_in_pythons(content: bytes) -> None:
    with pytest.raises(UnreadablePicture) as told:
        decode(content)
    assert "unpack" not in str(told.value)
    assert "cut short" in str(told.value)
