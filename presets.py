"""The training recipes: the network's widths, the schedule, and what is learnt from.

`PRESETS` are what `train_model.py --preset` offers. The order in which the shipped model and its
teachers were trained is in docs/campaign.md.
"""

from dataclasses import dataclass, replace

import config


@dataclass(frozen=True)
class Augmentation:
    """How far training images are bent. Every number is the largest amount drawn; 0 is off.

    Lengths are pixels of the 28x28 field, angles degrees, shares probabilities an image.
    """

    rotation: float = 0.0  # degrees either way
    shift: float = 0.0  # pixels either way
    scale: float = 0.0  # log2 of the factor, each axis on its own, either way
    shear: float = 0.0  # tangent of the slant, either way
    perspective: float = 0.0  # keystone: relative change of scale across the field
    elastic: float = 0.0  # pixels, standard deviation of the displacement's knots
    thickness: float = 0.0  # share of images with a stroke thinned or thickened
    added_strokes: float = 0.0  # share of ones given a foot; twice it a flag; 1.5 of 7s a bar
    rough: float = 0.0  # share of images each: low resolution, hard edges, blur, noise, dry ink
    varied: float = 0.0  # how much less an image may be bent than another: 1, not at all


@dataclass(frozen=True)
class PoolRecipe:
    """How many training images of each kind are made beforehand; see training_pool.py."""

    bent: int  # MNIST's digits, bent
    sheets: int  # the same on canvases and paper, brought back through `enhanced`
    strokes: int  # digits written anew in other people's shapes, likewise
    none: int  # pictures of no digit, likewise
    augmentation: Augmentation
    seed: int = 1


@dataclass(frozen=True)
class Preset:
    """One training recipe: the network's widths, the schedule and the augmentation."""

    filters: tuple[int, int, int, int, int]
    epochs: int
    augmentation: Augmentation
    batch_size: int = 128
    learning_rate: float = 3e-3  # the peak of the one-cycle schedule
    weight_decay: float = 1e-2
    dropout: float = 0.2
    label_smoothing: float = 0.0
    train_images: int | None = None  # None: all of the training split
    seed: int = 1
    pool: PoolRecipe | None = None  # None: MNIST's digits, bent anew in every epoch
    parts: int = 1  # of the pool, one an epoch
    fresh: float = 0.0  # share of a batch that is MNIST, bent anew, in place of the pool's
    last: bool = False  # keep the last epoch, not the best on validation: it is to be averaged
    start: str | None = None  # of the teachers: the model whose weights are gone on from
    # Whose answers are learnt: models in models/checkpoints/teachers, or the shipped one.
    teachers: tuple[str, ...] = ()
    taught: float = 0.7  # share of an answer that the teachers give; the label gives the rest
    smoothed: float = 0.02  # share of an answer spread over all digits, where no teacher knows
    doubt: float = 0.2  # weight of "it could be any digit" for no digit (Hendrycks et al. 2019)


MILD = Augmentation(rotation=10, shift=1.5, scale=0.15, shear=0.15)
STRONG = Augmentation(
    rotation=15,
    shift=2.0,
    scale=0.3,
    shear=0.35,
    perspective=0.15,
    elastic=0.7,
    thickness=0.5,
    added_strokes=0.25,
    rough=0.08,
)

# Most people's digits are near MNIST's: each is bent by its own share of what may be.
VARIED = replace(STRONG, added_strokes=0.15, varied=1.0)

POOL = PoolRecipe(bent=300_000, sheets=90_000, strokes=60_000, none=90_000, augmentation=STRONG)
LATER_POOL = PoolRecipe(
    bent=0, sheets=80_000, strokes=60_000, none=110_000, augmentation=VARIED, seed=2
)

STANDARD = Preset((32, 48, 64, 96, 96), 45, STRONG, weight_decay=2e-2)
BROAD = replace(
    STANDARD,
    filters=(32, 56, 80, 128, 128),
    epochs=64,
    pool=POOL,
    parts=8,
    teachers=("standard", "wide", "pooled"),
)
MIXED = replace(
    BROAD,
    epochs=15,
    augmentation=VARIED,
    learning_rate=1.5e-3,
    pool=LATER_POOL,
    parts=1,
    fresh=0.5625,
    last=True,
    start="broad",
    teachers=("standard", "wide", "broad"),
)

BEST = replace(
    MIXED,
    epochs=6,
    learning_rate=1e-3,
    fresh=0.6875,
    start="mixed",
    taught=0.3,
    smoothed=0.0,
    doubt=0.05,
)
TINY = replace(
    BEST,
    filters=(16, 32, 40, 56, 64),
    epochs=30,
    learning_rate=3e-3,
    weight_decay=1e-2,
    dropout=0.1,
    last=False,
    start=None,
    teachers=(config.MODEL_PATH.stem,),
    taught=0.5,
)

PRESETS = {
    # Seconds: proves that the path works, says nothing about accuracy.
    "smoke": Preset((8, 16, 16, 16, 16), 3, MILD, train_images=2_000),
    # The default: a few minutes on two cores, at least 99.4% on the test set.
    "quick": Preset((16, 32, 32, 64, 64), 7, MILD, dropout=0.1),
    # At least 99.6% on the test set, and other people's pens: a teacher of `best`.
    "standard": STANDARD,
    # Two more teachers: a wider network, and one that has seen all that a reader meets.
    "wide": replace(STANDARD, filters=(32, 64, 96, 128, 128), epochs=20, seed=2),
    "pooled": replace(
        STANDARD, epochs=16, seed=3, pool=POOL, parts=8, teachers=("standard", "wide")
    ),
    # What the shipped model begins with: that pool, and what three teachers say of it.
    "broad": BROAD,
    # MNIST bent anew in every epoch, beside pictures that `broad` has not seen; three runs, of
    # seeds 1 to 3, are averaged.
    "mixed": MIXED,
    # The shipped model, again the average of three: the labels count for more, and what is no
    # digit is the eleventh logit's business alone.
    "best": BEST,
    # For a microcontroller: what the shipped model knows, in less than 100 kB of 8-bit numbers.
    "tiny": TINY,
}
DEFAULT_PRESET = "quick"
