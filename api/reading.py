"""What every protocol does alike: a request's body, its limits, and numbers to images.

Whatever the protocol, images leave this room in MNIST form, (N, 28, 28, 1) float32 in [0, 1], and
a fault is an exception that `problems` answers in the protocol's own form.
"""

from time import perf_counter
from typing import Any

import numpy as np
from flask import Request

import config
from api import stages
from api.problems import MalformedRequest, NotServed, OutOfTime, TooManyPictures
from classifier import BLANK_SHAPE, Classifier
from outputs import Outputs

SIDE = config.IMAGE_SIZE
IMAGE_SHAPES = ((SIDE, SIDE), (SIDE, SIDE, 1))


def read_numbers(numbers: np.ndarray, settings: config.Settings) -> np.ndarray:
    """Take numbers (N, 28, 28) or (N, 28, 28, 1) for images that are in MNIST form already.

    Raises MalformedRequest for another shape, for no image, and for a number that is not from
    0 to 1; TooManyPictures.
    """
    if numbers.shape[1:] not in IMAGE_SHAPES or not len(numbers):
        raise MalformedRequest(
            f"the images have the shape {list(numbers.shape)}: expected [N, {SIDE}, {SIDE}, 1] "
            f"or [N, {SIDE}, {SIDE}], with N from 1 to {settings.max_batch}"
        )
    check_count(len(numbers), "images", settings)
    wrong = ~((numbers >= 0) & (numbers <= 1))  # also where there is NaN
    if wrong.any():
        number = int(np.nonzero(wrong)[0][0]) + 1
        raise MalformedRequest(
            f"image {number} of {len(numbers)} holds {numbers[wrong][0]:g}: expected numbers from "
            "0 to 1, ink 1 on paper 0 (brightness 0-255 is to be divided by 255)"
        )
    stages.note_request(len(numbers), "none")
    return numbers.astype(np.float32).reshape(-1, SIDE, SIDE, 1)


def outputs_of(classifier: Classifier, images: np.ndarray) -> Outputs:
    """Return what the model says of images in MNIST form; timed, and noted for those who watch."""
    begin = perf_counter()
    try:
        outputs = classifier.outputs(images)
    finally:
        stages.add("infer", perf_counter() - begin)
    stages.note_answers(outputs)
    return outputs


def check_count(count: int, noun: str, settings: config.Settings) -> None:
    """Raise TooManyPictures for more than one request may hold."""
    if count > settings.max_batch:
        raise TooManyPictures(
            f"{count:,} {noun} in one request: at most {settings.max_batch} are accepted"
        )


def numbers_of(value: list[Any], what: str) -> np.ndarray:
    """Return nested lists of numbers as a float64 array of their shape.

    what: of which a fault tells. Raises MalformedRequest for lists of unequal lengths.
    """
    try:
        return np.array(value, np.float64)
    except ValueError:
        raise MalformedRequest(
            f"{what} has lists of unequal lengths: send lists of equal lengths"
        ) from None


def body_of(request: Request) -> bytes:
    """Return the whole body, whatever its content type says: these protocols' clients vary in it.

    Raises MalformedRequest for a compressed one.
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise MalformedRequest(
            f"the body is encoded as {encoding:.40}: send it as it is, without Content-Encoding"
        )
    return request.get_data(cache=False)


def check_time(settings: config.Settings) -> None:
    """Raise OutOfTime for a request that has been at work for longer than it may."""
    if stages.elapsed() > settings.max_seconds:
        raise OutOfTime(
            f"the request takes longer than {settings.max_seconds} seconds: send fewer or smaller "
            "pictures at once"
        )


def check_served(classifier: Classifier, name: str, version: str | None, served: str) -> None:
    """Raise NotServed unless a client asks for this model, and for its version if for any.

    served: what the protocol calls the only version there is.
    """
    if name != classifier.name:
        raise NotServed(f"there is no model {name!r:.80}: the one here is {classifier.name}")
    if version not in (None, served):
        raise NotServed(
            f"there is no version {version!r:.80} of {name}: the one here is {served}; "
            "without /versions/… it is taken"
        )


def check_ready(classifier: Classifier) -> None:
    """Have the model answer a blank image; raises what it raises if it cannot."""
    classifier.outputs(np.zeros(BLANK_SHAPE, np.float32))
