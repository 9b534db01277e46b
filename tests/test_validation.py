"""JSON against its definition: the place, what stands there and what was wanted, in words."""

import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from json_bodies import ANYTHING

import config
from api import request_bodies, validation
from api.problems import MalformedRequest


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """An object in a list."""

    kind: Literal["a", "b"]
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Body(msgspec.Struct):
    """A body with a field of each type."""

    text: str = ""
    flag: bool = False
    rows: Annotated[list[float | list[float]], msgspec.Meta(min_length=1, max_length=2)] = []
    inners: list[Inner] = []


DECODER = msgspec.json.Decoder(Body)
SETTINGS = config.Settings()


def told(content: bytes) -> str:
    with pytest.raises(MalformedRequest) as caught:
        validation.decode(content, DECODER, "send what is right", SETTINGS)
    words, right = str(caught.value).rsplit(": ", 1)
    assert right == "send what is right"
    return words


@pytest.mark.parametrize(
    ("body", "words"),
    [([], "the JSON is a list, not an object"), (1.5, "the JSON is a number, not an object"),
     (None, "the JSON is null, not an object"), ({"text": {}}, "text is an object, not text"),
     ({"flag": 1}, "flag is a number, not true or false"),
     ({"rows": []}, "rows is an empty list"),
     ({"rows": [1, 2, 3]}, "rows holds more items than 2"),
     ({"rows": [1, [True]]}, "rows[1][0] is true or false, not a number"),
     ({"rows": [1, "2"]}, "rows[1] is text, not a number or a list"),
     ({"rows": [10**400]}, "rows[0] is a number far too large"),
     ({"inners": [{}]}, "inners[0] has no kind"),
     ({"inners": [{"kind": "c"}]}, "inners[0].kind is 'c'"),
     ({"inners": [{"kind": "c" * 500}]}, f"inners[0].kind is '{'c' * 79}"),
     ({"inners": [{"kind": "a", "sise": 2}]}, "inners[0] has sise, which is not known here"),
     ({"inners": [{"kind": "a", "size": 1.5}]}, "inners[0].size is a number, not a whole number"),
     ({"inners": [{"kind": "a", "size": 0}]}, "inners[0].size is below 1"),
     ({"inners": [{"kind": "a", "size": 10}]}, "inners[0].size is above 9"),
     ({"inners": [{"kind": "c - at `$.text`"}]}, "inners[0].kind is 'c - at `$.text`'")],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(body: Any, words: str) -> None:
    assert told(json.dumps(body).encode()) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is empty"), (b'{"text": ', "it is cut short"),
     (b'{"text": "\xff"}', "it is not UTF-8"),
     (b'{"text": x}', "invalid character at byte 9"),
     (b'{"x": NaN}', "it has no number NaN, which stands at byte 6"),
     (b'{"x": -Infinity}', "it has no number -Infinity, which stands at byte 6"),
     (b'{"text": "\\ud800"}', "it is cut short, or a text ends in half of a surrogate pair"),
     (b'{"x": ' + b"[" * 100_000, "its lists or objects are nested too deep")],
)  # fmt: skip
def test_what_is_no_json_is_told_with_the_cause(content: bytes, words: str) -> None:
    assert told(content) == f"the body is not valid JSON ({words})"


def test_the_mark_of_utf_8_is_taken() -> None:
    assert validation.decode(b'\xef\xbb\xbf{"text": "a"}', DECODER, "", SETTINGS).text == "a"


@given(ANYTHING)
def test_every_fault_has_its_own_words(body: Any) -> None:
    for definition in (
        request_bodies.PredictRequest,
        request_bodies.ServingRequest,
        request_bodies.InferRequest,
    ):
        try:
            validation.decode(
                json.dumps(body).encode(), msgspec.json.Decoder(definition), "right", SETTINGS
            )
        except MalformedRequest as fault:
            assert "not as it should be" not in str(fault)
