"""The page's way from a picture file to its pixels: large ones are decoded in another process."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import config
import utils
from classifier import Classifier
from decoding_process import DecoderCrash
from outputs import Outputs
from page.reader import LARGE_PIXELS, Reader


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(Classifier(Outputs, {}), config.Settings(), tmp_path)


def picture(side: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("side", "processes"), [(1024, [os.getpid()]), (1025, [])], ids=["small", "large"]
)
def test_it_decodes_here_only_what_is_small(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, side: int, processes: list[int]
) -> None:
    assert LARGE_PIXELS == 1024 * 1024
    decode, seen = utils.decode, []

    def noted(*arguments: Any) -> Image.Image:
        seen.append(os.getpid())
        return decode(*arguments)

    if processes:  # what goes to the other process must be importable there
        monkeypatch.setattr(utils, "decode", noted)
    assert reader.decode(picture(side)) == decode(picture(side))
    assert seen == processes
    assert (reader._decoding._process is None) == bool(processes)


def test_a_crash_there_is_a_refusal_here_and_the_next_picture_is_read(reader: Reader) -> None:
    large = picture(1025)
    with pytest.raises(DecoderCrash):
        reader._decoding.call(1, 60, os._exit, 11)
    assert reader.decode(large).size == (1025, 1025)
