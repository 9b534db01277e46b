"""Attribution says what models do: some whose reasons are known, and the shipped one."""

from collections.abc import Callable

import numpy as np
import pytest

import attribution
from attribution import FAINTEST, attribute, parts
from classifier import Classifier
from load_mnist_local import Mnist

SIDE = 28
STEPS = np.linspace(0.05, 0.5, 10)  # shares of the ink erased


def linear(weights: np.ndarray, digit: int = 8, rival: int = 3) -> attribution.Probabilities:
    """Return a model whose log-odds of digit against rival are 2 + the sum of weights x ink."""

    def probabilities(images: np.ndarray) -> np.ndarray:
        logits = np.full((len(images), 10), -30.0)
        logits[:, digit] = (
            2 + images[..., 0].astype(float).reshape(len(images), -1) @ weights.ravel()
        )
        logits[:, rival] = 0
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    return probabilities


def two_strokes() -> np.ndarray:
    """Return an image with an upright stroke on either side, the right one in lighter ink."""
    image = np.zeros((SIDE, SIDE, 1))
    image[5:23, 6:8], image[5:23, 20:22] = 1.0, 0.6
    return image


def log_odds(probabilities: np.ndarray, told: attribution.Attribution) -> np.ndarray:
    logs = np.log(np.maximum(probabilities.astype(float), FAINTEST))
    return np.asarray(logs[:, told.digit] - logs[:, told.rival])


def test_of_equal_weights_every_pixel_gets_its_ink() -> None:
    image = two_strokes()
    told = attribute(image, linear(np.full((SIDE, SIDE), 0.1)))
    assert (told.digit, told.rival) == (8, 3)
    assert np.allclose(told.contributions, 0.1 * image[..., 0], atol=1e-5)
    assert told.blank == pytest.approx(2, abs=1e-5)


