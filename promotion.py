"""Whether a trained model takes the place of the one that is there, and what is kept of that."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cli
import config
import litert_runtime
import model_files
import utils

RUN = ("history", "training_seconds", "averaged")  # of a card: which run it is of


def candidate(output: Path) -> Path:
    """Return where a model lies that does not take the place of a better one."""
    return output.with_name(f"{output.stem}.candidate{output.suffix}")


def check_output(output: Path) -> None:
    """Raise ReaderError if a model cannot be written there, or would overwrite other files."""
    if output.suffix != ".keras":
        raise config.ConfigError(
            f"--output (or MNIST_MODEL) is {output}: the name must end in .keras"
        )
    for file in (output, candidate(output), model_files.previous_path(output)):
        model_files.check_place(file)
        model_files.check_place(litert_runtime.derived_path(file))
    output.parent.mkdir(parents=True, exist_ok=True)


def promote(
    save: Callable[[Path], object],
    card: model_files.Card,
    output: Path,
    passed: bool = True,
    force: bool = False,
) -> tuple[Path, model_files.Card]:
    """Write a trained model, its card and LiteRT form; return the model file and its card.

    It takes the place of the one at `output`, which is kept beside it, if it has `passed` and is
    not worse on the validation split, or `force` is set. Otherwise it becomes the candidate.
    """
    with model_files.writing(output):
        path = output if passed else candidate(output)
        if passed and not force:
            path = best_place(output, card)
        keep_previous(path, card)
        card = model_files.write_model(save, card, path)
        if litert_runtime.installed():
            litert_runtime.derive(path, card)
    return path, card


def best_place(output: Path, card: model_files.Card) -> Path:
    """Return `output`, or the candidate's place if a better model on validation is there."""
    before, after = accuracy(output), card["validation"]["accuracy"]
    if after >= before:
        return output
    print(
        f"{cli.shown(output)} is kept: it reads {100 * before:.2f}% of the validation split, "
        f"the new model {100 * after:.2f}%. The new one is in "
        f"{cli.shown(candidate(output))}; --force replaces the old"
    )
    return candidate(output)


def accuracy(model: Path) -> float:
    """Return a model's accuracy on validation by its card; -1 if no good model is there."""
    try:
        return float(model_files.read_card(model)["validation"]["accuracy"])
    except (config.ReaderError, KeyError, TypeError, ValueError):
        return -1.0


def keep_previous(output: Path, card: model_files.Card) -> None:
    """Copy the model that is to be replaced, as a whole, to the name by which it is rolled back.

    card: the new model's. A better one that has this name already, as --force can bring about,
    is copied to a name of its own first.
    """
    if not output.exists():
        return
    place = model_files.previous_path(output)
    try:
        old = model_files.read_card(output)
    except model_files.ModelError as fault:
        if not place.exists():
            with utils.atomic_path(place) as aside:
                shutil.copyfile(output, aside)
            print(f"{fault}\nit is kept as {cli.shown(place)}")
        return
    if all(old.get(key) == card.get(key) for key in RUN):
        return  # the same run, written again
    if accuracy(place) > accuracy(output):
        version = model_files.read_card(place)["sha256"][:12]
        better = model_files.previous_path(output, version)
        _copy(place, better)
        print(f"the better one, replaced before, is kept as {cli.shown(better)}")
    _copy(output, place)
    print(f"the model that was there is kept as {cli.shown(place)}")


def _copy(model: Path, place: Path) -> None:
    """Copy a model file and its card, and its LiteRT form with its own."""
    card = model_files.read_card(model)
    model_files.copy_model(model, place)
    try:
        litert_runtime.read_derived(model, card)
    except model_files.ModelError:
        if litert_runtime.installed():
            litert_runtime.derive(place, card)
    else:
        model_files.copy_model(
            litert_runtime.derived_path(model), litert_runtime.derived_path(place)
        )
