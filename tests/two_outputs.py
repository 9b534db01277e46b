"""A small model file with both outputs, whose is_digit follows a rule that a test can use.

    python tests/two_outputs.py

Writes tests/models/two_outputs.keras and its LiteRT form.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import model_files  # noqa: E402
import quiet  # noqa: E402

MOST_INK = 0.13  # mean of an image up to which the model below says that it is a digit


def write_model(path: Path) -> Path:
    """Write a network that takes any image for a digit unless there is too much ink in it.

    Its probabilities are those of random weights: distributions, and no more.
    """
    quiet.import_tensorflow()
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    images = keras.Input((28, 28, 1), name="images")
    digits = layers.Dense(10, activation="softmax", name="probabilities")(layers.Flatten()(images))
    is_digit = layers.Dense(1, activation="sigmoid", name="is_digit")
    outputs = {
        "probabilities": digits,
        "is_digit": is_digit(layers.GlobalAveragePooling2D()(images)),
    }
    slope = keras.ops.array([[-40.0]])
    is_digit.kernel.assign(slope)
    is_digit.bias.assign(-MOST_INK * slope[0])
    network = keras.Model(images, outputs, name="two_outputs")
    model_files.write_model(network.save, {}, path)
    return path


if __name__ == "__main__":
    from classifier import Classifier

    Classifier.load(write_model(ROOT / "tests" / "models" / "two_outputs.keras"))
