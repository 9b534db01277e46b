"""The way from an uploaded picture to its answer, for the page and for its API."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import answers
import config
import utils
from classifier import Classifier


@dataclass(frozen=True)
class Reading:
    """What was read in one picture: the contract's answer, and what the model saw.

    image: in MNIST form, (28, 28, 1) float32 in [0, 1]; picture: as it was decoded, upright,
    mode L or RGB; box: the part of it in which the digit was found.
    """

    answer: dict[str, Any]
    image: np.ndarray
    picture: Image.Image
    box: utils.Box


class Reader:
    """Reads uploaded pictures with a loaded model."""

    def __init__(self, classifier: Classifier, settings: config.Settings, uploads: Path) -> None:
        self.classifier = classifier
        self.settings = settings
        self.uploads = uploads.resolve()

    def read(self, sent: Any, method: str) -> Reading:
        """Return the answer to a picture, and what was seen of it.

        sent: as for `source`. Raises ReaderError for a picture that has no answer.
        """
        utils.check_method(method)
        picture = utils.decode(self.source(sent), self.settings.max_pixels)
        image, box = utils.located(picture, method)
        answer = self.classifier.answer(image[None])[0]
        described = answers.describe(answer, method, self.classifier)
        return Reading(described, image, picture, box)

    def source(self, sent: Any) -> utils.Source:
        """Return what `utils.decode` takes for what the pad or a client sent.

        sent: a data URL, or Gradio's description of an uploaded file, and never another file:
        the path comes from the client. Raises MalformedPicture for anything else.
        """
        if isinstance(sent, str) and sent.startswith("data:"):
            most = self.settings.max_bytes
            if 3 * len(sent) > 4 * most:
                raise utils.MalformedPicture(f"the picture is too large: at most {most:,} bytes")
            return sent
        path = sent.get("path") if isinstance(sent, dict) else None
        if not isinstance(path, str):
            raise utils.MalformedPicture("no picture was sent: upload a file first")
        file = Path(os.path.realpath(path))
        if not file.is_relative_to(self.uploads) or not file.is_file():
            raise utils.MalformedPicture("the picture is not among the uploads: send it again")
        return file
