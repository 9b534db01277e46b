"""The pictures of a request, from any of the forms in which the contract takes them."""

from typing import Any

import numpy as np
from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

import config
from api.reading import json_kind
from utils import FORMAT_NAMES, MalformedPicture, Source, UnsupportedPicture

FIELDS = ("file", "image")
FORMS = (
    f"send {FORMAT_NAMES} as multipart form data with the field 'file', as a raw body with an "
    'image content type, or as JSON: {"image": "<base64 or data URL>"}, {"images": [...]} or '
    '{"pixels": [[...]]}'
)


def of_request(request: Request) -> tuple[list[Source], bool]:
    """Return the pictures of a request, not yet decoded, and whether it is a batch.

    A batch is several files, or JSON `images`, even of one. Raises MalformedPicture or
    UnsupportedPicture.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        return _of_form(request)
    if kind == "application/json" or kind.endswith("+json"):
        return _of_json(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [request.get_data(cache=False)], False
    raise UnsupportedPicture(f"the content type {kind or 'is missing and'} is not read: {FORMS}")


def _of_form(request: Request) -> tuple[list[Source], bool]:
    try:
        files = [file for field in FIELDS for file in request.files.getlist(field)]
    except RequestEntityTooLarge:
        raise
    except BadRequest:
        raise MalformedPicture(f"the form data is malformed: {FORMS}") from None
    if not files:
        sent = sorted({*request.files, *request.form})
        raise MalformedPicture(
            f"no picture in the form: its fields are {', '.join(sent) or 'none'}, expected 'file' "
            "with the file's contents (curl: -F file=@picture.png)"
        )
    return [file.read() for file in files], len(files) > 1


def _of_json(request: Request) -> tuple[list[Source], bool]:
    try:
        body = request.get_json(cache=False)
    except RequestEntityTooLarge:
        raise
    except (BadRequest, RecursionError):
        raise MalformedPicture(f"the body is not valid JSON: {FORMS}") from None
    given = [
        name for name in ("image", "images", "pixels") if isinstance(body, dict) and name in body
    ]
    if len(given) != 1:
        raise MalformedPicture(
            f"the JSON must be an object with exactly one of image, images and pixels: {FORMS}"
        )
    value = body[given[0]]
    if given[0] == "pixels":
        return [_pixels(value)], False
    pictures = value if given[0] == "images" else [value]
    if not isinstance(pictures, list) or not pictures:
        raise MalformedPicture("images must be a list of at least one base64 text or data URL")
    for picture in pictures:
        if not isinstance(picture, str):
            raise MalformedPicture(
                f"{given[0]} holds {json_kind(picture)}: expected base64 text or a data URL"
            )
    return pictures, given[0] == "images"


def _pixels(value: Any) -> np.ndarray:
    side = config.IMAGE_SIZE
    expected = f"pixels must be {side} lists of {side} numbers, 0-255 or 0-1"
    try:
        pixels = np.array(value)
    except (ValueError, OverflowError, RecursionError):
        raise MalformedPicture(f"{expected}: these rows are of different lengths") from None
    if pixels.shape != (side, side) or pixels.dtype.kind not in "iuf":
        raise MalformedPicture(f"{expected}: these are {pixels.shape} of {pixels.dtype}")
    return pixels
