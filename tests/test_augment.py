"""Training images bent: within their form, the same for the same seed, each once an epoch."""

from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import presets
import quiet
from load_mnist_local import Mnist
from presets import MILD, STRONG, Augmentation

NOTHING = Augmentation()
# Each amount alone, so that none hides behind another.
SINGLE = {
    name: replace(NOTHING, **{name: amount}) for name, amount in asdict(STRONG).items() if amount
}


@pytest.fixture(scope="module")
def room() -> ModuleType:
    quiet.import_tensorflow()
    import augment

    return augment


@pytest.fixture(scope="module")
def images(mnist: Mnist) -> np.ndarray:
    return mnist.train.images[:64]


@pytest.fixture(scope="module")
def labels(mnist: Mnist) -> np.ndarray:
    return mnist.train.labels[:64]


def bent(room: ModuleType, images: Any, labels: Any, seed: int, amount: Augmentation) -> np.ndarray:
    return np.asarray(room.augment(images, labels, (1, seed), amount).numpy())


@pytest.mark.parametrize("amount", [NOTHING, MILD, STRONG, *SINGLE.values()])
def test_the_form_is_kept(
    room: ModuleType, images: np.ndarray, labels: np.ndarray, amount: Augmentation
) -> None:
    found = bent(room, images, labels, 3, amount)
    assert found.shape == images.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    # A digit stays a digit: ink neither vanishes nor floods the field.
    assert (found.sum(axis=(1, 2, 3)) > 8).all()
    assert (found.mean(axis=(1, 2, 3)) < 0.7).all()


def test_no_amount_leaves_an_image_as_it_is(
    room: ModuleType, images: np.ndarray, labels: np.ndarray
) -> None:
    np.testing.assert_allclose(bent(room, images, labels, 3, NOTHING), images, atol=1e-4)


@pytest.mark.parametrize("name", SINGLE)
def test_every_amount_does_something(
    room: ModuleType, images: np.ndarray, labels: np.ndarray, name: str
) -> None:
    found = bent(room, images, labels, 3, SINGLE[name])
    assert np.abs(found - images).mean() > 1e-3


def test_varied_images_are_bent_by_shares_of_the_amount(
    room: ModuleType, images: np.ndarray, labels: np.ndarray
) -> None:
    def moved(amount: Augmentation) -> np.ndarray:
        difference = np.abs(bent(room, images, labels, 3, amount) - images)
        return np.asarray(difference.sum(axis=(1, 2, 3)) / images.sum(axis=(1, 2, 3)))

    far = replace(NOTHING, rotation=30, scale=0.3)
    whole, varied = moved(far), moved(replace(far, varied=1.0))
    assert varied.mean() < 0.8 * whole.mean()
    assert (varied < 0.1).sum() > (whole < 0.1).sum()
    assert varied.max() > whole.mean()


@pytest.mark.parametrize("amount", [MILD, STRONG])
def test_the_seed_decides_all(
    room: ModuleType, images: np.ndarray, labels: np.ndarray, amount: Augmentation
) -> None:
    first = bent(room, images, labels, 3, amount)
    np.testing.assert_array_equal(bent(room, images, labels, 3, amount), first)
    assert np.abs(bent(room, images, labels, 4, amount) - first).mean() > 0.01
    # Equal images of one batch are bent apart.
    same = bent(room, np.repeat(images[:1], 8, axis=0), np.repeat(labels[:1], 8), 3, amount)
    assert all(np.abs(same[i] - same[0]).mean() > 1e-3 for i in range(1, 8))


@pytest.mark.parametrize(("axis", "name"), [(1, "down"), (2, "across")])
def test_a_shift_moves_the_ink_no_further_than_it_says(
    room: ModuleType, images: np.ndarray, labels: np.ndarray, axis: int, name: str
) -> None:
    def centre(x: np.ndarray) -> np.ndarray:
        ink = x[..., 0].sum(axis=3 - axis)
        return np.asarray(ink @ np.arange(28) / ink.sum(axis=1))

    moved = centre(bent(room, images, labels, 3, Augmentation(shift=2.0))) - centre(images)
    assert np.abs(moved).max() < 2.1, name
    assert moved.min() < -1
    assert moved.max() > 1


