"""The pool: training images made once, of all that a reader meets, ready in MNIST form.

Bringing a picture through `enhanced` costs milliseconds, so what training sees of paper, canvases,
other people's shapes and non-digits is made beforehand, in all processes that the machine has room
for, in shards that survive a kill. To make it anew after a change of code, delete its folder.
"""

import contextlib
import hashlib
import io
import multiprocessing.pool
import os
import signal
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

import config
import negatives
import paper
import presets
import strokes
import utils
from enhanced import NoInk
from load_mnist_local import Split

NO_DIGIT = 10  # the label of an image that shows none
SHARD = 2_000  # images a file
FEW = 500  # images that are made sooner than other processes have started
KINDS = ("bent", "sheets", "strokes", "none")
SMALLEST, LARGEST = 28, 320  # pixels of the sheets' longer side
FORM = np.dtype([("image", np.uint8, (config.IMAGE_SIZE, config.IMAGE_SIZE)), ("label", np.int64)])


@dataclass(frozen=True)
class Pool:
    """Images (N, 28, 28) uint8, ink 255; labels (N,) 0-10, 10 for no digit; kinds (N,) 0-3."""

    images: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Job:
    """One shard to be made: images of one kind, counted from `number` * SHARD."""

    folder: Path
    recipe: presets.PoolRecipe
    kind: str
    number: int
    size: int

    @property
    def path(self) -> Path:
        return self.folder / f"{self.kind}-{self.number:04d}-{self.size}.npy"

    def generator(self, use: int) -> np.random.Generator:
        """Return the shard's own source of chance for one of its uses."""
        return np.random.default_rng((self.recipe.seed, KINDS.index(self.kind), self.number, use))


