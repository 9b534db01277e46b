"""Connected ink: the same parts as a plain flood fill finds, and the digit chosen among them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ink_parts import Part, connected_parts, digit_parts


def flood_fill(mask: np.ndarray) -> np.ndarray:
    """Label 8-connected parts in the plainest way: (H, W) int, 0 outside."""
    labels = np.zeros(mask.shape, int)
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        number = labels.max() + 1
        labels[start] = number
        waiting = [start]
        while waiting:
            y, x = waiting.pop()
            for place in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                inside = 0 <= place[0] < mask.shape[0] and 0 <= place[1] < mask.shape[1]
                if inside and mask[place] and not labels[place]:
                    labels[place] = number
                    waiting.append(place)
    return labels


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.uniform(size=(height, width)) < draw(st.floats(0, 1))


@given(masks())
def test_the_parts_are_those_of_a_flood_fill(mask: np.ndarray) -> None:
    expected = flood_fill(mask)
    labels, parts = connected_parts(mask, np.ones(mask.shape))
    assert labels.shape == mask.shape
    np.testing.assert_array_equal(labels > 0, mask)
    pairs = set(zip(labels[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == len(parts) == expected.max()  # each label stands for just one
    assert [part.label for part in parts] == list(range(1, len(parts) + 1))


@given(masks(), st.integers(0, 2**32 - 1))
def test_each_part_knows_its_weight_and_box(mask: np.ndarray, seed: int) -> None:
    ink = np.random.default_rng(seed).uniform(size=mask.shape)
    labels, parts = connected_parts(mask, ink)
    for part in parts:
        rows, columns = np.nonzero(labels == part.label)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert (part.left, part.top, part.right, part.bottom) == box
        assert np.isclose(part.weight, ink[labels == part.label].sum())


def test_a_spiral_is_one_part() -> None:
    mask = np.zeros((9, 9), bool)
    mask[0, :], mask[:, 8], mask[8, 2:], mask[2:, 2], mask[2, 2:7], mask[2:7, 6] = (True,) * 6
    mask[6, 4:7] = True
    assert len(connected_parts(mask, mask)[1]) == 1


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert len(connected_parts(np.eye(5, dtype=bool), np.ones((5, 5)))[1]) == 1
    assert len(connected_parts(np.eye(5, dtype=bool)[::-1], np.ones((5, 5)))[1]) == 1


def part(label: int, weight: float, left: int, top: int, side: int = 20) -> Part:
    return Part(label, weight, left, top, left + side, top + side)


def chosen(*parts: Part, side: int = 100) -> list[int]:
    return [part.label for part in digit_parts(list(parts), (side, side))]


def test_the_gap_is_the_empty_distance_between_boxes() -> None:
    assert part(1, 1, 0, 0).gap_to(part(2, 1, 25, 10)) == 5
    assert part(2, 1, 25, 10).gap_to(part(1, 1, 0, 0)) == 5
    assert part(1, 1, 0, 0).gap_to(part(2, 1, 10, 40)) == 20
    assert part(1, 1, 0, 0).gap_to(part(2, 1, 19, 19)) == 0


def test_the_heavier_of_two_marks_is_the_digit() -> None:
    assert chosen(part(1, 50, 10, 40), part(2, 100, 70, 40)) == [2]


def test_of_equal_marks_the_one_nearer_the_middle_is_the_digit() -> None:
    assert chosen(part(1, 100, 5, 5), part(2, 100, 45, 45)) == [2]


def test_a_mark_cut_by_the_edge_gives_way() -> None:
    assert chosen(part(1, 300, 0, 40), part(2, 100, 60, 40)) == [2]
    assert chosen(part(1, 300, 0, 40)) == [1]  # unless it is all there is


def test_a_near_part_belongs_to_the_digit() -> None:
    assert chosen(part(1, 100, 40, 30, 30), part(2, 40, 45, 65, 15)) == [1, 2]


def test_a_part_that_is_near_through_another_belongs_to_it_too() -> None:
    stem, bar, tip = (
        part(1, 100, 40, 40, 20),
        part(2, 60, 64, 45, 10),
        part(3, 40, 78, 48, 8),
    )
    assert stem.gap_to(tip) > 0.3 * stem.side
    assert sorted(chosen(stem, bar, tip)) == [1, 2, 3]


def test_it_belongs_to_it_even_if_it_is_the_heavier_of_the_two() -> None:
    """As the bar of a five does, whose neck joins it to the bowl."""
    bowl, neck, bar = (
        Part(1, 2404, 52, 115, 142, 172),
        Part(2, 376, 52, 76, 86, 109),
        Part(3, 1278, 97, 52, 172, 84),
    )
    assert sorted(chosen(bowl, neck, bar, side=224)) == [1, 2, 3]


def test_light_specks_beside_the_digit_are_dropped() -> None:
    assert chosen(part(1, 100, 40, 40), part(2, 1, 62, 40, 4)) == [1]


def test_a_page_of_specks_has_no_digit() -> None:
    assert chosen(part(1, 1, 40, 40, 1), part(2, 1, 60, 40, 1)) == []
    assert chosen() == []


def test_what_lies_along_the_pictures_edge_is_no_part_of_the_digit() -> None:
    digit = Part(1, 50.0, 30, 30, 70, 80)
    along_one_edge = Part(2, 40.0, 72, 20, 100, 90)
    along_three = Part(2, 40.0, 0, 0, 28, 100)
    cut_stroke = Part(2, 45.0, 72, 30, 100, 50)
    assert digit_parts([digit, along_one_edge], (100, 100)) == [digit]
    assert digit_parts([digit, along_three], (100, 100)) == [digit]
    assert digit_parts([digit, cut_stroke], (100, 100)) == [digit, cut_stroke]


def test_what_stands_beside_the_digit_and_is_as_tall_is_kept() -> None:
    def box(label: int, left: int, top: int, right: int, bottom: int) -> Part:
        return Part(label, float((right - left) * (bottom - top)), left, top, right, bottom)

    main = box(1, 80, 60, 120, 140)
    second, far = box(2, 160, 65, 195, 138), box(3, 282, 60, 300, 140)
    lower, cut = box(4, 160, 100, 195, 130), box(5, 0, 60, 30, 140)
    shape = (200, 320)
    assert digit_parts([main, second], shape) == [main, second]
    for other in (far, lower, cut):
        assert digit_parts([main, other], shape) == [main]