def test_strokes_are_added_to_ones_and_sevens_only_and_the_digit_is_centred_anew(
    room: ModuleType, mnist: Mnist
) -> None:
    images, labels = mnist.train.images[:400], mnist.train.labels[:400]
    found = bent(room, images, labels, 3, Augmentation(added_strokes=0.25))
    gain = found.sum(axis=(1, 2, 3)) / images.sum(axis=(1, 2, 3)) - 1
    others = ~np.isin(labels, (1, 7))
    assert np.abs(gain[others]).max() < 0.02
    assert gain.min() > -0.02  # ink is added, never taken
    for digit in (1, 7):
        assert 0.15 < np.mean(gain[labels == digit] > 0.04) < 0.85
    ink = found[..., 0]
    for axis in (1, 2):
        centre = ink.sum(axis=3 - axis) @ np.arange(28) / ink.sum(axis=(1, 2))
        assert np.abs(centre - 14).max() < 0.1


PRESET = presets.Preset((8, 8, 8, 8, 8), epochs=4, augmentation=MILD, batch_size=16, seed=5)


def batches(
    room: ModuleType, images: np.ndarray, labels: np.ndarray, preset: presets.Preset, first: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(room.training_batches(images, labels, preset, first).as_numpy_iterator())


@pytest.fixture(scope="module")
def whole_run(room: ModuleType, mnist: Mnist) -> list[tuple[np.ndarray, np.ndarray]]:
    return batches(room, mnist.train.images[:70], mnist.train.labels[:70], PRESET)


def test_an_epoch_has_the_whole_batches_of_all_images(
    whole_run: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    assert len(whole_run) == PRESET.epochs * (70 // 16)
    for images, labels in whole_run:
        assert images.shape == (16, 28, 28, 1)
        assert labels.shape == (16, 10)
        assert set(np.unique(labels)) == {0.0, 1.0}
        np.testing.assert_array_equal(labels.sum(axis=1), 1)


@pytest.mark.parametrize("first_epoch", [1, 2, 3, 4])
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(
    room: ModuleType,
    mnist: Mnist,
    whole_run: list[tuple[np.ndarray, np.ndarray]],
    first_epoch: int,
) -> None:
    resumed = batches(room, mnist.train.images[:70], mnist.train.labels[:70], PRESET, first_epoch)
    for found, expected in zip(resumed, whole_run[first_epoch * (70 // 16) :], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def numbered(count: int) -> np.ndarray:
    """Images that tell by one pixel which they are."""
    images = np.zeros((count, 28, 28, 1), np.float32)
    images[:, 14, 14, 0] = (1 + np.arange(count)) / count
    return images


def test_every_image_is_seen_at_most_once_an_epoch_in_another_order_each(
    room: ModuleType,
) -> None:
    count = 150
    preset = replace(PRESET, augmentation=NOTHING)
    seen = [
        np.rint(images[:, 14, 14, 0] * count).astype(int) - 1
        for images, _ in batches(room, numbered(count), np.arange(count) % 10, preset)
    ]
    steps = count // PRESET.batch_size
    epochs = [np.concatenate(seen[i : i + steps]) for i in range(0, len(seen), steps)]
    assert len(epochs) == PRESET.epochs
    for epoch in epochs:
        assert len(np.unique(epoch)) == len(epoch) == steps * PRESET.batch_size
    assert not np.array_equal(epochs[0], epochs[1])
    # The few left over are others each time, so that none is never seen.
    assert len(np.unique(np.concatenate(epochs))) == count


def test_labels_go_with_their_images(room: ModuleType) -> None:
    preset = replace(PRESET, augmentation=NOTHING)
    for images, labels in batches(room, numbered(150), np.arange(150) % 10, preset):
        number = np.rint(images[:, 14, 14, 0] * 150).astype(int) - 1
        np.testing.assert_array_equal(labels.argmax(axis=1), number % 10)


def test_another_seed_is_another_order_and_other_bends(
    room: ModuleType, mnist: Mnist, whole_run: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    images, labels = mnist.train.images[:70], mnist.train.labels[:70]
    other = batches(room, images, labels, replace(PRESET, seed=6, epochs=1))
    assert not np.array_equal(other[0][1], whole_run[0][1])
    assert not np.array_equal(other[0][0], whole_run[0][0])


def test_an_image_is_bent_anew_each_epoch(room: ModuleType, images: np.ndarray) -> None:
    one = np.repeat(images[:1], 16, axis=0)
    found = batches(room, one, np.zeros(16, int), replace(PRESET, epochs=2))
    assert np.abs(found[0][0] - found[1][0]).mean() > 0.01
