"""The model for microcontrollers: small in whole numbers, and nearly as good as its teacher."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import config
import exports
import litert_runtime
import model_files
import presets
from load_mnist_local import Mnist, Split

TINY = config.MODEL_PATH.with_name("mnist_tiny.keras")
LARGEST = 100_000  # bytes in whole numbers
LEAST = 0.995  # of the test set, read right


def test_its_card_says_how_it_was_made_and_how_good_it_is() -> None:
    card = model_files.read_card(TINY)
    assert card["preset"] == "tiny"
    assert tuple(card["recipe"]["filters"]) == presets.PRESETS["tiny"].filters
    assert card["recipe"]["teachers"] == [config.MODEL_PATH.stem]
    assert card["test"]["images"] == 10_000
    assert card["test"]["accuracy"] >= LEAST


@pytest.mark.slow
@pytest.mark.skipif(not litert_runtime.installed(), reason="LiteRT has no package for it")
def test_in_whole_numbers_it_is_small_and_still_reads(
    mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(exports.REPRESENTATIVE, sheets=60, none=90)
    monkeypatch.setattr(exports, "REPRESENTATIVE", few)
    monkeypatch.setattr(exports, "NO_DIGITS", replace(exports.NO_DIGITS, none=150))
    validation, test = (
        Split(part.images[:2000], part.labels[:2000]) for part in (mnist.validation, mnist.test)
    )
    source = exports.Source(TINY, Mnist(mnist.train, validation, test))
    place, card = exports.export(source, exports.FORMS["litert-int8"], tmp_path, 1)
    assert place.stat().st_size < LARGEST
    assert card["test"]["accuracy"] >= LEAST
    said = litert_runtime.load(place)(source.no_digits)
    assert said.is_digit is not None
    assert np.mean(said.is_digit >= 0.5) < 0.25
