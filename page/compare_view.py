"""Compare: one picture prepared in both ways, side by side, and the story of why there are two."""

import base64
import io
from math import cos, pi, sin
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import config
from page import answer_view, unfold
from page.reader import Reader

TITLE = "Compare basic and enhanced"
METHODS = {"basic": "Basic", "enhanced": "Enhanced"}
STORY = (
    "This reader began with a network that read 99.04% of MNIST’s test digits. Then a person drew "
    "an 8, and got it back with 46% (3: 25%, 5: 13%): the picture had only been squashed to "
    "28×28, as Basic does. Here is an 8 like that, small and off the centre, as the model of this "
    "page reads it now."
)
ALIKE = 0.05  # confidences that differ by less are about the same
SIDE, PEN = 280, 20  # pixels of the story's picture, and of the pen's width
PLACE, SIZE = (0.7, 0.35), 0.3  # of the 8 in it: its centre and its height, as shares


def tell(reader: Reader, sent: Any, method: str) -> str:
    """Return HTML that compares what is read in a picture, if there is one, and in the story's.

    method: the one of the answer above, which makes no difference here.
    """
    del method
    own = _both(reader, sent) if sent else ""
    story = picture_url(small_eight())
    return (
        f"{own}"
        f'<div class="story"><p class="story-words">{STORY}</p>'
        '<figure class="story-picture"><figcaption>As drawn</figcaption>'
        f'<img src="{story}" alt="A small 8, drawn off the centre" width="112" height="112">'
        "</figure>"
        f"<div>{_both(reader, story)}</div></div>"
    )


def small_eight() -> Image.Image:
    """Draw the 8 of the story: black ink on white paper, mode L."""
    fine = 2
    sheet = Image.new("L", (fine * SIDE, fine * SIDE), 255)
    brush, radius = ImageDraw.Draw(sheet), fine * PEN / 2
    for step in range(400):
        turn = 2 * pi * step / 400
        across = 0.21 if cos(turn) > 0 else 0.26
        x = fine * SIDE * (PLACE[0] - SIZE * across * sin(2 * turn))
        y = fine * SIDE * (PLACE[1] - SIZE * 0.5 * cos(turn))
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return sheet.resize((SIDE, SIDE), Image.Resampling.BOX)


def picture_url(picture: Image.Image) -> str:
    """Return a picture as a data URL of a PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def words(basic: dict[str, Any] | None, enhanced: dict[str, Any] | None) -> str:
    """Say what the preparation makes of the answer; empty if one of the two has none."""
    both = [
        answer for answer in (basic, enhanced) if answer and not answer_view.is_doubtful(answer)
    ]
    if len(both) < 2:
        return ""
    one, other = (answer["confidence"] for answer in both)
    digits = [_named(answer["digit"]) for answer in both]
    shares = [answer_view.percent(share) for share in (one, other)]
    if digits[0] != digits[1]:
        return f"Basic makes {digits[0]} of it ({shares[0]}), Enhanced {digits[1]} ({shares[1]})."
    if abs(one - other) < ALIKE:
        return f"Both make {digits[0]} of it, about as sure: the preparation matters little here."
    if other > one:
        return f"Both make {digits[0]} of it; by Enhanced {shares[1]} sure, by Basic {shares[0]}."
    return f"Both make {digits[0]} of it; by Basic {shares[0]} sure, by Enhanced {shares[1]}."


def _named(digit: int) -> str:
    return f"an {digit}" if digit == 8 else f"a {digit}"


def _both(reader: Reader, sent: Any) -> str:
    """Return both readings of a picture, beside each other, and the difference in words."""
    answers, sides, faults = {}, [], []
    for method, name in METHODS.items():
        try:
            reading = reader.read(sent, method)
        except config.ReaderError as fault:
            faults.append(str(fault))
            sides.append(_side(name, unfold.note(str(fault)), "", ""))
            continue
        answer = answers[method] = reading.answer
        sentence = f'<p class="compare-answer">{answer_view.words(answer)}</p>'
        sides.append(_side(name, sentence, _seen(name, reading.image), _bars(answer)))
    if len(faults) == len(METHODS) and len(set(faults)) == 1:
        return unfold.note(faults[0])
    said = words(answers.get("basic"), answers.get("enhanced"))
    return f'<p class="compare-words">{said}</p><div class="compare">{"".join(sides)}</div>'


def _side(name: str, sentence: str, seen: str, bars: str) -> str:
    return (
        f'<div class="compare-side" role="group" aria-label="{name}">'
        f'<p class="compare-name">{name}</p>{seen}{sentence}{bars}</div>'
    )


def _seen(name: str, image: np.ndarray) -> str:
    url, alt = answer_view.picture_url(image), f"The 28 by 28 picture that {name} makes of it"
    return f'<img src="{url}" alt="{alt}" width="112" height="112">'


def _bars(answer: dict[str, Any]) -> str:
    """Return the likeliest digits, as small bars."""
    rows = "".join(
        f'<li><span>{each["digit"]}</span><span class="bar-track" aria-hidden="true">'
        f'<span class="bar-fill" style="width:{each["confidence"]:.1%}"></span></span>'
        f'<span class="bar-share">{answer_view.percent(each["confidence"], 1)}</span></li>'
        for each in answer["top"]
    )
    return f'<ol class="compare-bars" aria-label="The likeliest digits">{rows}</ol>'
