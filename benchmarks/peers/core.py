"""What every peer does with a picture: the project's own path, so that only the serving differs."""

from collections.abc import Callable

import classifier
import config
import utils


def load_reader() -> Callable[[bytes], dict[str, float]]:
    """Return what reads an encoded picture, as {"digit": 0-9, "confidence": 0-1}; any thread."""
    model = classifier.Classifier.load(config.MODEL_PATH, classifier.LITERT)

    def read(content: bytes) -> dict[str, float]:
        image = utils.to_mnist_form(utils.decode(content), "enhanced")
        (answer,) = model.answer(image[None])
        return {"digit": answer.digit, "confidence": answer.confidence}

    return read
