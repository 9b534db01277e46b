"""The pool: in MNIST form, the same for the same seed, and nothing lost by a kill."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import presets
import quiet
import training_pool
from load_mnist_local import Mnist, Split

RECIPE = presets.PoolRecipe(bent=20, sheets=12, strokes=12, none=12, augmentation=presets.STRONG)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(mnist: Mnist) -> Split:
    quiet.import_tensorflow()
    return Split(mnist.train.images[:100], mnist.train.labels[:100])


@pytest.fixture(scope="module")
def built(
    split: Split, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, training_pool.Pool]:
    folder = tmp_path_factory.mktemp("pool")
    return folder, training_pool.build(RECIPE, split, folder)


def test_it_holds_what_the_recipe_says(built: tuple[Path, training_pool.Pool]) -> None:
    pool = built[1]
    assert len(pool) == 56
    assert pool.images.shape == (56, 28, 28)
    assert pool.images.dtype == np.uint8
    assert np.bincount(pool.kinds).tolist() == [20, 12, 12, 12]
    assert (pool.labels[pool.kinds == 3] == training_pool.NO_DIGIT).all()
    assert (pool.labels[pool.kinds != 3] < 10).all()
    assert (pool.images.max(axis=(1, 2)) > 100).all()


def test_what_has_come_through_enhanced_is_centred(built: tuple[Path, training_pool.Pool]) -> None:
    images = built[1].images[built[1].kinds > 0].astype(float)
    mass = images.sum(axis=(1, 2))
    axis = np.arange(28) - 14
    assert np.abs((images.sum(axis=1) @ axis) / mass).max() < 0.6
    assert np.abs((images.sum(axis=2) @ axis) / mass).max() < 0.6


def test_what_a_kill_left_is_not_made_again_and_the_rest_is_the_same(
    built: tuple[Path, training_pool.Pool], split: Split
) -> None:
    folder, pool = built
    kept, lost = sorted(folder.rglob("*.npy"))[:2]
    before = kept.stat().st_mtime_ns
    lost.unlink()
    lost.with_name(f".{lost.stem}.123.npy").write_bytes(b"half of it")
    again = training_pool.build(RECIPE, split, folder)
    assert kept.stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.images, pool.images)
    np.testing.assert_array_equal(again.labels, pool.labels)


def test_another_seed_gives_another_pool(
    built: tuple[Path, training_pool.Pool], split: Split, tmp_path: Path
) -> None:
    other = training_pool.build(replace(RECIPE, seed=2), split, tmp_path)
    assert not np.array_equal(other.images, built[1].images)


@pytest.mark.parametrize("kind", ["sheets", "strokes", "none"])
def test_pictures_are_as_people_send_them(kind: str, split: Split) -> None:
    digits = training_pool.structured(split)
    rng = np.random.default_rng(1)
    pictures = [training_pool.sample(kind, digit, digits, rng)[0] for digit in digits]
    assert all(picture.mode == "L" for picture in pictures)
    sides = [max(picture.size) for picture in pictures]
    assert min(sides) < 40
    assert max(sides) > 150
    light = [float(np.asarray(picture).mean()) > 127 for picture in pictures]
    assert 0.2 < np.mean(light) < 0.8
