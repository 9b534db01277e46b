"""A model's card as a person reads it, and the plots that are shipped with the model."""

import base64
import html
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

import config

Card = dict[str, Any]
RUNTIMES = {"litert": "LiteRT", "keras": "Keras and TensorFlow", "onnx": "ONNX Runtime"}
WORDS_FILE = "plots.json"  # in the plots' folder: what is to be seen in each, and of which model
PLOTS = {  # by file: title, and what it shows
    "confusion_matrix.png": (
        "What is taken for what",
        "Each true digit of the test set, and what was read in its place.",
    ),
    "misread_digits.png": ("All that it misreads", "Of the test set, the surest errors first."),
    "reliability_diagram.png": (
        "Is it as sure as it is right?",
        "On the diagonal, answers are right as often as they say.",
    ),
    "rejection_curve.png": (
        "What turning unsure answers away gives",
        "Misread among the answers that are kept.",
    ),
    "is_digit.png": ("Is it one digit at all?", "What it says of digits and of other pictures."),
    "learning_curves.png": ("How it learnt", "Training and validation by epoch."),
}
WIDE = 800  # pixels of a plot
OTHER_PLOTS = (
    "The plots that come with this program are of another model, {version}, and say nothing of "
    "this one: they are not shown."
)
NO_PLOTS = "There are no plots of this model beside the program."


def number(card: Card, *path: str) -> float | None:
    """Return a number that stands in a card under these names, None if there is none."""
    found: Any = card
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _share(card: Card, *path: str) -> str | None:
    value = number(card, *path)
    return None if value is None else f"{100 * value:.2f}%"


def _accuracy(part: str) -> Callable[[Card], str | None]:
    def said(card: Card) -> str | None:
        share = _share(card, part, "accuracy")
        errors, images = number(card, part, "errors"), number(card, part, "images")
        if share is None or errors is None or images is None:
            return share
        return f"{share}\n{errors:,.0f} of {images:,.0f} wrong"

    return said


def _figure(*path: str) -> Callable[[Card], str | None]:
    return lambda card: _share(card, *path)


FIGURES: dict[str, Callable[[Card], str | None]] = {
    "Read right, test set": _accuracy("test"),
    "Read right, validation": _accuracy("validation"),
    "Read right, digits on paper and canvases": _accuracy("pictures"),
    "Calibration error, test set": _figure("test", "ece"),
    "Calibration error, digits on paper": _figure("pictures", "ece"),
    "Wrong, of answers of 90% and more": _figure("test", "sure_but_wrong"),
    "Test digits taken for no digit": _figure("test", "rejected"),
    "Digits on paper taken for no digit": _figure("is_digit", "pictures_rejected"),
    "Other pictures taken for a digit": _figure("is_digit", "non_digits_accepted"),
}


def _created(card: Card) -> str | None:
    try:
        return f"{datetime.fromisoformat(card['created']):%d %B %Y, %H:%M %Z}".lstrip("0")
    except (KeyError, TypeError, ValueError):
        return None


def _trained(card: Card) -> str | None:
    runs, seconds = card.get("averaged"), number(card, "training_seconds")
    epochs, preset = number(card, "epochs"), card.get("preset")
    said = [f"preset {preset}"] if isinstance(preset, str) else []
    if isinstance(runs, list) and runs:
        said.append(f"the average of {len(runs)} runs")
    if epochs is not None:
        said.append(f"{epochs:.0f} epochs")
    if seconds is not None:
        said.append(f"{seconds / 60:.0f} minutes{' each' if isinstance(runs, list) else ''}")
    return ", ".join(said) or None


def _packages(card: Card) -> str | None:
    packages = card.get("packages")
    if not isinstance(packages, dict):
        return None
    return ", ".join(f"{name} {version}" for name, version in packages.items()) or None


def _count(name: str) -> Callable[[Card], str | None]:
    def said(card: Card) -> str | None:
        value = number(card, name)
        return None if value is None else f"{value:,.0f}"

    return said


def _text(name: str) -> Callable[[Card], str | None]:
    return lambda card: card[name] if isinstance(card.get(name), str) else None


def _temperature(card: Card) -> str | None:
    value = number(card, "temperature")
    return None if value is None else f"{value:.3f}, folded into the file"


ORIGIN: dict[str, Callable[[Card], str | None]] = {
    "Trained": _trained,
    "Finished": _created,
    "On": _text("machine"),
    "With": _packages,
    "Parameters": _count("parameters"),
    "Multiply-adds an image": _count("multiply_adds"),
    "Temperature": _temperature,
    "Chosen": _text("chosen"),
    "SHA-256 of the file": _text("sha256"),
}


def of_card(card: Card, runtime: str) -> str:
    """Return HTML for a card; a figure that it lacks is left out, and its texts may be any.

    runtime: what runs the model.
    """
    name, version = str(card.get("name", "")), str(card.get("sha256", ""))[:12]
    said = f"{name}, version {version}, run by {RUNTIMES.get(runtime, runtime)}."
    return (
        '<section class="model-card"><h2>The model</h2>'
        f"<p>{html.escape(said)} A small convolutional network that learnt from MNIST.</p>"
        f'<h3>How well it reads</h3><dl class="model-figures">{_list(card, FIGURES)}</dl>'
        f'<h3>How it came to be</h3><dl class="model-origin">{_list(card, ORIGIN)}</dl></section>'
    )


def _list(card: Card, entries: dict[str, Callable[[Card], str | None]]) -> str:
    said = ((name, say(card)) for name, say in entries.items())
    return "".join(
        f"<div><dt>{name}</dt><dd>{_lines(value)}</dd></div>" for name, value in said if value
    )


def _lines(value: str) -> str:
    """Return a value as HTML; what comes after its first line is the smaller."""
    first, _, more = html.escape(value).partition("\n")
    return f"{first}<small>{more}</small>" if more else first


def of_fault(note: str) -> str:
    """Return HTML for no card now; `note` may hold any text."""
    return f'<p role="status">{html.escape(note[:1].upper() + note[1:])}</p>'


def of_plots(sha256: str, folder: Path = config.DOCS_DIR) -> str:
    """Return HTML for the plots in a folder if they are of this model; else why there are none."""
    try:
        said = json.loads((folder / WORDS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return of_fault(NO_PLOTS)
    if said["sha256"] != sha256:
        return of_fault(OTHER_PLOTS.format(version=said["sha256"][:12]))
    shown = "".join(_plots(said["plots"], folder))
    return f'<section class="model-plots"><h2>Its plots</h2>{shown}</section>'


def _plots(words: dict[str, str], folder: Path) -> Iterator[str]:
    for name, (title, caption) in PLOTS.items():
        if name not in words or not (folder / name).is_file():
            continue
        content = (folder / name).read_bytes()
        with Image.open(folder / name) as picture:
            width, height = picture.size
        # A wide one is scrolled on a phone, where its words would be too small to be read.
        scrolled = f' wide" role="group" tabindex="0" aria-label="{title}' if width > WIDE else ""
        url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        yield (
            f'<figure><h3>{title}</h3><div class="model-plot{scrolled}">'
            f'<img src="{url}" alt="{html.escape(words[name])}" width="{width}" height="{height}">'
            f"</div><figcaption>{caption}</figcaption></figure>"
        )
