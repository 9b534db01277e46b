"""JPEG: which coding processes are read, and that each is the same at every scale."""

import io
import struct

import numpy as np
import pytest
from jpegs import LAYOUTS, PROCESSES, Factors, flat_blocks, frame, header_only, of_process
from PIL import Image, JpegImagePlugin
from samples import drawing, encoded

import decoding
from containers import NotRead, take_apart
from decoding import UnreadablePicture, UnsupportedPicture, decode

JPEG = encoded(drawing(), "JPEG")
START = JPEG.index(b"\xff\xc0")
FRAME, FRAME_END = JPEG[START : START + 13], START + 13
NAMES = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "arithmetic-coded JPEG"),
    0xC3: "lossless JPEG",
    0xC8: "non-standard JPEG",
    0xF7: "JPEG-LS",
}


@pytest.fixture
def decoder_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setitem(decoding.READERS, "JPEG", asked)


@pytest.mark.parametrize("marker", NAMES, ids=lambda marker: f"{marker:X}")
@pytest.mark.usefixtures("decoder_is_not_asked")
def test_a_process_that_is_not_read_is_refused_by_its_name(marker: int) -> None:
    with pytest.raises(UnsupportedPicture, match="save it as a baseline JPEG or PNG") as caught:
        decode(header_only(marker))
    assert f"this is a {NAMES[marker]} picture" in str(caught.value)


@pytest.mark.parametrize("marker", [0xC1, 0xC2])
@pytest.mark.usefixtures("decoder_is_not_asked")
def test_twelve_bits_a_sample_are_refused_by_name(marker: int) -> None:
    with pytest.raises(UnsupportedPicture, match=r"12 bits a sample.*save it with 8 bits"):
        decode(header_only(marker, bits=12))


def test_every_marker_of_a_frame_is_read_or_refused_by_name() -> None:
    """No process is left to the decoder because nobody thought of it."""
    tables = {0xC4, 0xCC}
    for marker in {*range(0xC0, 0xD0)} - tables - {*PROCESSES.values()}:
        with pytest.raises(NotRead):
            take_apart(header_only(marker))


@pytest.mark.parametrize(
    ("altered", "words"),
    [
        (JPEG[:FRAME_END] + FRAME + JPEG[FRAME_END:], "more than one frame"),
        (JPEG[:-2] + frame(0xC3) + JPEG[-2:], "more than one frame"),
        (JPEG[:-2] + frame(0xC0, (4000, 4000)) + JPEG[-2:], "more than one frame"),
        (JPEG[:START] + JPEG[FRAME_END:], "a scan before its frame"),
        (JPEG[:START] + JPEG[FRAME_END:-2] + FRAME + JPEG[-2:], "a scan before its frame"),
        *(
            (JPEG[:START] + other + JPEG[FRAME_END:], "frame header is not valid")
            for other in (
                frame(0xC0, (40, 0)),  # its height is to follow the first scan
                frame(0xC0, (0, 30)),
                frame(0xC0, bits=12),
                frame(0xC0, bits=16),
                frame(0xC2, bits=7),
                frame(0xC0, factors=()),
                frame(0xC0, factors=((1, 1),) * 2),
                frame(0xC0, factors=((1, 1),) * 5),
                frame(0xC0, factors=((0, 1),)),
                frame(0xC0, factors=((1, 0),)),
                frame(0xC0, factors=((5, 1), (1, 1), (1, 1))),
                frame(0xC0, factors=((1, 1), (1, 15), (1, 1))),
                FRAME[:2] + struct.pack(">H", 14) + FRAME[4:] + b"\0\0\0",
                FRAME[:2] + struct.pack(">H", 10) + FRAME[4:12],
            )
        ),
    ],
)
@pytest.mark.usefixtures("decoder_is_not_asked")
def test_a_frame_that_cannot_be_is_refused_before_the_decoder_sees_it(
    altered: bytes, words: str
) -> None:
    with pytest.raises(UnreadablePicture, match=words):
        decode(altered)


def smooth(mode: str, size: tuple[int, int]) -> Image.Image:
    """Return a picture of wide waves, of another phase in each of its bands."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    waves = [
        (128 + 90 * np.sin(rows / 40 + band) * np.cos(columns / 50 - band)).astype(np.uint8)
        for band in range(len(mode))
    ]
    return Image.merge(mode, [Image.fromarray(wave) for wave in waves])


def assert_alike_at_every_scale(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare what the decoder shrinks with what is decoded whole and shrunk then."""
    whole = Image.open(io.BytesIO(content)).convert("RGB")
    for fraction in (2, 4, 8):
        monkeypatch.setattr(decoding, "_fraction", lambda *size, fraction=fraction: fraction)
        picture = decode(content).convert("RGB")
        expected = whole.reduce(fraction)
        assert picture.size == expected.size
        difference = np.asarray(picture, float) - np.asarray(expected, float)
        assert np.abs(difference).mean() < 3.0


SIZES = [(8, 8), (9, 17), (127, 65), (130, 259)]


@pytest.mark.parametrize("restart", [0, 1, 5])
@pytest.mark.parametrize(
    ("mode", "subsampling"), [("L", 0), ("RGB", 0), ("RGB", 1), ("RGB", 2), ("CMYK", 0)]
)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_is_the_same_at_every_scale(
    process: str, mode: str, subsampling: int, restart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"subsampling": subsampling, "restart_marker_blocks": restart, "quality": 90}
    for size in SIZES:
        content = of_process(process, smooth(mode, size), **options)
        assert_alike_at_every_scale(content, monkeypatch)


@pytest.mark.parametrize("restart", [0, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rare_layouts_of_colour_are_the_same_at_every_scale(
    layout: str, restart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in SIZES:
        content = flat_blocks(size, LAYOUTS[layout], restart)
        assert_alike_at_every_scale(content, monkeypatch)


def test_the_decoder_is_asked_for_a_fraction_only_of_a_file_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor for the whole as a fraction of 1. A Pillow image may be of any process."""
    asked: list[object] = []
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile, "draft", lambda self, mode, size: asked.append(size)
    )
    plain: Factors = ((1, 1),)
    decode(flat_blocks((600, 400), plain))
    large = flat_blocks((2048, 2050), plain)
    assert decode(Image.open(io.BytesIO(large))).size == (1024, 1025)
    assert asked == []
    decode(large)
    assert asked == [(1024, 1025)]
