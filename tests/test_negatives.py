"""Pictures of no digit: every kind has ink, and no kind is a digit in disguise."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import letters
import negatives
import training_pool
from load_mnist_local import Mnist

KINDS = list(negatives.KINDS)


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    return training_pool.structured(mnist.train)[:500]


def test_the_shares_of_the_kinds_make_a_whole() -> None:
    assert sum(negatives.KINDS.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_ink_and_differs_each_time(
    kind: Callable[[np.ndarray, np.random.Generator], Image.Image], digits: np.ndarray
) -> None:
    rng = np.random.default_rng(1)
    inks = [kind(digits, rng) for _ in range(20)]
    assert all(ink.mode == "L" and np.asarray(ink).max() > 40 for ink in inks)
    assert len({(ink.size, ink.tobytes()) for ink in inks}) >= 18
    again = kind(digits, np.random.default_rng(1))
    assert again.tobytes() == inks[0].tobytes()


def test_no_letter_that_looks_like_a_digit_is_drawn() -> None:
    drawn = {character for _, character in letters.characters()}
    assert len(drawn) > 800
    assert not drawn & set("0123456789OolISsZzBbGgqD|")
    assert {"A", "W", "k", "Ω", "Ж", "&"} <= drawn


def test_parts_are_of_wide_digits_only(digits: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    assert min(negatives.part(digits, rng).width for _ in range(50)) >= 4
