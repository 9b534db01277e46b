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
from containers import pixels_of
from decoding_process import DecodingProcess

LARGE_PIXELS = 2**20  # 1024x1024: more than the pad draws


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
        self._decoding = DecodingProcess()

    def read(self, sent: Any, method: str) -> Reading:
        """Return the answer to a picture, and what was seen of it.

        sent: as for `source`. Raises ReaderError for a picture that has no answer.
        """
        utils.check_method(method)
        file = self.content(sent)
        picture = self.decode(file)
        image, box = utils.located(picture, method)
        return Reading(self.answer(file, image, method), image, picture, box)

    def decode(self, file: bytes) -> Image.Image:
        """Decode a picture file; a large one in another process, whose crash costs no visitor more.

        Raises what `utils.decode` and `DecodingProcess.call` raise.
        """
        pixels, most = pixels_of(file), self.settings.max_pixels
        if pixels <= LARGE_PIXELS:
            return utils.decode(file, most)
        seconds = self.settings.max_seconds
        picture: Image.Image = self._decoding.call(pixels, seconds, utils.decode, file, most)
        return picture

    def content(self, sent: Any) -> bytes:
        """Return the picture file that the pad or a client sent, raises MalformedPicture for none.

        sent: a data URL, or as for `uploaded`.
        """
        if not isinstance(sent, str):
            return self.uploaded(sent).read_bytes()
        most = self.settings.max_bytes
        if 3 * len(sent) > 4 * most:
            raise utils.MalformedPicture(f"the picture is too large: at most {most:,} bytes")
        return utils.from_base64(sent)

    def answer(self, file: bytes, image: np.ndarray, method: str) -> dict[str, Any]:
        """Return the contract's answer to one picture file, of which `image` is the MNIST form."""
        return self.answers(image[None], method)[0]

    def answers(self, images: np.ndarray, method: str) -> list[dict[str, Any]]:
        """Return the contract's answers to images (N, 28, 28, 1) in MNIST form, made by `method`.

        Raises ReaderError if there can be none now.
        """
        said = self.classifier.answer(images)
        return [answers.describe(answer, method, self.classifier) for answer in said]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities (N, 10) float32 of images (N, 28, 28, 1) in MNIST form."""
        return self.classifier.probabilities(images)

    def card(self) -> dict[str, Any]:
        """Return the card of the model that answers now."""
        return self.classifier.card

    def runtime(self) -> str:
        """Say what runs the model."""
        return self.classifier.runtime

    def uploaded(self, sent: Any) -> Path:
        """Return the file of Gradio's description, and never another: it comes from the client."""
        path = sent.get("path") if isinstance(sent, dict) else None
        if not isinstance(path, str):
            raise utils.MalformedPicture("no picture was sent: upload a file first")
        file = Path(os.path.realpath(path))
        if not file.is_relative_to(self.uploads) or not file.is_file():
            raise utils.MalformedPicture("the picture is not among the uploads: send it again")
        return file
