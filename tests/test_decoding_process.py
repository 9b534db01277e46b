"""Large pictures decoded in another process: what it answers, and what its end costs."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import config
import utils
from decoding_process import DecoderBusy, DecoderCrash, DecoderTimeout, DecodingProcess, prepare
from enhanced import NoInk

MAX_PIXELS = config.Settings.max_pixels


@pytest.fixture(scope="module")
def decoding() -> Iterator[DecodingProcess]:
    yield DecodingProcess()


def picture(side: int = 700) -> bytes:
    image = Image.new("L", (side, side), 255)
    ImageDraw.Draw(image).line([(side // 2, side // 5), (side // 2, side - side // 5)], 0, 40)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def blank() -> bytes:
    file = io.BytesIO()
    Image.new("L", (700, 700), 255).save(file, "PNG")
    return file.getvalue()


def test_it_answers_what_this_process_would(decoding: DecodingProcess) -> None:
    arguments = picture(), "enhanced", MAX_PIXELS
    there, here = decoding.call(1, 60, prepare, *arguments), prepare(*arguments)
    assert here.image is not None
    np.testing.assert_array_equal(there.image, here.image)
    assert there.decoding > 0 and there.preprocessing > 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (picture()[:-400], utils.UnreadablePicture),
        (b"no picture", utils.UnsupportedPicture),
        (blank(), NoInk),
    ],
)
def test_its_refusals_are_the_same(
    decoding: DecodingProcess, content: bytes, fault: type[config.ReaderError]
) -> None:
    arguments = content, "enhanced", MAX_PIXELS
    here, there = prepare(*arguments), decoding.call(1, 60, prepare, *arguments)
    assert type(here.fault) is type(there.fault) is fault
    assert str(there.fault) == str(here.fault)
    assert there.image is None


def test_an_exception_is_raised_here(decoding: DecodingProcess) -> None:
    with pytest.raises(utils.UnsupportedPicture, match="not a picture"):
        decoding.call(1, 60, utils.decode, b"no picture", MAX_PIXELS)


def test_a_crash_costs_the_call_that_caused_it_and_no_other(
    decoding: DecodingProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(8) as threads:
        good = [threads.submit(decoding.call, 2, 60, os.path.basename, "a/b") for _ in range(3)]
        bad = threads.submit(decoding.call, 1, 60, os._exit, 11)
        good += [threads.submit(decoding.call, 2, 60, os.path.basename, "a/b") for _ in range(3)]
        with pytest.raises(DecoderCrash, match="save it as a PNG file"):
            bad.result()
        assert [each.result() for each in good] == ["b"] * 6
    assert "a picture ended the decoding process: exit status 11" in caplog.text


def test_what_takes_too_long_is_ended(decoding: DecodingProcess) -> None:
    with pytest.raises(DecoderTimeout):
        decoding.call(1, 0.2, time.sleep, 600)
    assert decoding.call(1, 60, os.path.basename, "a/b") == "b"


def test_what_a_library_prints_does_not_come_between(decoding: DecodingProcess) -> None:
    decoding.call(1, 60, os.write, 1, b"a library's notice\n")
    assert decoding.call(1, 60, os.path.basename, "a/b") == "b"


def test_cheaper_calls_come_first_and_too_many_are_refused() -> None:
    decoding = DecodingProcess(most_waiting=3)
    called: dict[int, float] = {}

    def ask(cost: int) -> None:
        called[cost] = decoding.call(cost, 60, time.monotonic)

    blocking = threading.Thread(target=decoding.call, args=(0, 60, time.sleep, 0.5))
    blocking.start()
    while decoding._process is None or decoding._waiting.qsize():
        time.sleep(0.01)
    asking = [threading.Thread(target=ask, args=(cost,)) for cost in (3, 1, 2)]
    for number, thread in enumerate(asking, 1):
        thread.start()
        while decoding._waiting.qsize() < number:
            time.sleep(0.001)
    with pytest.raises(DecoderBusy, match="try again"):
        decoding.call(1, 60, time.sleep, 0)
    for thread in (blocking, *asking):
        thread.join()
    assert sorted(called, key=called.__getitem__) == [1, 2, 3]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("busy", [False, True])
def test_it_ends_with_the_process_that_started_it_however_that_ends(busy: bool) -> None:
    program = (
        "import os, time; from decoding_process import DecodingProcess; d = DecodingProcess()\n"
        f"print(d.call(1, 60, os.getpid), flush=True); {'d.call(1, 60, time.sleep, 1)' * busy}\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=config.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        child = Path(f"/proc/{int(process.stdout.readline())}")
        assert child.exists()
        time.sleep(0.2 * busy)
        process.send_signal(signal.SIGKILL)
        assert process.stderr.read() == ""  # which ends when the child has ended too
    deadline = time.monotonic() + 60
    while child.exists() and "Z" not in (child / "stat").read_text("utf-8").split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
