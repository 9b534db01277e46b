"""A hand that writes digits on the drawing page's pad, with a mouse or a finger."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Page

Stroke = list[tuple[float, float]]

# The points, in hundredths of the pad's side, that a hand goes through, a line each stroke.
HANDS = {
    0: ("52,20 36,29 30,50 37,74 53,80 67,69 70,46 62,25 51,20",),
    1: ("53,19 51,38 50,60 48,82",),
    2: ("33,33 42,21 57,22 64,34 57,51 42,67 32,78 50,77 70,78",),
    3: ("34,25 48,19 62,26 61,39 47,47 48,48 64,55 66,70 52,80 34,76",),
    4: ("41,20 37,36 31,53 48,54 69,52", "60,24 58,50 56,82"),
    5: ("40,22 37,45 38,46 54,43 66,54 62,72 47,80 32,75", "40,22 53,22 66,20"),
    6: ("60,18 45,33 36,56 42,77 57,79 64,65 56,54 41,61",),
    7: ("31,24 48,23 67,22 66,23 58,45 50,64 44,82",),
    8: ("62,28 50,19 37,28 43,43 58,57 64,71 50,81 36,71 42,57 57,43 63,29",),
    9: ("62,30 49,21 37,33 44,46 60,40 63,28 61,52 56,82",),
}


def smooth(corners: str, steps: int = 3) -> Stroke:
    """Return points close together on a smooth curve (Catmull-Rom) through those of a line."""
    through = np.array([corner.split(",") for corner in corners.split()], float) / 100
    points = np.concatenate([through[:1], through, through[-1:]])
    curve = []
    for before, a, b, after in zip(points, points[1:], points[2:], points[3:], strict=False):
        for t in np.linspace(0, 1, steps, endpoint=False):
            bend = (2 * before - 5 * a + 4 * b - after) * t**2
            bend = bend + (3 * a - before - 3 * b + after) * t**3
            curve.append(a + ((b - before) * t + bend) / 2)
    return [(float(x), float(y)) for x, y in [*curve, points[-1]]]


def varied(digit: int, size: float, middle: tuple[float, float], slant: float) -> list[Stroke]:
    """Return a digit's strokes as another hand would write them.

    size: of its longer side, and middle: of the digit, in shares of the pad's side; slant: the
    tangent of the angle by which it leans to the right.
    """
    lines = [np.array(smooth(stroke)) for stroke in HANDS[digit]]
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    form = size / (high - low).max() * np.array([[1.0, 0.0], [-slant, 1.0]])
    written = [(line - (low + high) / 2) @ form + middle for line in lines]
    return [[(float(x), float(y)) for x, y in line] for line in written]


def draw(page: "Page", strokes: list[Stroke], touch: bool = False) -> None:
    """Draw strokes, in shares of the pad's side, with the mouse or a finger."""
    box = page.locator(".pad canvas").bounding_box()
    assert box
    for stroke in strokes:
        path = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        if touch:
            _drag_finger(page, path)
        else:
            _drag_mouse(page, path)


def _drag_mouse(page: "Page", path: Stroke) -> None:
    page.mouse.move(*path[0])
    page.mouse.down()
    for point in path[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def _drag_finger(page: "Page", path: Stroke) -> None:
    devtools = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(path):
        touch = {"type": "touchMove" if number else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        devtools.send("Input.dispatchTouchEvent", touch)
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def write(page: "Page", digit: int, touch: bool = False) -> None:
    """Write a digit on the pad as a person would."""
    draw(page, [smooth(stroke) for stroke in HANDS[digit]], touch)
