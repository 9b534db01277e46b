"""Pictures made to cost much, and the largest honest ones: bounded in time and in memory."""

import contextlib
import functools
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from fuzzing import NEVER, refuse
from hostile import HOSTILE, frames, many_scans
from PIL import Image
from samples import png

import config
from decoding import PictureError, decode
from enhanced import NoInk
from utils import to_mnist_form

MOST_SECONDS = 1.0  # of the processor
MOST_MEMORY = 200  # MiB more than before, of the process that reads them all


@functools.cache
def built(name: str) -> bytes:
    return HOSTILE[name][0]()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_is_read_or_refused_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, expected = built(name), HOSTILE[name][1]
    for owner, method in NEVER:
        monkeypatch.setattr(owner, method, refuse)
    assert len(content) <= config.Settings.max_bytes
    begun = time.process_time()
    try:
        found: object = decode(content).size
    except PictureError as fault:
        found = str(fault)
    seconds = time.process_time() - begun
    if isinstance(expected, str):
        assert isinstance(found, str)
        assert expected in found
    else:
        assert found == expected
    assert seconds < MOST_SECONDS


READ_ALL = """
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from decoding import PictureError, decode

def peak():  # since this program began: getrusage counts its parent too
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

before = peak()
for path in Path(sys.argv[2]).iterdir():
    try:
        decode(path)
    except PictureError:
        pass
print((peak() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory as Linux tells it")
def test_hostile_pictures_take_little_memory(tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE):  # here, since building takes memory too
        (tmp_path / str(number)).write_bytes(built(name))
    command = [sys.executable, "-c", READ_ALL, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert 20 < int(done.stdout) < MOST_MEMORY  # the largest takes more than that, if measured


def seconds_of(content: bytes) -> float:
    """Return the processor time of decoding, the least of several."""
    taken = []
    for _ in range(20):
        begun = time.process_time()
        decode(content)
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.parametrize(("kind", "count"), [("GIF", 1_000), ("PNG", 1_000), ("WEBP", 300)])
def test_many_frames_cost_little_of_what_all_cost(kind: str, count: int) -> None:
    """Nothing of the frames after the first is decoded."""
    content = frames(kind, count)
    begun = time.process_time()
    whole: Any = Image.open(io.BytesIO(content))
    for frame in range(whole.n_frames):
        whole.seek(frame)
        whole.load()
    assert seconds_of(content) < (time.process_time() - begun) / 4


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "colour", "bytes_a_pixel"), [(16, 6, 8), (16, 0, 2)])
def test_the_largest_png_is_read_in_bounded_time(
    depth: int, colour: int, bytes_a_pixel: int
) -> None:
    row = bytes(range(256)) * (7_000 * bytes_a_pixel // 256 + 1)
    content = png(7_000, 7_000, depth, colour, row[: 7_000 * bytes_a_pixel])
    begun = time.process_time()
    picture = decode(content)
    assert picture.size == (1_750, 1_750)
    with contextlib.suppress(NoInk):
        to_mnist_form(picture)
    assert time.process_time() - begun < 3.0


@pytest.mark.slow
def test_the_most_scans_are_read_in_bounded_time() -> None:
    content = many_scans(20, (8_160, 6_120))
    begun = time.process_time()
    assert decode(content).size == (2_040, 1_530)
    assert time.process_time() - begun < 3.0
