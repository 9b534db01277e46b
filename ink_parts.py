"""The connected pieces of ink in a picture, and which of them make the digit."""

import math
from typing import NamedTuple

import numpy as np

SMALLEST_DIGIT = 0.02  # of the picture's longer side; smaller is a speck
ALIKE = 0.65  # of the height: two digits of one hand are as tall, and on one line
BESIDE = 1.5  # of the main part's side: a second digit within this gap is seen with the first
NEAR = 0.3  # of the main part's side: a part within this gap belongs to the same digit
WORTH = 0.03  # of the main part's weight: a lighter part is a speck


class Part(NamedTuple):
    """A connected piece of ink: its weight (sum of ink) and box in pixels, right and low open."""

    label: int
    weight: float
    left: int
    top: int
    right: int
    bottom: int

    def edges(self, shape: tuple[int, int]) -> int:
        """Count the edges of a picture (height, width) that cut this part, 0 to 4."""
        height, width = shape
        cuts = self.left == 0, self.top == 0, self.right == width, self.bottom == height
        return sum(cuts)

    @property
    def side(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)

    def gap_to(self, other: "Part") -> int:
        """Return the empty distance between the two boxes, 0 if they overlap."""
        across = max(self.left - other.right, other.left - self.right, 0)
        down = max(self.top - other.bottom, other.top - self.bottom, 0)
        return max(across, down)


def digit_parts(parts: list[Part], shape: tuple[int, int]) -> list[Part]:
    """Return those parts of a picture (height, width) that make its digit, the main one first.

    The main part is the heaviest, nearest to the centre and not cut by the picture's edge;
    parts near it belong to it, unless they are specks. Empty if there are only specks.
    """
    height, width = shape
    half_diagonal = math.hypot(width, height) / 2

    def likeliness(part: Part) -> float:
        x, y = (part.left + part.right - width) / 2, (part.top + part.bottom - height) / 2
        nearness = 1.0 - 0.7 * math.hypot(x, y) / half_diagonal
        return part.weight * nearness * (0.1 if part.edges(shape) else 1.0)

    parts = [part for part in parts if part.side >= SMALLEST_DIGIT * max(shape)]
    if len(parts) < 2:
        return parts
    main, *others = sorted(parts, key=likeliness, reverse=True)
    others = [
        part
        for part in others
        if likeliness(part) >= WORTH * likeliness(main) and not _is_border(part, main, shape)
    ]
    chosen: list[Part] = [main]
    reached = chosen
    while reached:  # a part may be near by way of another, as a five's bar is by its neck
        near = [p for p in others if any(_belongs(p, q, main, shape) for q in reached)]
        others = [part for part in others if part not in near]
        chosen, reached = chosen + near, near
    return chosen


def _belongs(part: Part, other: Part, main: Part, shape: tuple[int, int]) -> bool:
    """Tell a part that is near another one, or beside it and as tall: a second digit.

    Who sends two digits is told so by what sees both, and misled by what sees only one.
    """
    if part.gap_to(other) <= NEAR * main.side:
        return True
    heights = sorted((part.bottom - part.top, main.bottom - main.top))
    shared = min(part.bottom, main.bottom) - max(part.top, main.top)
    beside = shared >= ALIKE * heights[0] and heights[0] >= ALIKE * heights[1]
    return beside and not part.edges(shape) and part.gap_to(other) <= BESIDE * main.side


def _is_border(part: Part, main: Part, shape: tuple[int, int]) -> bool:
    """Tell what lies along the picture's edge, such as a desk or a shadow, from a stroke."""
    cuts = part.edges(shape)
    return cuts > 1 or (cuts == 1 and part.side > main.side)


def connected_parts(
    mask: np.ndarray, ink: np.ndarray, left: int = 0, top: int = 0
) -> tuple[np.ndarray, list[Part]]:
    """Label the 8-connected parts of a mask (H, W) bool; ink (H, W) float weighs them.

    left, top: where the mask lies in the picture, in whose pixels the parts' boxes are.
    Returns labels (H, W) int32, 0 outside, and the parts in the order of their labels, from 1.
    By runs and union-find (He, Chao and Suzuki 2008).
    """
    line = mask.shape[1] + 1
    starts, ends = _runs(mask)
    if not len(starts):
        return np.zeros(mask.shape, np.int32), []
    root = _roots(starts, ends, line)
    rows = starts // line
    begins = rows * line - left
    lefts, tops, rights, bottoms = starts - begins, rows + top, ends - begins, rows + (top + 1)
    if not root.any():  # all hangs on the first run: one part, as in most pictures
        box = lefts.min(), tops[0], rights.max(), bottoms[-1]
        return mask.astype(np.int32), [Part(1, float(ink[mask].sum()), *map(int, box))]

    number = np.cumsum(root == np.arange(len(root)))[root]  # of each run's part, from 1
    lengths = ends - starts
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(number, lengths)
    weights = np.add.reduceat(ink[mask], np.cumsum(lengths) - lengths, dtype=float)
    order = np.argsort(number, kind="stable")
    firsts = np.searchsorted(number[order], np.arange(1, number.max() + 1))
    columns = (
        operation.reduceat(column[order], firsts).tolist()
        for operation, column in (
            (np.add, weights),
            (np.minimum, lefts),
            (np.minimum, tops),
            (np.maximum, rights),
            (np.maximum, bottoms),
        )
    )
    return labels, [
        Part(label, *column) for label, column in enumerate(zip(*columns, strict=True), 1)
    ]


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end (open) of each run of ink along a row, in reading order.

    They are counted through all rows, with a pixel between two rows, which parts them.
    """
    height, width = mask.shape
    edged = np.zeros((height + 1, width + 1), bool)
    edged[:height, 1:] = mask
    flat = edged.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return changes[::2], changes[1::2]


def _roots(starts: np.ndarray, ends: np.ndarray, line: int) -> np.ndarray:
    """Return for each run of ink, in reading order, the first run of the same part."""
    # What a run touches in the row above, `line` pixels before: from first to the one after.
    first = np.searchsorted(ends, starts - line)
    after = np.searchsorted(starts, ends - line, "right")
    if np.count_nonzero(first == after) == 1:  # all but the first run hang on others
        return np.zeros_like(first)
    # Each run hangs on the first that it touches above; each then finds its root in few leaps.
    root = np.where(after > first, first, np.arange(len(starts)))
    for _ in range(int((starts[-1] - starts[0]) // line).bit_length()):
        root = root[root]
    joints = np.flatnonzero(after > first + 1).tolist()
    return _joined(root, joints, first.tolist(), after.tolist()) if joints else root


def _joined(root: np.ndarray, joints: list[int], first: list[int], after: list[int]) -> np.ndarray:
    """Make one of the trees that meet in the joints: runs that touch several ones above."""
    tree, above = root.tolist(), dict[int, int]()

    def find(run: int) -> int:
        while run in above:
            above[run] = run = above.get(above[run], above[run])
        return run

    for joint in joints:
        for touching in range(first[joint] + 1, after[joint]):
            one, other = find(tree[joint]), find(tree[touching])
            if one != other:
                above[max(one, other)] = min(one, other)
    leap = np.arange(len(root))
    leap[list(above)] = [find(run) for run in above]
    return leap[root]
