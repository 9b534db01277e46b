"""The connected pieces of ink in a picture, and which of them make the digit."""

from dataclasses import dataclass

import numpy as np

SMALLEST_DIGIT = 0.02  # of the picture's longer side; smaller is a speck
ALIKE = 0.65  # of the height: two digits of one hand are as tall, and on one line
BESIDE = 1.5  # of the main part's side: a second digit within this gap is seen with the first
NEAR = 0.3  # of the main part's side: a part within this gap belongs to the same digit
WORTH = 0.03  # of the main part's weight: a lighter part is a speck


@dataclass(frozen=True)
class Part:
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
    half_diagonal = float(np.hypot(width, height)) / 2

    def likeliness(part: Part) -> float:
        x, y = (part.left + part.right - width) / 2, (part.top + part.bottom - height) / 2
        nearness = 1.0 - 0.7 * float(np.hypot(x, y)) / half_diagonal
        return part.weight * nearness * (0.1 if part.edges(shape) else 1.0)

    parts = [part for part in parts if part.side >= SMALLEST_DIGIT * max(shape)]
    if not parts:
        return []
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


def connected_parts(mask: np.ndarray, ink: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """Label the 8-connected parts of a mask (H, W) bool; ink (H, W) float weighs them.

    Returns labels (H, W) int32, 0 outside, and the parts in the order of their labels, from 1.
    By runs and union-find (He, Chao and Suzuki 2008).
    """
    labels = np.zeros(mask.shape, np.int32)
    rows, starts, ends = _runs(mask)
    if not len(rows):
        return labels, []
    _, part_of_run = np.unique(_roots(rows, starts, ends, len(mask)), return_inverse=True)
    label_of_pixel = np.repeat(part_of_run + 1, ends - starts)
    labels[mask] = label_of_pixel

    count = int(part_of_run.max()) + 1
    left, top = np.full(count, mask.shape[1]), np.full(count, mask.shape[0])
    right, bottom = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(left, part_of_run, starts)
    np.minimum.at(top, part_of_run, rows)
    np.maximum.at(right, part_of_run, ends)
    np.maximum.at(bottom, part_of_run, rows + 1)
    weights = np.bincount(label_of_pixel, ink[mask])[1:]
    columns = (weights.tolist(), left.tolist(), top.tolist(), right.tolist(), bottom.tolist())
    return labels, [Part(number, *row) for number, row in enumerate(zip(*columns, strict=True), 1)]


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, start and end (open) of each run of ink along a row, in reading order."""
    height, width = mask.shape
    edged = np.zeros((height + 1, width + 1), bool)  # a gap parts each row from the next
    edged[:height, 1:] = mask
    flat = edged.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    rows, starts = np.divmod(changes[::2], width + 1)
    return rows, starts, changes[1::2] - rows * (width + 1)


def _roots(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, height: int) -> list[int]:
    """Return for each run of ink, in reading order, one run of the same part."""
    root = list(range(len(rows)))

    def find(run: int) -> int:
        while root[run] != run:
            root[run] = root[root[run]]
            run = root[run]
        return run

    first_of_row = np.searchsorted(rows, np.arange(height + 1)).tolist()
    start, end = starts.tolist(), ends.tolist()
    for row in range(1, height):
        above, stop = first_of_row[row - 1], first_of_row[row]
        for run in range(first_of_row[row], first_of_row[row + 1]):
            while above < stop and end[above] < start[run]:
                above += 1
            touching = above
            while touching < stop and start[touching] <= end[run]:
                root[find(touching)] = find(run)
                touching += 1
    return [find(run) for run in range(len(rows))]
