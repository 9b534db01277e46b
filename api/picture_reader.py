"""The pictures of a request brought to MNIST form, within the limits of one request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import config
import utils
from api import reading, stages
from api.problems import TooManyPixels
from containers import pixels_of
from decoding_process import LARGE_PIXELS, Prepared, prepare

# (cost in pixels, seconds it may take, function, arguments): calls the function in another process.
RemoteCall = Callable[..., Any]


class PictureReader:
    """Decodes and prepares pictures: here, or where it costs more, in another process."""

    def __init__(self, settings: config.Settings, remote_call: RemoteCall | None = None) -> None:
        """remote_call: None to do everything in this process."""
        self.settings = settings
        self._remote_call = remote_call

    def read(self, sources: list[utils.Source], method: str) -> np.ndarray:
        """Return pictures as images (N, 28, 28, 1) float32; a fault in a batch names its picture.

        method: of `utils.METHODS`. Raises TooManyPictures, TooManyPixels, OutOfTime, and what
        `utils.decode`, `utils.to_mnist_form` and `DecodingProcess.call` raise.
        """
        utils.check_method(method)
        reading.check_count(len(sources), "pictures", self.settings)
        stages.note_request(len(sources), method)
        contents, pixels = [], 0
        for number, source in enumerate(sources, 1):
            with _numbered(number, len(sources)):
                content = utils.from_base64(source) if isinstance(source, str) else source
            contents.append(content)
            pixels += self._cost(content)
        self._check_pixels(pixels)
        remote_call = self._remote_call if pixels > LARGE_PIXELS else None
        images = []
        for number, content in enumerate(contents, 1):
            reading.check_time(self.settings)
            with _numbered(number, len(contents)):
                images.append(self._image(content, method, remote_call))
        return np.stack(images)

    def _cost(self, content: utils.Source) -> int:
        """Return the pixels to be decoded; a picture above the limit is refused before that."""
        if isinstance(content, bytes):
            pixels = pixels_of(content)
            return pixels if pixels <= self.settings.max_pixels else 0
        return int(content.size) if isinstance(content, np.ndarray) else 0

    def _check_pixels(self, pixels: int) -> None:
        most = self.settings.max_total_pixels
        if pixels > most:
            raise TooManyPixels(
                f"the pictures have {pixels:,} pixels in total: at most {most:,} are accepted in "
                "one request, send fewer or smaller pictures at once"
            )

    def _image(
        self, content: utils.Source, method: str, remote_call: RemoteCall | None
    ) -> np.ndarray:
        arguments = content, method, self.settings.max_pixels
        if remote_call is None:
            prepared: Prepared = prepare(*arguments)
        else:
            left = self.settings.max_seconds - stages.elapsed()
            prepared = remote_call(self._cost(content), left, prepare, *arguments)
        stages.add("decode", prepared.decoding)
        if prepared.preprocessing is not None:
            stages.add("preprocess", prepared.preprocessing)
        if prepared.image is None:
            raise prepared.fault or RuntimeError("neither image nor fault")
        return prepared.image


@contextmanager
def _numbered(number: int, count: int) -> Iterator[None]:
    """Name the picture in the message of a fault, if there are several."""
    try:
        yield
    except config.ReaderError as fault:
        if count == 1:
            raise
        raise type(fault)(f"picture {number} of {count}: {fault}") from None