def build(recipe: presets.PoolRecipe, digits: Split, folder: Path) -> Pool:
    """Make what of the recipe's pool is not yet in `folder`, and return all of it.

    digits: the split that MNIST's digits are taken from. Shows progress.
    """
    source = structured(digits)
    folder = folder / _key(recipe, source)
    counts = astuple(recipe)[: len(KINDS)]
    jobs = [
        Job(folder, recipe, kind, number, min(SHARD, count - number * SHARD))
        for kind, count in zip(KINDS, counts, strict=True)
        for number in range(-(-count // SHARD))
    ]
    missing = [job for job in jobs if not job.path.exists()]
    tasks = ((job, _drawn(source, job)) for job in missing)
    total = sum(job.size for job in missing)
    with (
        contextlib.nullcontext() if total <= FEW else _workers() as workers,
        tqdm(total=total, unit="img", unit_scale=True, disable=None) as bar,
    ):
        make = workers.imap_unordered if workers else map
        for size in make(_make_shard, tasks):
            bar.update(size)
    parts = [np.load(job.path) for job in jobs]
    kinds = np.repeat([KINDS.index(job.kind) for job in jobs], [job.size for job in jobs])
    whole = np.concatenate(parts)
    return Pool(whole["image"], whole["label"], kinds.astype(np.int8))


def _workers() -> multiprocessing.pool.Pool:
    """Start the processes, deaf to Ctrl-C: this process ends them, without their tracebacks."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which they inherit
    try:
        return multiprocessing.get_context("spawn").Pool(os.cpu_count())
    finally:
        signal.signal(signal.SIGINT, handler)


def _key(recipe: presets.PoolRecipe, source: np.ndarray) -> str:
    """Return a name for all that decides what is in a shard, except this project's code."""
    said = repr((recipe.augmentation, recipe.seed)).encode() + source.tobytes()
    return hashlib.sha256(said).hexdigest()[:12]


def structured(split: Split) -> np.ndarray:
    """Return images and labels of a split as one array of FORM."""
    digits = np.zeros(len(split), FORM)
    digits["image"] = np.rint(255 * split.images[..., 0])
    digits["label"] = split.labels
    return digits


def _drawn(source: np.ndarray, job: Job) -> np.ndarray:
    """Return the MNIST digits that a shard is made from, bent where that is its business."""
    # Every digit once before any comes twice.
    order = np.random.default_rng(job.recipe.seed).permutation(len(source))
    chosen = source[order[(job.number * SHARD + np.arange(job.size)) % len(source)]]
    if job.kind in ("bent", "sheets"):
        import tensorflow as tf

        import augment

        amount = job.recipe.augmentation
        if job.kind == "sheets":  # the sheet does the rest
            amount = replace(amount, rough=0.0, shift=0.0, thickness=amount.thickness / 2)
        elif job.number % 3 == 0:  # MNIST's own kind of digit must not become a rarity
            amount = presets.MILD
        seed = tf.constant(job.generator(0).integers(0, 2**31 - 1, 2), tf.int32)
        images = tf.constant(chosen["image"][..., None].astype(np.float32) / 255)
        bent = augment.augment(images, tf.constant(chosen["label"], tf.int32), seed, amount)
        chosen["image"] = np.rint(255 * bent.numpy()[..., 0])
    return chosen


def _make_shard(task: tuple[Job, np.ndarray]) -> int:
    """Write one shard, and return how many images it holds."""
    job, digits = task
    if job.kind != "bent":
        digits = np.fromiter(_images(job.kind, digits, job.generator(1)), FORM, job.size)
    with utils.atomic_path(job.path) as aside:
        np.save(aside, digits)
    return job.size


def _images(
    kind: str, digits: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield images (28, 28) uint8 in MNIST form and labels, without end."""
    number = 0
    while True:
        digit = digits[number % len(digits)]
        number += 1
        try:
            picture, label = sample(kind, digit, digits, rng)
            image = utils.to_mnist_form(picture)[..., 0]
        except (NoInk, ValueError):  # too faint to be seen, or bent out of sight
            continue
        yield np.rint(255 * image).astype(np.uint8), label


def sample(
    kind: str, digit: np.ndarray, digits: np.ndarray, rng: np.random.Generator
) -> tuple[Image.Image, int]:
    """Return one picture as a person would send it (mode L), and its label 0-10."""
    if kind == "none":
        return _laid(negatives.random_ink(digits, rng), rng), NO_DIGIT
    if kind == "strokes":
        label = int(rng.integers(config.CLASSES))
        height = int(rng.integers(20, 160))
        ink = strokes.draw(strokes.digit(label, rng), height, strokes.random_pen(rng), rng)
        return _laid(ink, rng), label
    label = int(digit["label"])
    if rng.uniform() < 0.3:
        return Image.fromarray(digit["image"]), label
    scene = paper.Scene(pen=int(rng.choice([-3, -2, -1, 0, 0, 0, 1, 2])))
    side = int(rng.integers(20, 160))
    ink = paper.strokes_of(digit["image"][..., None] / np.float32(255), scene, side, rng)
    return sheet(ink, rng), label


def _laid(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lay ink on a sheet, or let it fill a small picture from edge to edge."""
    if rng.uniform() >= 0.2:
        return sheet(ink, rng)
    side = int(rng.choice([16, 28, 28, 64]))
    scale = side * rng.uniform(0.9, 1.0) / max(ink.size)
    size = max(1, round(ink.width * scale)), max(1, round(ink.height * scale))
    field = Image.new("L", (side, side if rng.uniform() < 0.8 else max(size[1], side // 2)))
    ink = ink.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    field.paste(ink, ((field.width - size[0]) // 2, (field.height - size[1]) // 2))
    return field if rng.uniform() < 0.6 else field.point(lambda level: 255 - level)


def sheet(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lay ink (mode L, 255 where it is) on a sheet of random size, paper, light and quality."""
    longest = max(ink.size)
    room = longest / rng.uniform(0.3, 0.92)
    side = float(np.clip(room, SMALLEST, LARGEST))
    if rng.uniform() < 0.3:
        side = float(rng.choice([16, 28, 28, 28, 56]))
    height, width = (round(side * rng.uniform(0.8, 1.0)) for _ in range(2))
    scale = min(side / room, 0.96 * width / ink.width, 0.96 * height / ink.height)
    if abs(scale - 1) > 0.02:
        size = max(1, round(ink.width * scale)), max(1, round(ink.height * scale))
        way = Image.Resampling.NEAREST if rng.uniform() < 0.1 else Image.Resampling.BICUBIC
        ink = ink.resize(size, Image.Resampling.BOX if scale < 1 else way)
    spare = width - ink.width, height - ink.height
    field = Image.new("L", (width, height))
    place = rng.beta(2, 2, 2)
    field.paste(ink, (round(spare[0] * place[0]), round(spare[1] * place[1])))
    return _photographed(field, rng)


def _photographed(field: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Give a clean field its paper, light, lines, blur and compression; half stay clean."""
    look = rng.uniform()
    if look < 0.25:
        return field
    if look < 0.5:
        return field.point(lambda level: 255 - level)
    if rng.uniform() < 0.2 and min(field.size) > 50:
        field = _ruled(field, rng)
    dark = rng.uniform() < 0.25
    scene = paper.Scene(
        paper=(0.0, 0.3) if dark else (0.5, 1.0),
        ink=(0.6, 1.0) if dark else (0.0, 0.4),
        # On a sheet of few pixels a little grain already drowns the digit.
        grain=(0.0, min(0.08, max(field.size) / 800)) if rng.uniform() < 0.5 else (0.0, 0.0),
        light=(0.4, 1.0) if rng.uniform() < 0.5 else (1.0, 1.0),
        shadow=(0.5, 1.0) if rng.uniform() < 0.3 else (1.0, 1.0),
    )
    if rng.uniform() < 0.3:
        field = field.filter(
            ImageFilter.GaussianBlur(rng.uniform(0.3, 0.012 * max(field.size) + 0.4))
        )
    picture = paper.photograph(scene, field, rng)
    if rng.uniform() < 0.4:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(15, 90)))
        picture = Image.open(file).convert("L")
    return picture


def _ruled(field: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Print faint rules or a grid under the ink."""
    pixels = np.asarray(field).copy()
    level, gap = int(rng.uniform(15, 50)), int(rng.uniform(0.12, 0.4) * min(field.size))
    first = int(rng.integers(gap))
    pixels[first::gap] = np.maximum(pixels[first::gap], level)
    if rng.uniform() < 0.5:
        pixels[:, first::gap] = np.maximum(pixels[:, first::gap], level)
    return Image.fromarray(pixels)
