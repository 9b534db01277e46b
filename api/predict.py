"""The contract's own answer: pictures in, digits out, whichever way the pictures came."""

from typing import Any

import msgspec

import answers
from api import reading
from api.picture_reader import PictureReader
from api.replies import Reply
from classifier import Classifier, answers_from
from utils import Source


def answer_pictures(
    sources: list[Source],
    batch: bool,
    method: str,
    classifier: Classifier,
    pictures: PictureReader,
) -> Reply:
    """Return the response to pictures that are not yet decoded.

    batch: whether they are answered as a list, even one. Raises what `PictureReader.read` does.
    """
    images = pictures.read(sources, method)
    answered = answers_from(reading.outputs_of(classifier, images))
    found = [answers.describe(answer, method, classifier) for answer in answered]
    return json_reply({"predictions": found} if batch else found[0])


def json_reply(value: Any) -> Reply:
    """Return a response of JSON."""
    body = msgspec.json.encode(value) + b"\n"
    kind = ("Content-Type", "application/json")
    return Reply(200, [kind, ("Content-Length", str(len(body)))], body)
