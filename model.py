"""The network: a compact convolutional classifier made of stock Keras layers only.

So a model file loads with plain `keras.models.load_model(path)` in safe mode, on any machine
with Keras, with no code of this project.
"""

from typing import TYPE_CHECKING

import config

if TYPE_CHECKING:
    import keras


def build_model(preset: config.Preset) -> "keras.Model":
    """Build the untrained network: images (N, 28, 28, 1) in [0, 1] to logits (N, 10).

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
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(preset.dropout)(x)
    return keras.Model(inputs, layers.Dense(config.CLASSES, name="logits")(x), name="mnist_cnn")


def with_probabilities(model: "keras.Model", temperature: float) -> "keras.Model":
    """Return the model that is shipped: logits divided by `temperature` (> 0), then softmax.

    Temperature scaling (Guo et al. 2017) leaves the answer as it is and makes its
    confidence true. The weights are shared with `model`, not copied.
    """
    import keras
    from keras import layers

    scaled = layers.Rescaling(1.0 / temperature, name="temperature")(model.output)
    probabilities = layers.Softmax(name="probabilities")(scaled)
    return keras.Model(model.input, probabilities, name=model.name)


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
