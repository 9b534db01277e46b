"""The network: a compact convolutional classifier made of stock Keras layers only.

So a model file loads with plain `keras.models.load_model(path)` in safe mode, on any machine
with Keras, with no code of this project.
"""

from typing import TYPE_CHECKING

import config
import presets

if TYPE_CHECKING:
    import keras

DIGITNESS_UNITS = 64


def build_model(preset: presets.Preset) -> "keras.Model":
    """Build the untrained network: images (N, 28, 28, 1) in [0, 1] to logits (N, 10).

    With a pool that holds pictures of no digit there is an eleventh logit: is this one digit?
    A 5x5 convolution and three or four of 3x3, each with batch normalisation (Ioffe and
    Szegedy 2015) and a rectifier, then the mean over the field. The first is pooled before
    it is normalised: the same function while the scale is positive, on a quarter of the data.
    """
    import keras
    from keras import layers

    def normalised(x: "keras.KerasTensor") -> "keras.KerasTensor":
        return layers.ReLU()(layers.BatchNormalization()(x))

    first, second, third, fourth, fifth = preset.filters
    inputs = keras.Input((config.IMAGE_SIZE, config.IMAGE_SIZE, 1), name="images")
    x = layers.Conv2D(first, 5, use_bias=False)(inputs)
    x = normalised(layers.MaxPooling2D()(x))  # (12, 12, first)
    x = normalised(layers.Conv2D(second, 3, padding="same", use_bias=False)(x))
    x = normalised(layers.Conv2D(third, 3, padding="same", use_bias=False)(x))
    x = layers.MaxPooling2D()(x)  # (6, 6, third)
    x = normalised(layers.Conv2D(fourth, 3, padding="same", use_bias=False)(x))
    if fifth:
        x = normalised(layers.Conv2D(fifth, 3, use_bias=False)(x))  # (4, 4, fifth)
    mean = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(config.CLASSES, name="logits")(layers.Dropout(preset.dropout)(mean))
    if preset.pool and preset.pool.none:
        # What is foreign may be in one place only, so the largest of each feature counts too.
        seen = layers.Concatenate()([mean, layers.GlobalMaxPooling2D()(x)])
        known = layers.Dense(DIGITNESS_UNITS, activation="relu")(seen)
        logits = layers.Concatenate()([logits, layers.Dense(1, name="digitness")(known)])
    return keras.Model(inputs, logits, name="mnist_cnn")


def with_probabilities(
    model: "keras.Model", temperature: float, threshold: float = 0.0
) -> "keras.Model":
    """Return the model that is shipped: logits divided by `temperature` (> 0), then softmax.

    Temperature scaling (Guo et al. 2017) leaves the answer as it is and makes its
    confidence true. If the model has an eleventh logit, the outputs are named `probabilities`
    and `is_digit`, the sigmoid of that logit less `threshold`. The weights are shared with
    `model`, not copied.
    """
    import keras
    from keras import layers

    digits, digitness = model.output, None
    if model.output.shape[-1] > config.CLASSES:
        digits, digitness = (model.get_layer(name).output for name in ("logits", "digitness"))
    scaled = layers.Rescaling(1.0 / temperature, name="temperature")(digits)
    probabilities = layers.Softmax(name="probabilities")(scaled)
    if digitness is None:
        return keras.Model(model.input, probabilities, name=model.name)
    shifted = layers.Rescaling(1.0, -threshold, name="threshold")(digitness)
    is_digit = layers.Activation("sigmoid", name="is_digit")(shifted)
    outputs = {"probabilities": probabilities, "is_digit": is_digit}
    return keras.Model(model.input, outputs, name=model.name)


def take_weights(network: "keras.Model", finished: "keras.Model") -> None:
    """Give a network, to logits, the weights of a finished model of the same shape.

    Raises ValueError for a model of another shape.
    """
    heads = ("logits", "digitness")  # which of the two comes first depends on the outputs

    def body(model: "keras.Model") -> list["keras.Layer"]:
        return [layer for layer in model.layers if layer.weights and layer.name not in heads]

    pairs = list(zip(body(network), body(finished), strict=True))
    names = {layer.name for layer in network.layers}
    pairs += [(network.get_layer(n), finished.get_layer(n)) for n in heads if n in names]
    for own, given in pairs:
        own.set_weights(given.get_weights())


def multiply_adds(model: "keras.Model") -> int:
    """Count the multiply-adds that one image costs in the convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            positions = 1
            for side in layer.output.shape[1:-1]:
                positions *= side
            total += positions * int(kernel.shape.num_elements() or 0)
    return total
