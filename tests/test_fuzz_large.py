"""`make fuzz-large` notices a decoder that dies, raises or returns what is not promised."""

import os
import signal
import sys
from collections.abc import Callable

import pytest

if sys.platform != "linux":
    pytest.skip("it forks, and reads limits as Linux has them", allow_module_level=True)

import fuzz_large
from PIL import Image
from samples import drawing, encoded

PICTURE = encoded(drawing(), "PNG")


def test_a_valid_picture_is_read() -> None:
    assert fuzz_large.tried(PICTURE, valid=True) == fuzz_large.READ


def test_a_promised_refusal_is_one_unless_the_file_is_valid() -> None:
    half = PICTURE[: len(PICTURE) // 2]
    assert fuzz_large.tried(half, valid=False) == fuzz_large.REFUSED
    assert fuzz_large.tried(half, valid=True) == fuzz_large.WRONG


@pytest.mark.parametrize(
    ("decoder", "status"),
    [
        (lambda content: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
        (lambda content: 1 / 0, fuzz_large.FAULT),
        (lambda content: Image.new("L", (39, 30)), fuzz_large.WRONG),
        (lambda content: Image.new("RGBA", (40, 30)), fuzz_large.WRONG),
    ],
)
def test_a_decoder_at_fault_is_noticed(
    decoder: Callable[[bytes], object], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_large, "decode", decoder)
    assert fuzz_large.tried(PICTURE, valid=False) == status
    monkeypatch.setattr(fuzz_large, "tried", lambda content, valid: status)
    monkeypatch.setattr(fuzz_large, "VARIETIES", {"PNG, small": lambda draws: (PICTURE, 41)})
    outcomes = fuzz_large.campaign(["PNG, small"], runs=3, seconds=60, seed=1)
    assert dict(outcomes) == {"PNG: CRASHED or at fault": 3}
