"""What a training run learns from: batches of images, and the answers that are to be given.

Either MNIST's digits, bent anew in every epoch, or a pool made beforehand, whose answers are
those of the labels and of teachers: knowledge distillation (Hinton, Vinyals and Dean 2015), with
teacher and pupil seeing the same image (Beyer et al. 2022).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import augment
import config
import presets
import training_pool
import utils
from classifier import KERAS, Classifier
from load_mnist_local import Split
from training_pool import NO_DIGIT, Pool

DIGITNESS = 0.5  # weight of the loss of "is this one digit?"
TARGETS = config.CLASSES + 1


@dataclass(frozen=True)
class Lessons:
    """Batches from any epoch to the last, steps an epoch, and in words what they come from."""

    batches: Callable[[int], tf.data.Dataset]
    steps: int
    source: str


def lessons_for(preset: presets.Preset, train: Split, folder: Path, teachers: Path) -> Lessons:
    """Return the lessons of a preset from the training split.

    folder: where the pool is kept; teachers: where the teachers' model files are. Raises
    ModelError for a teacher that is missing or damaged.
    """
    if preset.pool is None:
        return Lessons(
            lambda epoch: augment.training_batches(train.images, train.labels, preset, epoch),
            len(train) // preset.batch_size,
            f"{len(train)} images",
        )
    found = [Classifier.load(_teacher(name, teachers), KERAS) for name in preset.teachers]
    pool = training_pool.build(preset.pool, train, folder)
    answers = answers_to(pool, found, folder, preset)
    if preset.fresh:
        return fresh_lessons(preset, train, pool, answers, found)
    steps = len(pool) // preset.parts // preset.batch_size
    return Lessons(
        lambda epoch: pool_batches(pool, answers, preset, steps, epoch),
        steps,
        f"a pool of {len(pool)} images, taught by {[teacher.version for teacher in found]}",
    )


def _teacher(name: str, folder: Path) -> Path:
    """Return a teacher's model file: the shipped one by its name, any other in the folder."""
    shipped = config.MODEL_PATH
    return shipped if name == shipped.stem else folder / f"{name}.keras"


