"""Digits written as strokes: every shape of every digit, by many hands and pens."""

import numpy as np
import pytest

import strokes


@pytest.mark.parametrize("number", range(10))
def test_every_shape_is_written_down_as_points_in_the_square(number: int) -> None:
    assert len(strokes.DIGITS[number]) >= 5
    for shape in strokes.DIGITS[number]:
        for stroke in shape:
            points = strokes.points(stroke)
            assert points.shape[0] >= 2
            assert points.shape[1] == 2
            assert points.min() >= 0
            assert points.max() <= 1


def test_a_curve_goes_through_its_corners_and_a_corner_given_twice_is_sharp() -> None:
    corners = np.array([[0, 0], [1, 0], [1, 0], [1, 1]], float)
    line = strokes.curve(corners)
    for corner in corners:
        assert np.abs(line - corner).sum(axis=1).min() < 1e-9
    # Nothing of a sharp corner overshoots by more than a breath.
    assert line.max() < 1.08


def test_the_generator_decides_all() -> None:
    first, again, other = (
        strokes.draw(
            strokes.digit(8, rng := np.random.default_rng(seed)), 40, strokes.random_pen(rng), rng
        )
        for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("height", [1, 5, 28, 200])
@pytest.mark.parametrize(
    "pen",
    [
        strokes.Pen(0.01),
        strokes.Pen(0.2, smooth=False),
        strokes.Pen(0.1, flat=0.7, angle=0.5),
        strokes.Pen(0.1, swell=0.5),
    ],
)
def test_ink_fills_its_box(height: int, pen: strokes.Pen) -> None:
    rng = np.random.default_rng(3)
    ink = strokes.draw(strokes.digit(3, rng), height, pen, rng)
    assert ink.mode == "L"
    assert ink.getbbox() == (0, 0, *ink.size)
    # The longer side is as high as asked, and the pen's width more.
    assert 0.6 * height <= max(ink.size) <= 1.5 * height + 4


def test_a_wider_pen_leaves_more_ink() -> None:
    inks = [
        np.asarray(strokes.draw([np.array([[0, 0], [0, 1.0]])], 50, strokes.Pen(w), rng), float)
        for w in (0.05, 0.2)
        for rng in [np.random.default_rng(1)]
    ]
    assert inks[1].sum() > 2.5 * inks[0].sum()


def test_a_stroke_of_a_paint_program_is_black_or_white() -> None:
    rng = np.random.default_rng(1)
    ink = strokes.draw(strokes.digit(5, rng), 30, strokes.Pen(0.1, smooth=False), rng)
    assert set(np.unique(np.asarray(ink))) <= {0, 255}
