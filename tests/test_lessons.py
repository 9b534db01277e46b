"""What is learnt from: the answers of labels and teachers, and batches that can be resumed."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import config
import model_files
import presets
import quiet
from classifier import Classifier
from load_mnist_local import Mnist, Split
from training_pool import NO_DIGIT, Pool

PRESET = replace(
    presets.PRESETS["best"],
    augmentation=presets.MILD,
    batch_size=8,
    epochs=4,
    parts=2,
    pool=presets.PoolRecipe(1, 1, 1, 1, presets.MILD),
    taught=0.7,
    doubt=0.2,
)


@pytest.fixture(scope="module")
def room() -> ModuleType:
    quiet.import_tensorflow()
    import lessons

    return lessons


@pytest.fixture(scope="module")
def pool(mnist: Mnist) -> Pool:
    images = np.rint(255 * mnist.train.images[:40, ..., 0]).astype(np.uint8)
    labels = mnist.train.labels[:40].copy()
    kinds = np.repeat(np.arange(4, dtype=np.int8), 10)
    labels[kinds == 3] = NO_DIGIT
    return Pool(images, labels, kinds)


def test_answers_without_teachers_are_the_labels(
    room: ModuleType, pool: Pool, tmp_path: Path
) -> None:
    answers = room.answers_to(pool, [], tmp_path, PRESET)
    assert answers.shape == (40, 11)
    digits = pool.labels != NO_DIGIT
    np.testing.assert_array_equal(answers[digits, :10].argmax(axis=1), pool.labels[digits])
    np.testing.assert_allclose(answers[digits, :10].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(answers[~digits, :10], PRESET.doubt / 10)
    np.testing.assert_array_equal(answers[:, 10], digits)


def test_teachers_are_heard_on_the_digits_they_know_and_on_no_other_picture(
    room: ModuleType, pool: Pool, classifier: Classifier, tmp_path: Path
) -> None:
    alone = room.answers_to(pool, [], tmp_path, PRESET)
    taught = room.answers_to(pool, [classifier], tmp_path, PRESET)
    known = pool.kinds < (3 if classifier.tells_digits else 2)
    said = classifier.probabilities(pool.images[known][..., None] / np.float32(255))
    labels = np.eye(10)[pool.labels[known]]
    expected = PRESET.taught * said + (1 - PRESET.taught) * labels
    np.testing.assert_allclose(taught[known, :10], expected, atol=1e-5)
    np.testing.assert_array_equal(taught[~known], alone[~known])
    # What was said is kept, and said again.
    np.testing.assert_array_equal(room.answers_to(pool, [classifier], tmp_path, PRESET), taught)


def test_two_parts_see_every_image_once_and_can_be_resumed(room: ModuleType, pool: Pool) -> None:
    numbered = Pool(pool.images, np.arange(40), pool.kinds)
    answers = np.repeat(np.arange(40, dtype=np.float32)[:, None], 11, axis=1)
    steps = len(pool) // PRESET.parts // PRESET.batch_size
    assert steps == 2
    whole = [
        (images.numpy(), taught.numpy())
        for images, taught in room.pool_batches(numbered, answers, PRESET, steps, 0)
    ]
    assert len(whole) == 8
    seen = np.concatenate([taught[:, 0] for _, taught in whole[:4]])
    assert len(set(seen.tolist())) == 32
    assert not np.array_equal(whole[0][1], whole[4][1])
    resumed = list(room.pool_batches(numbered, answers, PRESET, steps, 3))
    assert len(resumed) == 2
    for (images, taught), (images_again, taught_again) in zip(whole[6:], resumed, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(taught, taught_again)


def test_images_are_moved_by_a_pixel_at_most(room: ModuleType, pool: Pool) -> None:
    answers = np.repeat(np.arange(40, dtype=np.float32)[:, None], 11, axis=1)
    for images, taught in room.pool_batches(pool, answers, PRESET, 2, 0):
        for image, number in zip(images.numpy(), taught.numpy()[:, 0].astype(int), strict=True):
            original = pool.images[number].astype(np.float32) / 255
            moves = [np.roll(original, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
            assert any(np.allclose(image[..., 0], moved) for moved in moves)


def test_the_loss_is_least_for_the_answers_themselves(room: ModuleType) -> None:
    answers = np.zeros((2, 11), np.float32)
    answers[0, 3] = answers[0, 10] = 1.0
    answers[1, :10] = PRESET.doubt / 10
    right = np.zeros((2, 11), np.float32)
    right[0, 3], right[0, 10], right[1, 10] = 12, 12, -12
    wrong = right.copy()
    wrong[0, 10], wrong[1, 10] = -12, 12
    sure = right.copy()
    sure[1, 5] = 12
    best = room.taught_loss(answers, right).numpy()
    np.testing.assert_allclose(best, [0, PRESET.doubt * np.log(10)], atol=1e-3)
    assert (room.taught_loss(answers, wrong).numpy() > best + 3).all()
    assert room.taught_loss(answers, sure).numpy()[1] > best[1] + 1


class Told:
    """A teacher that is sure of one digit, whatever it is shown."""

    def __init__(self, digit: int, tells_digits: bool) -> None:
        self.digit, self.tells_digits, self.version = digit, tells_digits, f"told-{digit}"

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.repeat(np.eye(10, dtype=np.float32)[[self.digit]], len(images), axis=0)


def test_bent_digits_are_answered_by_those_who_learnt_from_them_alone(
    room: ModuleType, pool: Pool, mnist: Mnist
) -> None:
    plain, broad = Told(3, tells_digits=False), Told(8, tells_digits=True)
    preset = replace(PRESET, fresh=0.5, epochs=1)
    told = np.zeros((len(pool), 11), np.float32)
    train = Split(mnist.train.images[:400], mnist.train.labels[:400])
    lessons = room.fresh_lessons(preset, train, pool, told, [plain, broad])
    assert lessons.steps == len(train) // 4
    images, answers = next(iter(lessons.batches(0)))
    assert images.shape == (8, 28, 28, 1)
    assert (answers.numpy()[:4, 3] >= PRESET.taught - 1e-6).all()
    np.testing.assert_allclose(answers.numpy()[:4, :10].sum(axis=1), 1, atol=1e-6)
    assert (answers.numpy()[:4, 10] == 1).all()
    assert not answers.numpy()[4:].any()  # as the pool was told
    lessons = room.fresh_lessons(preset, train, pool, told, [broad])
    _, answers = next(iter(lessons.batches(0)))
    assert (answers.numpy()[:4, 8] >= PRESET.taught - 1e-6).all()


def test_a_missing_teacher_is_named(room: ModuleType, mnist: Mnist, tmp_path: Path) -> None:
    with pytest.raises(config.ReaderError, match=r"standard\.keras"):
        room.lessons_for(presets.PRESETS["best"], mnist.train, tmp_path, tmp_path)


@pytest.mark.slow
def test_the_shipped_model_teaches_the_small_one(
    room: ModuleType, mnist: Mnist, tmp_path: Path
) -> None:
    few = presets.PoolRecipe(bent=0, sheets=4, strokes=4, none=4, augmentation=presets.MILD)
    preset = replace(presets.PRESETS["tiny"], pool=few, batch_size=8)
    digits = Split(mnist.train.images[:32], mnist.train.labels[:32])
    lessons = room.lessons_for(preset, digits, tmp_path, tmp_path / "no-teachers")
    assert model_files.read_card(config.MODEL_PATH)["sha256"][:12] in lessons.source
