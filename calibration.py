"""What makes a trained network's numbers mean what they say: its temperature and its threshold.

Both are chosen on MNIST's validation split: as it is, and composed into pictures of the kinds that
the pool holds, so that they hold for what people send too.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import config
import metrics
import presets
import training_pool
from load_mnist_local import Split
from training_loop import predict_logits

MOST_REJECTED = 0.0025  # share of the validation digits as they are that `is_digit` may turn away
MOST_REJECTED_PICTURES = 0.02  # likewise, of those composed into pictures or written anew
PICTURES = presets.PoolRecipe(0, 4_000, 2_000, 6_000, presets.STRONG, seed=1_000_001)


@dataclass(frozen=True)
class Calibration:
    """A temperature (> 0) for the ten logits, a threshold for the eleventh, and what they give."""

    temperature: float
    threshold: float
    figures: dict[str, Any]


def calibrate(
    network: keras.Model, preset: presets.Preset, validation: Split, folder: Path
) -> Calibration:
    """Choose temperature and threshold of a network (to logits) on the validation split.

    folder: where the composed validation pictures are kept, for a preset with a pool.
    """
    plain = predict_logits(network, validation.images)
    if preset.pool is None:
        return Calibration(metrics.fit_temperature(plain, validation.labels), 0.0, {})
    recipe = replace(PICTURES, augmentation=preset.pool.augmentation)
    pool = training_pool.build(recipe, validation, folder)
    pictures = predict_logits(network, pool.images[..., None] / np.float32(255))
    shown = pool.labels != training_pool.NO_DIGIT
    logits = np.concatenate([plain, pictures[shown]])
    labels = np.concatenate([validation.labels, pool.labels[shown]])
    temperature = metrics.fit_temperature(logits[:, : config.CLASSES], labels)

    plain_score, digit_score, other_score = (
        part[:, config.CLASSES] for part in (plain, pictures[shown], pictures[~shown])
    )
    threshold = float(
        min(
            np.quantile(plain_score, MOST_REJECTED),
            np.quantile(digit_score, MOST_REJECTED_PICTURES),
        )
    )
    read = metrics.softmax(pictures[shown][:, : config.CLASSES], temperature)
    figures = {
        "pictures": asdict(recipe) | metrics.figures(read, pool.labels[shown]),
        "is_digit": {
            "digits_rejected": float(np.mean(plain_score < threshold)),
            "pictures_rejected": float(np.mean(digit_score < threshold)),
            "non_digits_accepted": float(np.mean(other_score >= threshold)),
            "auroc": metrics.auroc(plain_score, other_score),
        },
    }
    return Calibration(temperature, threshold, figures)
