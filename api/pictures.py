"""The pictures of a request, from any of the forms in which the contract takes them."""

import io
from typing import IO, Any

import msgspec
import numpy as np
from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

import config
from api import reading, request_bodies, validation
from api.problems import MalformedRequest
from utils import FORMAT_NAMES, MalformedPicture, Source, UnsupportedPicture

FIELDS = ("file", "image")
FORMS = (
    f"send {FORMAT_NAMES} as multipart form data with the field 'file', as a raw body with an "
    'image content type, or as JSON: {"image": "<base64 or data URL>"}, {"images": [...]} or '
    '{"pixels": [[...]]}, 28 lists of 28 numbers, 0-255 or 0-1'
)
DECODER = msgspec.json.Decoder(request_bodies.PredictRequest)


class InMemoryRequest(Request):
    """A request whose files stay in memory: they are bounded, and a disk may be read-only."""

    def _get_file_stream(self, *given: Any, **named: Any) -> IO[bytes]:  # for this, says Werkzeug
        return io.BytesIO()


def of_request(request: Request, settings: config.Settings) -> tuple[list[Source], bool]:
    """Return the pictures of a request, not yet decoded, and whether it is a batch.

    A batch is several files, or JSON `images`, even of one. Raises MalformedPicture,
    MalformedRequest, TooManyValues or UnsupportedPicture.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        return _of_form(request)
    if kind == "application/json" or kind.endswith("+json"):
        return _of_json(request, settings)
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
        names = sorted({str(name or "without a name") for name in (*request.files, *request.form)})
        sent = ", ".join(names) or "none"
        raise MalformedPicture(
            f"no picture in the form: its fields are {sent:.80}, expected 'file' "
            "with the file's contents (curl: -F file=@picture.png)"
        )
    return [file.read() for file in files], len(files) > 1


def _of_json(request: Request, settings: config.Settings) -> tuple[list[Source], bool]:
    body = validation.decode(reading.body_of(request), DECODER, FORMS, settings)
    given = request_bodies.given(body)
    if len(given) != 1:
        raise MalformedRequest(
            f"the JSON holds {' and '.join(given) or 'no image, images or pixels'}: exactly one "
            f"of the three is expected: {FORMS}"
        )
    if body.image is not msgspec.UNSET:
        return [body.image], False
    if body.images is not msgspec.UNSET:
        return [*body.images], True
    return [np.array(body.pixels)], False
