"""Why: the ink that spoke for the digit, and that which spoke for the runner-up, in two colours."""

from typing import Any

import numpy as np

import attribution
import config
from attribution import Attribution, Part
from page import unfold
from page.reader import Reader

TITLE = "Why this digit?"
NOTHING = "Nothing to explain yet: draw a digit, or open a picture of one."
NO_TELLING = "No single part of the ink decides between the two."
HOW = (
    f"By {attribution.METHOD}: pieces of the ink are erased in many orders, and each speaks for "
    "{digit} as much as the odds of {digit} against {rival} fall by that on average. Where ink is "
    "missing can matter too; that is not shown."
)
PLACES = {"left side": "on the left", "right side": "on the right", "middle": "in the middle"}
WEAK = 0.2  # of the strongest ink: less speaks for neither
FAINT = 0.4  # of the full colour: that of ink that speaks least
WORTH = 0.1  # of all that speaks for the digit: a part that speaks less against it is not named


def tell(reader: Reader, sent: Any, method: str) -> str:
    """Return HTML that explains the answer to a picture; raises ReaderError as `Reader.read`."""
    if not sent:
        return unfold.note(NOTHING)
    image = reader.read(sent, method).image
    ask = reader.probabilities
    told = attribution.attribute(image, ask)
    return of_attribution(image, told, attribution.parts(image, told, ask))


def of_attribution(image: np.ndarray, told: Attribution, parts: list[Part]) -> str:
    """Return HTML for what each pixel of an image (28, 28, 1) spoke, and its parts."""
    digit, rival = told.digit, told.rival
    return (
        f'<div class="why"><figure class="why-picture">{_picture(image, told)}<figcaption><ul>'
        f'<li class="why-key-for">speaks for {digit}</li>'
        f'<li class="why-key-against">speaks for {rival}</li>'
        "<li>hardly matters</li></ul></figcaption></figure>"
        f'<div><p class="why-words">{words(told, parts)}</p>'
        f'<p class="why-how">{HOW.format(digit=digit, rival=rival)}</p></div></div>'
    )


def words(told: Attribution, parts: list[Part]) -> str:
    """Say which part speaks most for the digit, and whether one speaks for its rival.

    Only what also holds when the part is erased is said: that the odds fall, or rise.
    """
    digit, rival = told.digit, told.rival
    for_it = [part for part in parts if part.contribution > 0 and part.log_odds < told.log_odds]
    if not for_it:
        return NO_TELLING
    best = for_it[0]
    still = f"{digit} would still be read" if best.read == digit else f"{best.read} would be read"
    said = f"The ink {_place(best)} speaks most for {digit} against {rival}; without it {still}."
    enough = WORTH * sum(part.contribution for part in parts if part.contribution > 0)
    against = [
        part for part in parts if part.contribution < -enough and part.log_odds > told.log_odds
    ]
    if against:
        return f"{said} The ink {_place(against[-1])} speaks for {rival}."
    return f"{said} None speaks clearly for {rival}."


def _place(part: Part) -> str:
    return PLACES.get(part.name, f"at the {part.name}")


def _picture(image: np.ndarray, told: Attribution) -> str:
    """Draw the ink as SVG: full squares speak for the digit, dots for its rival.

    The strongest ink of the picture has the full colour; the shapes are for who cannot tell the
    colours apart.
    """
    ink = image[..., 0].astype(float)
    speech = np.divide(told.contributions, ink, out=np.zeros_like(ink), where=ink > 0)
    strength = speech / max(float(np.abs(speech).max()), 1e-9)
    marks = []
    for y, x in np.argwhere(ink > attribution.SEEN):
        square, strong = f'x="{x}" y="{y}" width="1" height="1"', abs(strength[y, x]) > WEAK
        opacity = f'opacity="{ink[y, x] * (FAINT + (1 - FAINT) * abs(strength[y, x])):.2f}"'
        if strong and strength[y, x] > 0:
            marks.append(f'<rect class="why-for" {square} {opacity}/>')
            continue
        marks.append(f'<rect class="why-neither" {square} opacity="{ink[y, x]:.2f}"/>')
        if strong:
            marks.append(f'<circle class="why-against" cx="{x}.5" cy="{y}.5" r="0.42" {opacity}/>')
    side = config.IMAGE_SIZE
    label = f"The ink, coloured by whether it speaks for {told.digit} or for {told.rival}"
    return (
        f'<svg viewBox="0 0 {side} {side}" role="img" aria-label="{label}" '
        f'shape-rendering="crispEdges">{"".join(marks)}</svg>'
    )
