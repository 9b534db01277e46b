"""A model file and its card: written together, read only if they belong together.

The card `models/<name>.json` holds the SHA-256 of `models/<name>.keras` and how it came to be.
TensorFlow's SavedModel is a folder, and is written and read in the same way.
"""

import contextlib
import glob
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import config

Card = dict[str, Any]
REMEDY = "restore it with `git checkout -- models`, or train one with `python train_model.py`"
EXPORTED = (".tflite", ".onnx")
WRITE_SECONDS = 600  # for which a process waits while another writes the same model file
EXPORT_REMEDY = "write it anew with `python export_model.py`"


class ModelError(config.ReaderError):
    """A model file or its card is missing, damaged, or not the other's.

    fault: what is wrong, without the remedy.
    """

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(f"{fault}: {remedy}" if remedy else fault)
        self.fault = fault


def card_path(model_path: Path) -> Path:
    """Return where the card of a model file lies."""
    return model_path.with_suffix(".json")


def previous_path(model_path: Path, version: str = "") -> Path:
    """Return where the model is kept that a model file replaced: beside it.

    version: of a better one that was replaced before that, and is kept as well.
    """
    kind = f"previous-{version}" if version else "previous"
    return model_path.with_name(f"{model_path.stem}.{kind}{model_path.suffix}")


def remedy(model_path: Path) -> str:
    """Return what to do about a model file that is no good, by what makes such files."""
    exported = model_path.suffix in EXPORTED or _is_saved_model(model_path)
    return EXPORT_REMEDY if exported else REMEDY


def _is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


def _staged(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Of a SavedModel: that of the list of its files, each in a line with its own, as `sha256sum`
    writes it, in the order of their names.
    """
    if _is_saved_model(path):
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*")}
        lines = [f"{digest(files[n])}  {n}\n" for n in sorted(files) if files[n].is_file()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing(model_path: Path) -> Iterator[None]:
    """Let one process at a time write a model file and its card; blocks may be nested.

    The lock ends with the process, however it ends. Raises ModelError if another process
    holds it for longer than `WRITE_SECONDS`.
    """
    from filelock import FileLock, Timeout  # not installed where models are only served

    model_path.parent.mkdir(parents=True, exist_ok=True)
    file = model_path.with_name(f".{card_path(model_path).name}.lock")
    lock = FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=WRITE_SECONDS)
    except Timeout:
        raise ModelError(f"another process is writing {model_path}: try again") from None
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with contextlib.suppress(OSError):  # Windows deletes it with the lock
                file.unlink()
        lock.release()


def check_place(model_path: Path) -> None:
    """Raise ModelError if a model file written there would overwrite what belongs to another.

    No card serves two files: that of `a.onnx` is not overwritten by that of `a.keras`.
    """
    if model_path.is_dir() and not _is_saved_model(model_path):
        raise ModelError(f"{model_path} is a folder without a model: choose another name")
    card_file = card_path(model_path)
    if not card_file.exists():
        return
    try:
        owner = _parse_card(card_file)["sha256"]
    except ModelError:
        if model_path.exists():
            return  # its own card, damaged
        raise ModelError(
            f"{model_path} would overwrite {card_file}, which is no model card: choose another name"
        ) from None
    if model_path.exists() and digest(model_path) == owner:
        return
    for other in model_path.parent.glob(f"{glob.escape(model_path.stem)}*"):
        same_card = other not in (model_path, card_file) and card_path(other) == card_file
        if same_card and (other.is_file() or _is_saved_model(other)) and digest(other) == owner:
            raise ModelError(
                f"{model_path} would overwrite {card_file}, the card of {other.name}: "
                "choose another name"
            )


def write_model(
    save: Callable[[Path], object], card: Card, model_path: Path, name: str | None = None
) -> Card:
    """Write model file and card, both or neither; return the card with the file's digest.

    save: writes the model file at the path it is given. Both are written aside first, so a
    failure leaves what was there. A kill between the two renames leaves the new card beside
    the new model file under its staged name, where `read_card` finds it. name: None for the
    file's own. Raises ModelError where `check_place` does.
    """
    with writing(model_path):
        _finish_interrupted(model_path)
        check_place(model_path)
        staged_model = model_path.with_name(f".{model_path.stem}.new{model_path.suffix}")
        staged_card = _staged(card_path(model_path))
        _remove(staged_model)  # of a run that was killed: no other writes while the lock is held
        try:
            save(staged_model)
            named = {"name": name or model_path.stem, "sha256": digest(staged_model)}
            card = named | card | named  # named first, to be read first
            staged_card.write_text(json.dumps(card, indent=1) + "\n", "utf-8")
        except BaseException:
            _remove(staged_model)
            staged_card.unlink(missing_ok=True)
            raise
        _put_in_place(staged_model, model_path)
        staged_card.replace(card_path(model_path))
        return card


def copy_model(model_path: Path, place: Path) -> None:
    """Copy a model file and its card to another name, under which both load as they stand.

    Raises ModelError if they are not a good pair.
    """
    card = read_card(model_path)
    write_model(lambda file: shutil.copyfile(model_path, file), card, place, card["name"])


def _put_in_place(staged: Path, place: Path) -> None:
    """Rename a model file to its name; a folder that is there has to step aside for a new one."""
    if not place.is_dir():
        staged.replace(place)
        return
    aside = _aside(place)
    _remove(aside)
    place.replace(aside)
    try:
        staged.replace(place)
    except OSError:
        aside.replace(place)
        raise
    _remove(aside)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _finish_interrupted(model_path: Path) -> None:
    """Give a staged card its name if it is the card of the model file that is in place.

    A folder that had stepped aside for one that never came is put back.
    """
    if _aside(model_path).is_dir() and not model_path.exists():
        _aside(model_path).replace(model_path)
    staged = _staged(card_path(model_path))
    if staged.exists() and model_path.exists():
        with contextlib.suppress(ModelError):
            if _parse_card(staged)["sha256"] == digest(model_path):
                staged.replace(card_path(model_path))


def read_card(model_path: Path) -> Card:
    """Return the card of a model file, after checking that the file is the one it describes.

    Raises ModelError, naming the file, what is wrong and the command that mends it.
    """
    try:
        found = digest(model_path)
    except OSError as fault:
        raise ModelError(
            f"{model_path} cannot be read ({fault.strerror})", remedy(model_path)
        ) from None
    expected = []
    for file in (card_path(model_path), _staged(card_path(model_path))):
        if file.exists():
            card = _parse_card(file)
            if card["sha256"] == found:
                return card
            expected.append(card["sha256"])
    if not expected:
        raise ModelError(
            f"{card_path(model_path)}, the model file's card, is missing", remedy(model_path)
        )
    raise ModelError(
        f"{model_path} is not the file its card describes: its SHA-256 is {found[:12]}…, "
        f"expected {expected[0][:12]}…",
        remedy(model_path),
    )


def _parse_card(file: Path) -> Card:
    try:
        card = json.loads(file.read_text("utf-8"))
        if isinstance(card, dict) and all(isinstance(card.get(k), str) for k in ("name", "sha256")):
            return card
    except (OSError, ValueError):
        pass
    raise ModelError(f"{file} is not a model card (JSON with name and sha256)", REMEDY)
