"""An answer as a person reads it: a digit, words for doubt, ten bars, what the model saw."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

import config

SURE = 0.95  # confidence from which the words name no other digit
HARD = 0.6  # confidence below which the words say that it is hard to tell
POSSIBLE = 0.05  # probability from which another digit is named
SEEN_ALT = f"The {config.IMAGE_SIZE} by {config.IMAGE_SIZE} picture that the model saw"

NO_INK = "No ink yet: draw a digit from 0 to 9."


def of_answer(answer: dict[str, Any], image: np.ndarray) -> str:
    """Return HTML for an answer in the words of the contract, and its image in MNIST form."""
    digit, doubtful = str(answer["digit"]), is_doubtful(answer)
    return _panel(
        "doubtful" if doubtful else "",
        digit + "?" * doubtful,
        words(answer),
        answer["probabilities"],
        picture_url(image),
        digitness(answer),
    )


def of_nothing(note: str = NO_INK) -> str:
    """Return HTML for no answer: a calm note in place of one; `note` may hold any text."""
    blank = np.zeros((config.IMAGE_SIZE, config.IMAGE_SIZE, 1), np.float32)
    note = note[:1].upper() + note[1:]
    return _panel("nothing", "?", note, [None] * config.CLASSES, picture_url(blank))


def words(answer: dict[str, Any]) -> str:
    """Put an answer into words, with as much doubt as it deserves."""
    digit, confidence = answer["digit"], answer["confidence"]
    if is_doubtful(answer):
        return f"This does not look like one digit (most like {digit})."
    if confidence >= SURE:
        return f"This is {digit}, {percent(confidence)} sure."
    others = [other for other in answer["top"][1:] if other["confidence"] >= POSSIBLE]
    could_be = " or ".join(str(other["digit"]) for other in others or answer["top"][1:2])
    start = "Hard to tell: most" if confidence < HARD else "Most"
    return f"{start} likely {digit} ({percent(confidence)}); could be {could_be}."


def digitness(answer: dict[str, Any]) -> str:
    """Say how much the picture looks like one digit; empty if the model does not say."""
    if "is_digit" not in answer:
        return ""
    share = answer["is_digit"]
    return f"Likeness to one digit: {'under 1%' if share < 0.01 else percent(share)}"


def is_doubtful(answer: dict[str, Any]) -> bool:
    """Return whether the picture hardly looks like one digit."""
    return "is_digit" in answer and answer["is_digit"] < config.IS_DIGIT_THRESHOLD


def percent(probability: float, decimals: int = 0) -> str:
    """Return per cent, rounded but never up to 100: no answer is beyond doubt."""
    return f"{min(100 * probability, 100 - 10**-decimals):.{decimals}f}%"


def picture_url(image: np.ndarray) -> str:
    """Return an image in MNIST form as a data URL of a PNG, white ink on black."""
    file = io.BytesIO()
    pixels = np.rint(255 * np.clip(image[..., 0], 0, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _panel(
    mood: str,
    digit: str,
    sentence: str,
    shares: Sequence[float | None],
    picture: str,
    small: str = "",
) -> str:
    """Lay out an answer; mood: a class that tones it, `nothing` or `doubtful`, or none."""
    bars = "".join(_bar(number, share) for number, share in enumerate(shares))
    below = small and f'<p class="answer-small">{html.escape(small)}</p>'
    return (
        f'<div class="answer {mood}">'
        '<div class="answer-head">'
        f'<p class="answer-digit" aria-hidden="true">{html.escape(digit)}</p>'
        "<div>"
        f'<p class="answer-words" role="status">{html.escape(sentence)}</p>'
        f"{below}</div></div>"
        '<div class="answer-body">'
        f'<ol class="answer-bars" aria-label="Confidence in each digit">{bars}</ol>'
        '<figure class="answer-seen">'
        f'<img src="{picture}" alt="{SEEN_ALT}" width="140" height="140">'
        "<figcaption>What the model saw</figcaption>"
        "</figure>"
        "</div></div>"
    )


def _bar(digit: int, share: float | None) -> str:
    text = "" if share is None else percent(share, 1)
    return (
        f'<li data-digit="{digit}"><span class="bar-digit">{digit}</span>'
        f'<span class="bar-track" aria-hidden="true">'
        f'<span class="bar-fill" style="width:{share or 0.0:.1%}"></span></span>'
        f'<span class="bar-share">{text}</span></li>'
    )
