"""Why a model reads one digit and not another: how much each piece of the ink spoke for it.

The ink is cut into pieces of stroke, which play for the log-odds of the digit against its rival:
what they win is shared out by their Shapley values, estimated by sampling permutations
(Štrumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with
feature contributions"; Castro et al. 2009). A piece that does not play is erased, as paper. The
model is only asked for probabilities, so that any runtime, and a model elsewhere, is explained.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import config

Probabilities = Callable[[np.ndarray], np.ndarray]  # of images (N, 28, 28, 1): (N, 10)

METHOD = "Shapley values, sampled (Štrumbelj & Kononenko 2014)"
# Chosen on validation digits by the deletion metric of RISE (Petsiuk et al. 2018): better than
# occlusion (Zeiler & Fergus 2014) and RISE at the same cost. Of several ways to cut up the ink
# the average is taken, which shows finer strokes than one does.
PIECES = 16  # the ink is cut into so many
CUTS = 8  # ways to cut it up
PERMUTATIONS = 4  # of each cut's pieces, an even number: each is followed by its reverse
SETTLING = 3  # steps of k-means
FAINTEST = 1e-9  # probability below which a model's rounding decides
SEEN = 0.1  # ink from which a pixel counts for where the digit lies
LEAST_ACROSS = 9  # pixels of a digit's width or height that are told apart as three parts

ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
PARTS = {  # how a ninth of the digit is called
    ("upper", "centre"): "top",
    ("lower", "centre"): "bottom",
    ("middle", "left"): "left side",
    ("middle", "right"): "right side",
    ("middle", "centre"): "middle",
}


class Attribution(NamedTuple):
    """What each pixel's ink spoke for a digit against its rival.

    contributions: (28, 28), in nats; below 0 it spoke for the rival. They sum to log_odds, the
    log-odds of the image, less blank, those of a field without ink.
    """

    contributions: np.ndarray
    digit: int
    rival: int
    log_odds: float
    blank: float


class Part(NamedTuple):
    """A part of the digit's ink: what it spoke, and what is read without it.

    contribution: in nats. log_odds: of the image from which this part's ink is erased; read: the
    likeliest digit then.
    """

    name: str
    contribution: float
    log_odds: float
    read: int


def attribute(image: np.ndarray, probabilities: Probabilities) -> Attribution:
    """Return what each pixel of an image spoke for the likeliest digit against the next.

    image: (28, 28, 1) in MNIST form. The same image and model give the same answer: about 500
    images are asked for in one call.
    """
    ink = np.asarray(image, np.float64)[..., 0]
    rng = np.random.default_rng(1)
    cuts = [_pieces(ink, rng) for _ in range(CUTS)]
    orders = [_permutations(int(cut.max(initial=-1)) + 1, rng) for cut in cuts]
    games = [_without(ink, cut, order) for cut, order in zip(cuts, orders, strict=True)]
    said = np.asarray(probabilities(_images([ink[None], 0 * ink[None], *games])))
    likeliest = np.argsort(-said[0], kind="stable")
    digit, rival = int(likeliest[0]), int(likeliest[1])
    log_odds = _log_odds(said, digit, rival)
    contributions, start = np.zeros_like(ink), 2
    for cut, order, game in zip(cuts, orders, games, strict=True):
        after = log_odds[start : start + len(game)]
        start += len(game)
        values = _shapley(order, log_odds[0], after, log_odds[1])
        contributions += _spread(values, cut, ink) / CUTS
    return Attribution(contributions, digit, rival, float(log_odds[0]), float(log_odds[1]))


def parts(image: np.ndarray, attribution: Attribution, probabilities: Probabilities) -> list[Part]:
    """Return the ninths of the digit that hold ink, those that spoke most for it first.

    A narrow digit, or a flat one, has three parts instead. image: (28, 28, 1), of which
    `attribution` tells.
    """
    ink = np.asarray(image, np.float64)[..., 0]
    named = _named(ink)
    if not named:
        return []
    said = probabilities(_images([np.where(where, 0.0, ink)[None] for where in named.values()]))
    log_odds = _log_odds(said, attribution.digit, attribution.rival)
    found = [
        Part(name, float(attribution.contributions[where].sum()), float(odds), int(read))
        for (name, where), odds, read in zip(
            named.items(), log_odds, np.argmax(said, axis=1), strict=True
        )
    ]
    return sorted(found, key=lambda part: -part.contribution)


def _log_odds(probabilities: np.ndarray, digit: int, rival: int) -> np.ndarray:
    """Return the log-odds (N,) of a digit against its rival, of probabilities (N, 10)."""
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), FAINTEST))
    odds: np.ndarray = logs[:, digit] - logs[:, rival]
    return odds


def _images(stacks: list[np.ndarray]) -> np.ndarray:
    """Return stacks of ink (n, 28, 28) as images (N, 28, 28, 1) float32."""
    return np.concatenate(stacks).astype(np.float32)[..., None]


def _pieces(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut ink (28, 28) into compact pieces by k-means; return their numbers, -1 for no ink.

    The first centre is drawn, each further one is the ink farthest from those before.
    """
    points = np.argwhere(ink > 0).astype(np.float64)
    cut = np.full(ink.shape, -1)
    if not len(points):
        return cut
    weights = ink[ink > 0]
    centres = points[[rng.integers(len(points))]]
    while len(centres) < min(PIECES, len(points)):
        farthest = np.argmax(_distances(points, centres).min(axis=1))
        centres = np.concatenate([centres, points[[farthest]]])
    for _ in range(SETTLING):
        member = np.eye(len(centres))[_distances(points, centres).argmin(axis=1)] * weights[:, None]
        mass = member.sum(axis=0)[:, None]
        centres = np.where(mass > 0, member.T @ points / np.maximum(mass, 1e-12), centres)
    nearest = _distances(points, centres).argmin(axis=1)
    cut[ink > 0] = np.unique(nearest, return_inverse=True)[1]  # a piece may have lost all its ink
    return cut


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return squared distances (P, C) between points (P, 2) and centres (C, 2)."""
    squares: np.ndarray = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
    return squares


def _permutations(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return orders (PERMUTATIONS, count) in which pieces are erased, each with its reverse."""
    forwards = [rng.permutation(count) for _ in range(PERMUTATIONS // 2)]
    return np.array([order for each in forwards for order in (each, each[::-1])], int)


def _without(ink: np.ndarray, cut: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return ink (N, 28, 28) with 1, 2, ... pieces erased, all but the last, order by order."""
    ranks = np.argsort(orders, axis=1)  # when each piece is erased
    steps = np.arange(1, orders.shape[1])
    kept = ranks[:, None, :] >= steps[:, None]  # order, step, piece
    if not kept.size:
        return np.zeros((0, *ink.shape))
    return (kept[..., cut] * ink).reshape(-1, *ink.shape)


def _shapley(orders: np.ndarray, first: float, after: np.ndarray, last: float) -> np.ndarray:
    """Return what each piece is worth: the mean of what was lost as it was erased.

    after: the log-odds for `_without`'s images; first and last those with all ink and with none.
    """
    count = orders.shape[1]
    if not count:
        return np.zeros(0)
    played = np.empty((len(orders), count + 1))
    played[:, 0], played[:, -1] = first, last
    played[:, 1:-1] = after.reshape(len(orders), count - 1)
    lost = played[:, :-1] - played[:, 1:]
    values: np.ndarray = np.take_along_axis(lost, np.argsort(orders, axis=1), axis=1).mean(axis=0)
    return values


def _spread(values: np.ndarray, cut: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Share out each piece's value among its pixels by their ink."""
    if not len(values):
        return np.zeros_like(ink)
    held = cut >= 0
    mass = np.bincount(cut[held], ink[held], len(values))
    return np.where(held, (values / mass)[cut] * ink, 0.0)


def _named(ink: np.ndarray) -> dict[str, np.ndarray]:
    """Return where (28, 28) the ink of each part of the digit lies, of those that hold ink."""
    down, across = np.nonzero(ink > SEEN)
    if not len(down):
        return {}
    named = {}
    for row, lines in _thirds(down, ROWS).items():
        for column, places in _thirds(across, COLUMNS).items():
            where = (ink > 0) & lines[:, None] & places
            if where.any():
                named[PARTS.get((row, column), f"{row} {column}")] = where
    return named


def _thirds(places: np.ndarray, names: tuple[str, str, str]) -> dict[str, np.ndarray]:
    """Return which of the field's lines (28,) belong to each third of the places that hold ink.

    All belong to the middle one if the places lie close together.
    """
    first, span = int(places.min()), int(places.max() - places.min()) + 1
    lines = np.arange(config.IMAGE_SIZE)
    if span < LEAST_ACROSS:
        return {names[1]: lines >= 0}
    third = np.clip(3 * (lines - first) // span, 0, 2)
    return {name: third == number for number, name in enumerate(names)}
