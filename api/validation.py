"""JSON checked against its definition, and what is wrong with it told in words.

msgspec names a place and types; here that becomes the sentence that a person is answered, and
after it what would be right.
"""

import re
from typing import TypeVar

import msgspec

import config
from api.problems import MalformedRequest, TooManyValues

T = TypeVar("T")

KINDS = {
    "object": "an object",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}
GOT = KINDS | {"int": "a number"}
# What msgspec says, and what is said here of the place {0}.
SENTENCES = tuple(
    (re.compile(said, re.DOTALL), told)
    for said, told in (
        (r"Expected `(.+)`, got `(\w+)`", "{0} is {2}, not {1}"),
        (r"Expected `(str)`", "{0} is not {1}"),
        (r"Expected `array` of length >= 1", "{0} is an empty list"),
        (r"Expected `array` of length <= (\d+)", "{0} holds more items than {1}"),
        (r"Expected `array` of length >= (\d+)", "{0} holds fewer items than {1}"),
        (r"Expected `\w+` <= (.+)", "{0} is above {1}"),
        (r"Expected `\w+` >= (.+)", "{0} is below {1}"),
        (r"Invalid (?:enum )?value (.+)", "{0} is {1}"),
        (r"Object missing required field `(.+)`", "{0} has no {1}"),
        (r"Object contains unknown field `(.+)`", "{0} has {1}, which is not known here"),
        (r"Number out of range", "{0} is a number far too large"),
    )
)
MARK = b"\xef\xbb\xbf"  # of UTF-8; a parser may ignore it (RFC 8259)
NO_JSON_NUMBER = re.compile(rb"NaN|-?Infinity")  # Python and others write them all the same
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# In JSON, numbers and what is around them: a parser is at ten million for a second.
VALUES_PER_IMAGE = 4 * config.IMAGE_SIZE**2
LONGEST = 80  # characters of a client's text that are repeated


def decode(
    content: bytes,
    decoder: "msgspec.json.Decoder[T]",
    expected: str,
    settings: config.Settings,
) -> T:
    """Return the JSON in a body as what the decoder's definition makes of it.

    expected: what would be right, which ends the message of a fault. Raises MalformedRequest;
    TooManyValues for many more than images need, since the parser holds Python's global lock.
    """
    values, most = content.count(b",") + 1, VALUES_PER_IMAGE * settings.max_batch
    if values > most:
        raise TooManyValues(
            f"the JSON holds about {values:,} values: at most {most:,} are accepted, enough for "
            f"{settings.max_batch} images"
        )
    content = content.removeprefix(MARK)
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as fault:
        raise MalformedRequest(f"{_in_words(str(fault))}: {expected}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedRequest(
            f"the body is not valid JSON ({_why(fault, content)}): {expected}"
        ) from None


def _in_words(fault: str) -> str:
    """Return msgspec's "<what is wrong> - at `$.<place>`" as a sentence."""
    said, _, place = fault.rpartition(" - at `$")
    if not said:  # the place is the body itself, or what is wrong ends like one
        said, place = fault, ""
    place = place.removesuffix("`").removeprefix(".") or "the JSON"
    for pattern, told in SENTENCES:
        if found := pattern.fullmatch(said):
            wanted, *got = found.groups() or ("",)
            got = [GOT[name] for name in got]
            return told.format(place, _kinds(wanted)[:LONGEST], *got)
    return f"{place} is not as it should be"


def _kinds(names: str) -> str:
    """Return types as msgspec names them, "int | array", in words; other text as it is."""
    known = names.split(" | ")
    return " or ".join(KINDS[name] for name in known) if set(known) <= set(KINDS) else names


def _why(fault: Exception, content: bytes) -> str:
    if isinstance(fault, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(fault, RecursionError):
        return "its lists or objects are nested too deep"
    found = re.fullmatch(r"JSON is malformed: (.+) \(byte (\d+)\)", str(fault))
    if not found:
        if SURROGATE.search(content):  # as the last character of a text it is told in these words
            return "it is cut short, or a text ends in half of a surrogate pair"
        return "it is cut short" if content else "it is empty"
    place = int(found[2])
    for start in (place - 1, place):  # of -Infinity the I is the fault
        if start >= 0 and (number := NO_JSON_NUMBER.match(content, start)):
            return f"it has no number {number[0].decode()}, which stands at byte {start:,}"
    return f"{found[1]} at byte {place:,}"
