"""The way from an uploaded picture to its answer, for the page and for its API."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import answers
import config
import utils
from classifier import Classifier


@dataclass(frozen=True)
class Reading:
    """What was read in one picture: the contract's answer, and what the model saw.

    image: in MNIST form, (28, 28, 1) float32 in [0, 1].
    """

    answer: dict[str, Any]
    image: np.ndarray


class Reader:
    """Reads uploaded pictures with a loaded model."""

    def __init__(self, classifier: Classifier, settings: config.Settings, uploads: Path) -> None:
        self.classifier = classifier
        self.settings = settings
        self.uploads = uploads.resolve()

    def read(self, sent: Any, method: str) -> Reading:
        """Return the answer to an uploaded picture, and its image in MNIST form.

        sent: what the pad or a client sent, Gradio's description of a file. Raises ReaderError
        for a picture that has no answer.
        """
        utils.check_method(method)
        picture = utils.decode(self._uploaded(sent), self.settings.max_pixels)
        image = utils.to_mnist_form(picture, method)
        answer = self.classifier.answer(image[None])[0]
        return Reading(answers.describe(answer, method, self.classifier), image)

    def _uploaded(self, sent: Any) -> Path:
        """Return the uploaded file, and never another one: the path comes from the client."""
        path = sent.get("path") if isinstance(sent, dict) else None
        if not isinstance(path, str):
            raise utils.MalformedPicture("no picture was sent: upload a file first")
        file = Path(os.path.realpath(path))
        if not file.is_relative_to(self.uploads) or not file.is_file():
            raise utils.MalformedPicture("the picture is not among the uploads: send it again")
        return file
