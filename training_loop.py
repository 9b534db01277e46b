"""The training loop: fit, keep the best on validation, survive a kill and go on as if nothing."""

import sys
import time
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

import config
import metrics
import presets
from checkpoints import Checkpoints, Progress
from lessons import Lessons, taught_loss
from load_mnist_local import Split
from model import build_model, take_weights

EVALUATION_BATCH = 500
SETTLING_STEPS = 500  # batches after which a moving mean with momentum 0.99 is of them alone
WARM_UP = 0.15  # share of all steps in which the learning rate climbs to its peak


def train(
    preset: presets.Preset,
    lessons: Lessons,
    validation: Split,
    checkpoints: Checkpoints,
    resume: bool = False,
    start: keras.Model | None = None,
) -> tuple[keras.Model, Progress]:
    """Train by `preset` and return the network of the best epoch (to logits) and its history.

    After each epoch the whole state is written to `checkpoints`; with `resume` the run goes on
    after the last whole one, with the same images, order and learning rates, and without it a new
    run discards what is there.
    start: a finished model of the same shape, whose weights a new run begins with. Raises
    ReaderError if it has another shape, or if there is nothing to resume or it belongs to another
    recipe.
    """
    recipe = f"{preset} on {lessons.source}"
    keras.utils.set_random_seed(preset.seed)
    if resume:
        progress, saved = checkpoints.load(recipe)
        network = build_model(preset)
        compile_for(network, preset, lessons.steps)
        restore(network, saved, progress.dropout)
    else:
        progress = Progress.none(recipe)
        network = build_model(preset)
        if start is not None:
            _begin_with(network, start)
        compile_for(network, preset, lessons.steps)
        checkpoints.clear()
    if progress.epochs_done < preset.epochs:
        network.fit(
            lessons.batches(progress.epochs_done),
            steps_per_epoch=lessons.steps,
            initial_epoch=progress.epochs_done,
            epochs=preset.epochs,
            verbose=0,
            shuffle=False,  # the batches are shuffled already
            callbacks=[Watch(preset, lessons.steps, validation, progress, checkpoints)],
        )
    return checkpoints.best(), progress


def _begin_with(network: keras.Model, start: keras.Model) -> None:
    try:
        take_weights(network, start)
    except ValueError:
        raise config.ReaderError(
            "the model that this preset begins with has other widths: train it anew"
        ) from None


def compile_for(network: keras.Model, preset: presets.Preset, steps_an_epoch: int) -> None:
    """Give the network its loss, and AdamW (Loshchilov and Hutter 2019) on one cosine cycle."""
    steps = preset.epochs * steps_an_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=preset.learning_rate / 25,
        decay_steps=int(steps * (1 - WARM_UP)),
        alpha=0.0,
        warmup_target=preset.learning_rate,
        warmup_steps=int(steps * WARM_UP),
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=preset.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    plain = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=preset.label_smoothing
    )
    network.compile(optimizer, taught_loss if preset.pool else plain)


def restore(network: keras.Model, saved: keras.Model, dropout: list[int]) -> None:
    """Give a network, compiled anew, the whole state of a saved one.

    A loaded model itself would not do: Keras forgets which weights are not to decay, and where
    the dropout's source of chance was.
    """
    network.set_weights(saved.get_weights())
    network.optimizer.build(network.trainable_variables)
    for own, kept in zip(network.optimizer.variables, saved.optimizer.variables, strict=True):
        own.assign(kept)
    _dropout_state(network).assign(dropout)


def _dropout_state(network: keras.Model) -> keras.Variable:
    (layer,) = (each for each in network.layers if isinstance(each, keras.layers.Dropout))
    return layer.seed_generator.state


class Watch(keras.callbacks.Callback):
    """Shows progress, validates and saves after every epoch.

    On a terminal a bar with rate and time left, otherwise one plain line an epoch.
    """

    def __init__(
        self,
        preset: presets.Preset,
        steps: int,
        validation: Split,
        progress: Progress,
        checkpoints: Checkpoints,
    ) -> None:
        super().__init__()
        self.preset, self.progress, self.checkpoints = preset, progress, checkpoints
        self.validation = validation
        images = steps * preset.batch_size
        self.bar = tqdm(
            total=preset.epochs * images,
            initial=progress.epochs_done * images,
            unit="img",
            unit_scale=True,
            disable=None,
            dynamic_ncols=True,
        )
        self.started = time.monotonic() - progress.seconds

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.update(self.preset.batch_size)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        known = self.progress
        logits = predict_logits(self.model, self.validation.images)[:, : config.CLASSES]
        right = logits.argmax(axis=1) == self.validation.labels
        # As it would be shipped: how sure the targets let it be is the temperature's business.
        temperature = metrics.fit_temperature(logits, self.validation.labels)
        read = metrics.softmax(logits, temperature)
        known.loss.append(float((logs or {})["loss"]))
        known.validation_loss.append(metrics.negative_log_likelihood(read, self.validation.labels))
        known.validation_accuracy.append(float(right.mean()))
        known.epochs_done = epoch + 1
        known.dropout = keras.ops.convert_to_numpy(_dropout_state(self.model)).tolist()
        # By loss, not accuracy: near the end a dozen hard images decide that, by chance.
        least = 1 + int(np.argmin(known.validation_loss))
        known.best_epoch = known.epochs_done if self.preset.last else least
        known.seconds = time.monotonic() - self.started
        self.checkpoints.save(known, self.model)
        left = known.seconds / known.epochs_done * (self.preset.epochs - known.epochs_done)
        rate = known.epochs_done * self.params["steps"] * self.preset.batch_size / known.seconds
        tqdm.write(
            f"epoch {known.epochs_done}/{self.preset.epochs}  loss {known.loss[-1]:.4f}  "
            f"validation {100 * known.validation_accuracy[-1]:.2f}%  "
            f"(loss {known.validation_loss[-1]:.4f}, least in epoch {least})  "
            f"{rate:,.0f} img/s  {int(left) // 60}:{int(left) % 60:02d} left"
        )
        sys.stdout.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.bar.close()


def average(networks: list[keras.Model], lessons: Lessons) -> keras.Model:
    """Return the first network with the mean of all their weights.

    They must have begun from one network: only then do their weights lie near enough (Wortsman et
    al. 2022, "Model soups"). What batch normalisation has seen is taken anew from the lessons, as
    the mean weights give other activations (Izmailov et al. 2018).
    """
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(several, axis=0) for several in weights])
    for images, _ in lessons.batches(0).take(SETTLING_STEPS):
        networks[0](images, training=True)
    return networks[0]


def predict_logits(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the network's output for images (N, 28, 28, 1) in MNIST form, (N, 10 or 11)."""
    parts = [
        keras.ops.convert_to_numpy(network(images[i : i + EVALUATION_BATCH], training=False))
        for i in range(0, len(images), EVALUATION_BATCH)
    ]
    return np.concatenate(parts)
