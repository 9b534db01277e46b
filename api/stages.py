"""What is known of the request at hand: its stages by the stopwatch, its pictures and answers.

Views note it as they go; metrics and logs read it when the response is ready.
"""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, get_args

from flask import g, has_request_context

from outputs import Outputs

Stage = Literal["decode", "preprocess", "infer"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Seen:
    """What was answered to one picture; `is_digit` is None from a model that does not say it."""

    digit: int
    confidence: float
    is_digit: float | None


@dataclass
class Watch:
    """One request's facts. seconds: by stage, over all of its pictures."""

    begun: float
    seconds: dict[Stage, float] = field(default_factory=dict)
    pictures: int = 0
    preprocessing: str | None = None
    answers: list[Seen] = field(default_factory=list)
    problem: str | None = None  # the kind of fault it was answered with

    def elapsed(self) -> float:
        """Return the seconds since the request began."""
        return perf_counter() - self.begun


def watch() -> Watch:
    """Return the watch of the request at hand, started when it is first asked for."""
    found: Watch | None = g.get("watch")
    if found is None:
        found = g.watch = Watch(perf_counter())
    return found


class _Timer:
    """Adds to a stage the time that its block takes, whether or not it raises."""

    __slots__ = ("begun", "name")

    def __init__(self, name: Stage) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.begun = perf_counter()

    def __exit__(self, *fault: object) -> None:
        taken = perf_counter() - self.begun
        if has_request_context():
            seconds = watch().seconds
            seconds[self.name] = seconds.get(self.name, 0.0) + taken


def timed(stage: Stage) -> _Timer:
    """Return a context that times a stage of the request; outside of one it does nothing.

    Entered once a picture, its times are summed.
    """
    return _Timer(stage)


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
