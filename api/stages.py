"""What is known of the request at hand: its stages by the stopwatch, its pictures and answers.

Whoever handles the request notes it; metrics and logs read it when the response is ready.
"""

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, get_args

from outputs import Outputs

Stage = Literal["queue", "decode", "preprocess", "infer"]
STAGES: tuple[Stage, ...] = get_args(Stage)

ID_HEADER = "X-Request-ID"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
UNKNOWN_ROUTE = "unknown"
ARRIVED = "mnist.arrived"  # of a WSGI environment: perf_counter() when the whole body was there


@dataclass(frozen=True, slots=True)
class Seen:
    """What was answered to one picture; `is_digit` is None from a model that does not say it."""

    digit: int
    confidence: float
    is_digit: float | None


@dataclass(slots=True)
class Watch:
    """One request's facts. seconds: by stage, over all of its pictures."""

    begun: float
    method: str
    path: str
    request_id: str
    bytes_in: int = 0
    route: str = UNKNOWN_ROUTE  # the rule of the address, by which it is counted
    seconds: dict[Stage, float] = field(default_factory=dict)
    pictures: int = 0
    preprocessing: str | None = None
    answers: list[Seen] = field(default_factory=list)
    problem: str | None = None  # the kind of fault it was answered with

    def elapsed(self) -> float:
        """Return the seconds since the request began."""
        return perf_counter() - self.begun


_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


def begin(environ: dict[str, Any]) -> Watch:
    """Start the watch of the request of a WSGI environment; it is the one at hand from now on.

    Its id is the client's, if that is a sane token, or a new one.
    """
    now = perf_counter()
    given = environ.get("HTTP_X_REQUEST_ID", "")
    length = environ.get("CONTENT_LENGTH") or ""
    found = Watch(
        environ.get(ARRIVED, now),
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        given if SANE_ID.fullmatch(given) else uuid.uuid4().hex,
        int(length) if length.isdecimal() else 0,
    )
    if ARRIVED in environ:
        found.seconds["queue"] = now - found.begun
    _current.set(found)
    return found


def current() -> Watch | None:
    """Return the watch of the request at hand, or None outside of one."""
    return _current.get()


def watch() -> Watch:
    """Return the watch of the request at hand. Raises LookupError outside of one."""
    found = _current.get()
    if found is None:
        raise LookupError("no request is being answered here")
    return found


def end() -> None:
    """Forget the request at hand."""
    _current.set(None)


def add(stage: Stage, seconds: float) -> None:
    """Add to the time of a stage of the request at hand; outside of one do nothing.

    Called for every picture, the times are summed.
    """
    at_hand = _current.get()
    if at_hand is not None:
        at_hand.seconds[stage] = at_hand.seconds.get(stage, 0.0) + seconds


def elapsed() -> float:
    """Return the seconds since the request at hand began; 0 outside of one."""
    at_hand = _current.get()
    return 0.0 if at_hand is None else at_hand.elapsed()


def note_request(pictures: int, preprocessing: str) -> None:
    """Note how many pictures the request holds and by which method they are prepared."""
    noted = watch()
    noted.pictures, noted.preprocessing = pictures, preprocessing


def note_answers(outputs: Outputs) -> None:
    """Note the digits that were answered, and how sure each is."""
    digits = outputs.probabilities.argmax(axis=1).tolist()
    confidences = outputs.probabilities.max(axis=1).tolist()
    said = [None] * len(digits) if outputs.is_digit is None else outputs.is_digit.tolist()
    watch().answers = [Seen(*each) for each in zip(digits, confidences, said, strict=True)]
