"""A model in another form held against the model file: how near its answers are, and must be."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import config
from outputs import Outputs

PLACES = {
    "validation": "the validation split",
    "test": "the test set",
    "no_digits": "pictures of no digit",
}


ROUNDING = 1e-9  # of a share, so that what is just at its limit is within it


class ParityError(config.ReaderError):
    """A form of the model does not give the model file's answers, or is too large."""


@dataclass(frozen=True)
class Limits:
    """What a form may differ by, None without a limit.

    difference: of any probability, or of is_digit. accuracy_lost: as a share of the images.
    judged_otherwise: share of images, of digits or of none, whose is_digit is on the other side of
    its threshold. size: in bytes, as a share of the LiteRT file of float32.
    """

    difference: float | None = None
    accuracy_lost: float | None = None
    judged_otherwise: float | None = None
    size: float | None = None


def differences(
    said: Outputs, wanted: Outputs, labels: np.ndarray | None
) -> dict[str, float | int]:
    """Return how what a form says of N images differs from what the model file says.

    labels: None for pictures of no digit. `accuracy_lost` is a share of the images, and negative
    if the form reads more of them.
    """
    found: dict[str, float | int] = {}
    if labels is not None:
        digits, expected = (outputs.probabilities.argmax(axis=1) for outputs in (said, wanted))
        found["answers_changed"] = int(np.sum(digits != expected))
        found["accuracy_lost"] = float(np.mean(expected == labels) - np.mean(digits == labels))
    found["largest_difference"] = _largest(said.probabilities, wanted.probabilities)
    if said.is_digit is not None and wanted.is_digit is not None:
        found["largest_difference_of_is_digit"] = _largest(said.is_digit, wanted.is_digit)
        limit = config.IS_DIGIT_THRESHOLD
        otherwise = (said.is_digit < limit) != (wanted.is_digit < limit)
        found["judged_otherwise"] = float(np.mean(otherwise))
    return found


def _largest(some: np.ndarray, others: np.ndarray) -> float:
    """Return the largest difference of two arrays: infinity if one has no number somewhere."""
    found = float(np.abs(some - others).max())
    return found if np.isfinite(found) else float("inf")


def held(
    said: dict[str, Outputs],
    wanted: dict[str, Outputs],
    labels: dict[str, np.ndarray],
    size: float,
    limits: Limits,
) -> dict[str, Any]:
    """Return what a card says of the parity of a form with the model file.

    said, wanted: by the form and by the model file, of the sets named in `PLACES`; labels: of
    those of digits. size: of the form, as for `Limits`. Raises ParityError, saying what is
    beyond its limit.
    """
    found: dict[str, Any] = {"limits": asdict(limits), "size": size}
    for part in said:
        if (said[part].is_digit is None) != (wanted[part].is_digit is None):
            raise ParityError("it has other outputs than the model file")
        found[part] = differences(said[part], wanted[part], labels.get(part))
        _check(found[part], PLACES[part], limits)
    if limits.size is not None and size > limits.size:
        raise ParityError(
            f"it takes {100 * size:.1f}% of the LiteRT file of float32, "
            f"of which at most {100 * limits.size:.0f}% are allowed"
        )
    return found


def _check(found: dict[str, float | int], where: str, limits: Limits) -> None:
    for name in ("largest_difference", "largest_difference_of_is_digit"):
        difference = found.get(name, 0.0)
        if limits.difference is not None and difference > limits.difference:
            what = "is_digit" if name.endswith("is_digit") else "a probability"
            raise ParityError(
                f"{what} differs by {difference:.2g} from the model file's on {where}, "
                f"of which at most {limits.difference:.0e} is allowed"
            )
    lost = found.get("accuracy_lost", 0.0)
    if limits.accuracy_lost is not None and lost > limits.accuracy_lost + ROUNDING:
        raise ParityError(
            f"it reads {100 * lost:.2f} points less of {where} than the model file, "
            f"of which at most {100 * limits.accuracy_lost:.2f} are allowed"
        )
    otherwise = found.get("judged_otherwise", 0.0)
    if limits.judged_otherwise is not None and otherwise > limits.judged_otherwise:
        raise ParityError(
            f"its is_digit judges {100 * otherwise:.2f}% of {where} otherwise than the model "
            f"file's, of which at most {100 * limits.judged_otherwise:.2f}% are allowed"
        )


HEADER = (
    "| form | file | size | of float32 | read right, test set | answers changed | "
    "calibration error | largest difference of a probability | "
    "test digits and pictures of no digit judged otherwise |"
)


def table(model: tuple[str, str, int, dict[str, Any]], cards: dict[str, dict[str, Any]]) -> str:
    """Return Markdown: a row for the model file and one for each form, on the test set.

    model: its form, file, bytes and the card's figures of the test set. cards: of the forms, by
    their files.
    """
    form, file, size, figures = model
    rows = [HEADER, "|" + "---|" * (HEADER.count("|") - 1)]
    rows.append(
        f"| {form} | `{file}` | {_kilobytes(size)} | | {_read(figures)} | | "
        f"{100 * figures['ece']:.2f}% | | |"
    )
    for file, card in cards.items():
        parity = card["parity"]["test"]
        rows.append(
            f"| {card['form']} | `{file}` | {_kilobytes(card['bytes'])} | "
            f"{100 * card['parity']['size']:.1f}% | {_read(card['test'])} | "
            f"{parity['answers_changed']} | {100 * card['test']['ece']:.2f}% | "
            f"{parity['largest_difference']:.1e} | {_judged(card['parity'])} |"
        )
    return "\n".join(rows) + "\n"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB"


def _read(figures: dict[str, Any]) -> str:
    return f"{100 * figures['accuracy']:.2f}% ({figures['errors']} wrong)"


def _judged(parity: dict[str, Any]) -> str:
    shares = [parity.get(part, {}).get("judged_otherwise") for part in ("test", "no_digits")]
    return ", ".join(f"{100 * share:.2f}%" for share in shares if share is not None)