def fresh_lessons(
    preset: presets.Preset,
    train: Split,
    pool: Pool,
    answers: np.ndarray,
    teachers: list[Classifier],
) -> Lessons:
    """Return lessons of which a share is MNIST, bent anew.

    It is answered by the teachers that learnt from nothing else, if there are any.
    """
    heard = [teacher for teacher in teachers if not teacher.tells_digits] or teachers
    count = round(preset.fresh * preset.batch_size)
    chosen = pool.kinds != training_pool.KINDS.index("bent")
    rest = Pool(pool.images[chosen], pool.labels[chosen], pool.kinds[chosen])
    rest_answers = answers[chosen]
    steps = len(train) // count
    bent = replace(preset, batch_size=count)
    made = replace(preset, batch_size=preset.batch_size - count)

    def mixed(
        images: tf.Tensor, labels: tf.Tensor, made_images: tf.Tensor, made_answers: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        said = tf.numpy_function(lambda x: _taught(x, heard), [images], tf.float32)
        said.set_shape((count, config.CLASSES))
        shares = preset.taught * said + (1 - preset.taught) * labels
        taught = tf.concat([shares, tf.ones((count, 1))], axis=1)
        return tf.concat([images, made_images], 0), tf.concat([taught, made_answers], 0)

    def batches(epoch: int) -> tf.data.Dataset:
        both = tf.data.Dataset.zip(
            augment.training_batches(train.images, train.labels, bent, epoch),
            pool_batches(rest, rest_answers, made, steps, epoch),
        )
        return both.map(lambda a, b: mixed(*a, *b)).prefetch(4)

    return Lessons(
        batches,
        steps,
        f"{len(train)} images bent anew, and a pool of {len(rest)}, "
        f"taught by {[teacher.version for teacher in teachers]}",
    )


def _taught(images: np.ndarray, teachers: list[Classifier]) -> np.ndarray:
    """Return the teachers' mean probabilities (N, 10) float32 for images (N, 28, 28, 1)."""
    said = [teacher.probabilities(images) for teacher in teachers]
    return np.mean(said, axis=0).astype(np.float32)


def answers_to(
    pool: Pool, teachers: list[Classifier], folder: Path, preset: presets.Preset
) -> np.ndarray:
    """Return the answers (N, 11) float32 to be learnt: ten shares, and whether it is one digit.

    Shares sum to 1, or for no digit to `preset.doubt`. A teacher that cannot tell a digit from
    none was taught by MNIST alone, and is not asked about digits in other people's shapes.
    """
    digits = pool.labels != NO_DIGIT
    answers = np.zeros((len(pool), TARGETS), np.float32)
    answers[digits, pool.labels[digits]] = 1 - preset.smoothed
    answers[digits, : config.CLASSES] += preset.smoothed / config.CLASSES
    answers[~digits, : config.CLASSES] = preset.doubt / config.CLASSES
    answers[digits, config.CLASSES] = 1.0
    drawn = pool.kinds == training_pool.KINDS.index("strokes")
    for chosen in (digits & ~drawn, digits & drawn):
        heard = [t for t in teachers if t.tells_digits or not (chosen & drawn).any()]
        if heard:
            said = np.mean([_said(teacher, pool, chosen, folder) for teacher in heard], axis=0)
            labels = np.eye(config.CLASSES, dtype=np.float32)[pool.labels[chosen]]
            shares = preset.taught * said + (1 - preset.taught) * labels
            answers[chosen, : config.CLASSES] = shares
    return answers


def _said(teacher: Classifier, pool: Pool, chosen: np.ndarray, folder: Path) -> np.ndarray:
    """Return a teacher's probabilities (K, 10) for the K chosen images, kept in `folder`."""
    images = pool.images[chosen]
    kept = folder / f"said-{teacher.version}-{hashlib.sha256(images).hexdigest()[:12]}.npy"
    if not kept.exists():
        parts = [
            teacher.probabilities(images[i : i + 2_000, ..., None] / np.float32(255))
            for i in range(0, len(images), 2_000)
        ]
        with utils.atomic_path(kept) as aside:
            np.save(aside, np.concatenate(parts))
    return np.asarray(np.load(kept))


def pool_batches(
    pool: Pool, answers: np.ndarray, preset: presets.Preset, steps: int, first_epoch: int
) -> tf.data.Dataset:
    """Return batches of images (B, 28, 28, 1) and answers (B, 11) from `first_epoch` to the last.

    The pool is gone through in one order after another, `steps` batches an epoch. A batch is
    shifted as one by up to a pixel each way.
    """
    size = preset.batch_size
    turn_steps = len(pool) // size

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(first_epoch * steps, preset.epochs * steps):
            turn, step = divmod(number, turn_steps)
            if step == 0 or number == first_epoch * steps:
                order = np.random.default_rng((preset.seed, turn)).permutation(len(pool))
            chosen = order[step * size : (step + 1) * size]
            shift = tuple(np.random.default_rng((preset.seed, number)).integers(-1, 2, 2))
            images = np.roll(pool.images[chosen], shift, (1, 2))
            yield images[..., None].astype(np.float32) / 255, answers[chosen]

    signature = (
        tf.TensorSpec((size, config.IMAGE_SIZE, config.IMAGE_SIZE, 1), tf.float32),
        tf.TensorSpec((size, TARGETS), tf.float32),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4)


@keras.saving.register_keras_serializable("digit_reader")
def taught_loss(answers: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the loss (N,) of eleven logits: cross-entropy of digits, and of being one digit."""
    shares, is_digit = answers[:, : config.CLASSES], answers[:, config.CLASSES]
    digits, digitness = logits[:, : config.CLASSES], logits[:, config.CLASSES]
    read = -tf.reduce_sum(shares * tf.nn.log_softmax(digits), axis=1)
    told = tf.nn.sigmoid_cross_entropy_with_logits(labels=is_digit, logits=digitness)
    return read + DIGITNESS * told
