"""Training images bent the way other hands, pens and papers would have drawn them.

Everything is batched TensorFlow inside `tf.data`, and stateless: the same seed, epoch and batch
give the same images, so that a resumed training sees what an uninterrupted one would have seen.
"""

import math

import numpy as np
import tensorflow as tf

import config
import presets

SIZE = config.IMAGE_SIZE
CENTRE = (SIZE - 1) / 2


class Draws:
    """Numbered random draws of one batch, all from one seed (2,) int32."""

    def __init__(self, seed: tf.Tensor, batch: tf.Tensor) -> None:
        self.seed, self.batch, self.drawn = seed, batch, 0

    def _next(self) -> tf.Tensor:
        self.drawn += 1
        return tf.random.experimental.stateless_fold_in(self.seed, self.drawn)

    def uniform(self, low: float, high: float, *shape: int) -> tf.Tensor:
        """Draw (N, *shape) float32 from [low, high)."""
        return tf.random.stateless_uniform([self.batch, *shape], self._next(), low, high)

    def normal(self, *shape: int) -> tf.Tensor:
        """Draw (N, *shape) float32 from the standard normal distribution."""
        return tf.random.stateless_normal([self.batch, *shape], self._next())

    def chosen(self, share: float) -> tf.Tensor:
        """Draw (N, 1, 1, 1) bool, each true with probability `share`."""
        return self.uniform(0.0, 1.0, 1, 1, 1) < share

    def whole(self, low: int, high: int) -> tf.Tensor:
        """Draw one int32 from [low, high) for the whole batch."""
        return tf.random.stateless_uniform([], self._next(), low, high, tf.int32)


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    preset: presets.Preset,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Return batches of augmented images from `first_epoch` to the preset's last, in order.

    images (N, 28, 28, 1) float32 in MNIST form, labels (N,) int; yields images
    (batch, 28, 28, 1) and one-hot labels (batch, 10). Every epoch is a new shuffle of all
    images, N // batch_size batches long.
    """
    images, labels = tf.constant(images), tf.constant(labels, tf.int32)
    count = tf.shape(labels)[0]

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count), tf.stack([tf.cast(epoch, tf.int32), preset.seed])
        )
        batches = tf.data.Dataset.from_tensor_slices(order).batch(
            preset.batch_size, drop_remainder=True
        )
        return batches.enumerate().map(lambda i, chosen: (epoch, i, chosen))

    def read(epoch: tf.Tensor, index: tf.Tensor, chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step = tf.cast(epoch, tf.int32) * 100_000 + tf.cast(index, tf.int32)
        seed = tf.stack([tf.constant(preset.seed, tf.int32), step])
        batch, answers = tf.gather(images, chosen), tf.gather(labels, chosen)
        return (
            augment(batch, answers, seed, preset.augmentation),
            tf.one_hot(answers, config.CLASSES),
        )

    epochs = tf.data.Dataset.range(first_epoch, preset.epochs)
    return epochs.flat_map(epoch_batches).map(read, tf.data.AUTOTUNE).prefetch(4)


def augment(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, amount: presets.Augmentation
) -> tf.Tensor:
    """Bend a batch of images (N, 28, 28, 1) in [0, 1], by at most `amount`; same shape and range.

    seed: (2,) int32. Order: strokes are added, then bent, then thinned or thickened, then printed.
    """
    draws = Draws(seed, tf.shape(images)[0])
    source = _field(draws, amount)
    if amount.added_strokes:
        images = _add_strokes(images, labels, draws, amount.added_strokes)
        source += _off_centre(images)
    images = _sample(images, source)
    if amount.thickness:
        images = _change_thickness(images, draws, amount.thickness)
    if amount.rough:
        images = _roughen(images, draws, amount.rough)
    return tf.clip_by_value(images, 0.0, 1.0)


def _field(draws: Draws, amount: presets.Augmentation) -> tf.Tensor:
    """Return where each pixel is read from, (N, 28, 28, 2) as x, y in pixels of the source."""
    axis = tf.range(SIZE, dtype=tf.float32) - CENTRE
    x, y = axis[None, None, :], axis[None, :, None]

    strength = draws.uniform(1.0 - amount.varied, 1.0, 1, 1) if amount.varied else 1.0

    def within(most: float) -> tf.Tensor:
        return strength * draws.uniform(-most, most, 1, 1)

    angle = within(amount.rotation) * (math.pi / 180)
    slant = within(amount.shear)
    scale_x, scale_y = 2.0 ** within(amount.scale), 2.0 ** within(amount.scale)
    shift_x, shift_y = within(amount.shift), within(amount.shift)
    keystone_x = within(amount.perspective) / SIZE
    keystone_y = within(amount.perspective) / SIZE

    x, y = x - shift_x, y - shift_y
    depth = 1.0 + keystone_x * x + keystone_y * y
    turned_x = (tf.cos(angle) * x + tf.sin(angle) * y) / depth
    turned_y = (tf.cos(angle) * y - tf.sin(angle) * x) / depth
    source = tf.stack([turned_x * scale_x + slant * turned_y, turned_y * scale_y], -1) + CENTRE
    if amount.elastic:
        # Simard et al. (2003), with the smooth field drawn as knots 5.6 pixels apart.
        knots = draws.normal(5, 5, 2) * amount.elastic * draws.uniform(0.0, 1.0, 1, 1, 1)
        source += tf.image.resize(knots, [SIZE, SIZE], "bicubic")
    return source


def _sample(images: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
    """Read images (N, 28, 28, 1) at `source` (N, 28, 28, 2), bilinear, 0 outside the field."""
    padded = tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]])
    side = SIZE + 2
    flat = tf.reshape(padded, [-1, side * side])
    source = tf.clip_by_value(source + 1.0, 0.0, side - 1.001)
    corner = tf.floor(source)
    part = source - corner
    corner = tf.cast(corner, tf.int32)
    index = tf.reshape(corner[..., 1] * side + corner[..., 0], [-1, SIZE * SIZE])

    def at(offset: int) -> tf.Tensor:
        return tf.reshape(tf.gather(flat, index + offset, batch_dims=1), [-1, SIZE, SIZE])

    right, down = part[..., 0], part[..., 1]
    upper = at(0) * (1 - right) + at(1) * right
    lower = at(side) * (1 - right) + at(side + 1) * right
    return (upper * (1 - down) + lower * down)[..., None]


def _change_thickness(images: tf.Tensor, draws: Draws, share: float) -> tf.Tensor:
    """Thin or thicken the strokes of a share of the images by up to a pixel a side."""

    def grown(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.max_pool2d(x, 3, 1, "SAME")

    amount = draws.uniform(-0.8, 1.0, 1, 1, 1)
    thick = images + tf.maximum(amount, 0.0) * (grown(images) - images)
    thin = thick + tf.maximum(-amount, 0.0) * (-grown(-images) - images)
    # The pen still leaves black where it went: a thinned stroke is not a pale one.
    peak = tf.reduce_max(thin, [1, 2, 3], keepdims=True)
    thin = tf.minimum(thin / tf.maximum(peak, 0.2), 1.0)
    return tf.where(draws.chosen(share), thin, images)


def _roughen(images: tf.Tensor, draws: Draws, share: float) -> tf.Tensor:
    """Print a share of the images badly: coarse, hard-edged, blurred, dry, faint or noisy."""
    coarse_side = draws.whole(10, 22)
    coarse = tf.image.resize(images, [coarse_side, coarse_side], "area")
    images = tf.where(draws.chosen(share), tf.image.resize(coarse, [SIZE, SIZE], "bicubic"), images)

    hard = tf.cast(images > draws.uniform(0.2, 0.6, 1, 1, 1), tf.float32)
    images = tf.where(draws.chosen(share), hard, images)

    blurred = tf.nn.avg_pool2d(tf.nn.avg_pool2d(images, 2, 1, "SAME"), 2, 1, "SAME")
    peak = tf.reduce_max(blurred, [1, 2, 3], keepdims=True)
    images = tf.where(draws.chosen(share), blurred / tf.maximum(peak, 0.2), images)

    dry = 1.0 - tf.nn.relu(tf.image.resize(draws.normal(9, 9, 1), [SIZE, SIZE]) - 0.5)
    images = tf.where(draws.chosen(share), images * tf.clip_by_value(dry, 0.2, 1.0), images)

    gamma = draws.uniform(0.5, 1.6, 1, 1, 1)
    images = tf.where(draws.chosen(2 * share), tf.clip_by_value(images, 0.0, 1.0) ** gamma, images)
    noise = draws.normal(SIZE, SIZE, 1) * draws.uniform(0.0, 0.12, 1, 1, 1)
    return tf.where(draws.chosen(share), images + noise, images)


def _add_strokes(images: tf.Tensor, labels: tf.Tensor, draws: Draws, share: float) -> tf.Tensor:
    """Give ones a flag, a foot or both, and sevens a bar: as much of the world writes them.

    The people whose digits MNIST holds hardly ever did (LeCun et al. 1998 took American
    forms), so these shapes cannot come from bending its images.
    """
    ink = images[..., 0]
    rows = tf.reduce_max(ink, 2) > 0.4  # (N, 28)
    row_number = tf.range(SIZE, dtype=tf.float32)
    top = tf.reduce_min(tf.where(rows, row_number, SIZE - 1.0), 1)
    bottom = tf.reduce_max(tf.where(rows, row_number, 0.0), 1)
    height = tf.maximum(bottom - top, 1.0)
    weight = ink / (tf.reduce_sum(ink, 2, keepdims=True) + 1e-6)
    column_of_row = tf.reduce_sum(weight * row_number, 2)  # (N, 28) mean x of a row's ink

    def stem(y: tf.Tensor) -> tf.Tensor:
        return tf.gather(column_of_row, tf.cast(tf.round(y), tf.int32), batch_dims=1)

    width = draws.uniform(0.7, 1.6)  # half the pen's breadth, pixels
    top_x, bottom_x = stem(top + 1), stem(bottom - 1)

    reach = height * draws.uniform(0.15, 0.7)
    drop = reach * tf.tan(draws.uniform(30.0, 65.0) * (math.pi / 180))
    drop = tf.minimum(drop, 0.7 * height)
    flag = _stroke(top_x, top + 1, top_x - reach, top + 1 + drop, width)
    half, tilt = height * draws.uniform(0.12, 0.35), draws.uniform(-0.8, 0.8)
    foot = _stroke(bottom_x - half, bottom - tilt, bottom_x + half, bottom + tilt, width)
    middle = top + height * draws.uniform(0.42, 0.62)
    half = height * draws.uniform(0.16, 0.32)
    tilt, middle_x = draws.uniform(-1.2, 1.2), stem(middle)
    bar = _stroke(middle_x - half, middle + tilt, middle_x + half, middle - tilt, width)

    def drawn(stroke: tf.Tensor, digit: int, likely: float) -> tf.Tensor:
        wanted = (labels == digit)[:, None, None] & draws.chosen(likely)[..., 0]
        return tf.where(wanted, stroke, 0.0)

    added = tf.maximum(drawn(flag, 1, 2 * share), drawn(foot, 1, share))
    return tf.maximum(ink, tf.maximum(added, drawn(bar, 7, 1.5 * share)))[..., None]


def _off_centre(images: tf.Tensor) -> tf.Tensor:
    """Return how far the centre of mass lies from MNIST's, (N, 1, 1, 2) as x, y in pixels."""
    axis = tf.range(SIZE, dtype=tf.float32) - SIZE / 2  # MNIST's is the middle of pixel 14
    mass = tf.reduce_sum(images, [1, 2, 3]) + 1e-6
    x = tf.reduce_sum(images[..., 0] * axis[None, None, :], [1, 2]) / mass
    y = tf.reduce_sum(images[..., 0] * axis[None, :, None], [1, 2]) / mass
    return tf.stack([x, y], -1)[:, None, None, :]


def _stroke(
    x0: tf.Tensor, y0: tf.Tensor, x1: tf.Tensor, y1: tf.Tensor, half_width: tf.Tensor
) -> tf.Tensor:
    """Draw one straight stroke an image, (N, 28, 28): ends and half width (N,) in pixels."""
    axis = tf.range(SIZE, dtype=tf.float32)
    x0, y0, x1, y1 = (v[:, None, None] for v in (x0, y0, x1, y1))
    x, y = axis[None, None, :] - x0, axis[None, :, None] - y0
    dx, dy = x1 - x0, y1 - y0
    along = tf.clip_by_value((x * dx + y * dy) / (dx * dx + dy * dy + 1e-6), 0.0, 1.0)
    distance = tf.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2 + 1e-9)
    return tf.clip_by_value(half_width[:, None, None] + 0.5 - distance, 0.0, 1.0)