def test_ink_for_the_digit_and_ink_against_it_are_told_apart() -> None:
    weights = np.where(np.arange(SIDE) < SIDE // 2, 0.15, -0.1) * np.ones((SIDE, 1))
    image = two_strokes()
    told = attribute(image, linear(weights))
    assert np.allclose(told.contributions, weights * image[..., 0], atol=1e-5)
    left, right = parts(image, told, linear(weights))[0], parts(image, told, linear(weights))[-1]
    assert left.name.endswith("left") or left.name == "left side"
    assert right.name.endswith("right") or right.name == "right side"
    assert left.contribution > 0 > right.contribution
    assert left.log_odds < told.log_odds < right.log_odds


def test_weights_of_any_pattern_are_found_again_stroke_by_stroke(mnist: Mnist) -> None:
    """In patches of the pieces' size: a finer pattern than a piece cannot be seen."""
    rng = np.random.default_rng(3)
    for image in mnist.validation.images[:6]:
        weights = np.kron(rng.normal(0, 0.1, (4, 4)), np.ones((7, 7)))
        wanted = weights * image[..., 0]
        told = attribute(image, linear(weights))
        if told.digit != 8:
            wanted = -wanted
        ink = image[..., 0] > 0.1
        likeness = np.corrcoef(told.contributions[ink], wanted[ink])[0, 1]
        assert likeness > 0.7


def test_an_interaction_is_shared_by_those_who_make_it() -> None:
    """Only both strokes together speak for 8: each is worth a half (Shapley's symmetry)."""

    def both(images: np.ndarray) -> np.ndarray:
        whole = (images[:, :, 6, 0].sum(axis=1) > 17) & (images[:, :, 20, 0].sum(axis=1) > 10)
        shares = np.full((len(images), 10), 1e-4)
        shares[:, 8], shares[:, 3] = np.where(whole, 0.9, 0.09), np.where(whole, 0.09, 0.9)
        return shares

    told = attribute(two_strokes(), both)
    left, right = told.contributions[:, :14].sum(), told.contributions[:, 14:].sum()
    assert left + right == pytest.approx(2 * np.log(10))
    assert left == pytest.approx(right, rel=0.5)


def test_the_contributions_make_up_the_log_odds(classifier: Classifier, mnist: Mnist) -> None:
    for image in mnist.validation.images[:8]:
        told = attribute(image, classifier.probabilities)
        shares = classifier.probabilities(np.stack([image, np.zeros_like(image)]))
        assert [told.digit, told.rival] == np.argsort(-shares[0])[:2].tolist()
        assert np.allclose([told.log_odds, told.blank], log_odds(shares, told), atol=1e-4)
        assert told.contributions.sum() == pytest.approx(told.log_odds - told.blank)
        assert not told.contributions[image[..., 0] == 0].any()


def test_the_same_picture_is_explained_in_the_same_way(
    classifier: Classifier, mnist: Mnist
) -> None:
    image = mnist.validation.images[0]
    one, other = (attribute(image, classifier.probabilities) for _ in range(2))
    assert np.array_equal(one.contributions, other.contributions)
    assert parts(image, one, classifier.probabilities) == parts(
        image, other, classifier.probabilities
    )


def erased(image: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return images from which the ink goes, in an order of the pixels, by STEPS."""
    gone = np.cumsum(image.ravel()[order]) / image.sum()
    images = np.repeat(image.reshape(1, -1), len(STEPS), axis=0)
    for step, share in enumerate(STEPS):
        images[step, order[gone <= share]] = 0
    return images.reshape(-1, SIDE, SIDE, 1)


def densities(image: np.ndarray, told: attribution.Attribution) -> np.ndarray:
    ink = image.ravel()
    return np.where(ink > 0, told.contributions.ravel() / np.maximum(ink, 1e-9), -np.inf)


def occluded(image: np.ndarray, told: attribution.Attribution, model: Classifier) -> np.ndarray:
    """Return by how much each inked pixel's 5x5 neighbourhood, erased, lowers the log-odds (784,).

    Of paper 0: it takes nothing away to erase it.
    """
    y, x = np.mgrid[:SIDE, :SIDE]
    inked = np.flatnonzero(image)
    down, across = (axis.ravel()[inked, None, None] for axis in (y, x))
    near = (abs(y - down) <= 2) & (abs(x - across) <= 2)
    images = np.where(near[..., None], 0, image[None]).astype(np.float32)
    lowered = np.zeros(image.size)
    lowered[inked] = told.log_odds - log_odds(model.probabilities(images), told)
    return lowered


@pytest.mark.slow
def test_erasing_what_is_ranked_first_takes_the_answer_away_first(
    classifier: Classifier, mnist: Mnist
) -> None:
    """The deletion metric of RISE (Petsiuk et al. 2018), against random ink and occlusion."""
    rng = np.random.default_rng(5)
    means: dict[str, list[float]] = {"ours": [], "last": [], "random": [], "occlusion": []}
    for image in mnist.validation.images[100:114]:
        told = attribute(image, classifier.probabilities)
        ours = densities(image, told)
        orders = {
            "ours": np.argsort(-ours),
            "last": np.argsort(np.where(np.isinf(ours), np.inf, ours)),
            "random": rng.permutation(image.size),
            "occlusion": np.argsort(-occluded(image, told, classifier)),
        }
        for name, order in orders.items():
            odds = log_odds(classifier.probabilities(erased(image, order)), told)
            means[name].append(float(odds.mean()))
    found = {name: float(np.mean(values)) for name, values in means.items()}
    print(f"mean log-odds while ink goes: {found}")
    assert found["ours"] < found["occlusion"] < found["random"]
    assert found["ours"] < 0.35 * found["random"]
    assert found["last"] > 2 * found["ours"]
    better = np.mean(np.array(means["ours"]) < np.array(means["random"]))
    assert better >= 0.95


def test_what_is_said_of_a_part_holds(classifier: Classifier, mnist: Mnist) -> None:
    image = mnist.validation.images[3]
    told = attribute(image, classifier.probabilities)
    found = parts(image, told, classifier.probabilities)
    contributions = [part.contribution for part in found]
    assert contributions == sorted(contributions, reverse=True)
    assert sum(contributions) == pytest.approx(told.contributions.sum())
    assert len({part.name for part in found}) == len(found) > 3


@pytest.mark.parametrize(
    ("box", "names"),
    [
        ((slice(4, 24), slice(13, 15)), {"top", "middle", "bottom"}),
        ((slice(13, 15), slice(4, 24)), {"left side", "middle", "right side"}),
        ((slice(12, 16), slice(12, 16)), {"middle"}),
        ((slice(4, 5), slice(4, 5)), {"middle"}),
        ((slice(0, 0), slice(0, 0)), set()),
    ],
    ids=["upright", "flat", "dot", "pixel", "blank"],
)
def test_parts_are_named_by_where_the_ink_lies(box: tuple[slice, slice], names: set[str]) -> None:
    image = np.zeros((SIDE, SIDE, 1))
    image[box] = 1
    model: Callable[[np.ndarray], np.ndarray] = linear(np.full((SIDE, SIDE), 0.05))
    told = attribute(image, model)
    assert {part.name for part in parts(image, told, model)} == names
    assert np.isfinite(told.contributions).all()
    assert told.contributions.sum() == pytest.approx(told.log_odds - told.blank, abs=1e-9)
