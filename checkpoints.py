"""The state of a training run after each epoch, which neither a crash nor one flag loses."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

import cli
import config
import model_files

if TYPE_CHECKING:
    import keras

STATE, BEST, PROGRESS = "state.keras", "best.keras", "progress.json"
EPOCH = re.compile(r"epoch-([0-9]{4,})")
CHOICE = "go on with --resume, or discard them with --restart"


@dataclass
class Progress:
    """What is known after some whole epochs; lists have one entry an epoch."""

    recipe: str  # the preset and what it is trained on: a resumed run must have the same
    epochs_done: int
    best_epoch: int  # the one that is kept, counted from 1
    seconds: float
    loss: list[float]
    validation_loss: list[float]
    validation_accuracy: list[float]
    dropout: list[int]  # state of the dropout's source of chance, which Keras does not save

    @classmethod
    def none(cls, recipe: str) -> "Progress":
        return cls(recipe, 0, 0, 0.0, [], [], [], [])


class Checkpoints:
    """One folder an epoch, written aside and renamed, so that a kill leaves the last whole.

    Nothing else in the run's folder is ever deleted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._aside = folder / ".writing"
        self._model = folder / "model.json"  # the model file that a finished run became

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from this run; the lock ends with the process, however it ends.

        Raises ReaderError if another process trains it now.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise config.ReaderError(
                f"another process is training in {cli.shown(self.folder)}: wait for it, or give "
                "this run another --seed or --checkpoints"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def check_start(self, resume: bool, restart: bool, epochs: int) -> None:
        """Raise ReaderError if the run cannot go on, or if a new one would discard whole epochs.

        epochs: of the preset. A finished run whose model file is there may be trained anew.
        """
        latest = self._latest()
        if restart:
            return
        if resume and latest is None:
            others = {path.parent.name for path in self.folder.parent.glob("*/epoch-*")}
            raise config.ReaderError(
                f"nothing to resume: {cli.shown(self.folder)} holds no whole epoch"
                + (f" (there are runs of {', '.join(sorted(others))})" if others else "")
                + "; start without --resume"
            )
        if latest and (resume or not self.is_written()):
            done = self._read_progress(latest).epochs_done
            if not resume:
                raise config.ReaderError(
                    f"{cli.shown(self.folder)} holds {done} of {epochs} epochs: {CHOICE}"
                )

    def kept(self, epochs: int) -> str:
        """Return what is left of a run that was stopped. epochs: of the preset."""
        if self.is_written():
            return "stopped; the model file is written"
        latest = self._latest()
        if latest is None:
            return "stopped before the first epoch was whole: nothing is kept"
        return f"stopped; {_number(latest)} of {epochs} epochs are kept: continue with --resume"

    def clear(self) -> None:
        """Discard all epochs, and nothing else that may lie in the folder."""
        self._model.unlink(missing_ok=True)
        for epoch in self._epochs():
            _discard(epoch)

    def save(self, progress: Progress, network: "keras.Model") -> None:
        """Write the state after an epoch, and then drop those before it."""
        previous = self._latest()
        shutil.rmtree(self._aside, ignore_errors=True)  # of a run that was killed
        self._aside.mkdir(parents=True)
        network.save(self._aside / STATE)
        if progress.best_epoch == progress.epochs_done:
            shutil.copyfile(self._aside / STATE, self._aside / BEST)
        else:
            assert previous is not None  # an earlier epoch was the best, so it was saved
            shutil.copyfile(previous / BEST, self._aside / BEST)
        (self._aside / PROGRESS).write_text(json.dumps(asdict(progress)), "utf-8")
        latest = self.folder / f"epoch-{progress.epochs_done:04d}"
        if latest.exists():  # what a kill left of an earlier run's
            _discard(latest)
        self._aside.replace(latest)
        for epoch in self._epochs():
            if epoch != latest:
                _discard(epoch)

    def load(self, recipe: str) -> tuple[Progress, "keras.Model"]:
        """Return the state after the last whole epoch of the same recipe. Raises ReaderError."""
        latest = self._whole()
        progress = self._read_progress(latest)
        if progress.recipe != recipe:
            raise config.ReaderError(
                f"{cli.shown(latest)} is of another recipe: {progress.recipe}; this one is "
                f"{recipe}. Give the preset and seed it was started with, or discard it with "
                "--restart"
            )
        return progress, _read_network(latest / STATE)

    def best(self) -> "keras.Model":
        """Return the network of the best epoch so far."""
        return _read_network(self._whole() / BEST)

    def note_written(self, model: Path, card: model_files.Card) -> None:
        """Note which model file the finished run became, and in which folder."""
        note = {"folder": str(model.parent.resolve()), "sha256": card["sha256"]}
        self._model.write_text(json.dumps(note), "utf-8")

    def is_written(self) -> bool:
        """Return whether the run's model file is still where it was written, under any name."""
        try:
            note = json.loads(self._model.read_text("utf-8"))
            files = [file for file in Path(note["folder"]).glob("*.keras") if file.is_file()]
            return any(model_files.digest(file) == note["sha256"] for file in files)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _epochs(self) -> list[Path]:
        """Return the epochs' folders, the earliest first. Raises ReaderError for one of others."""
        epochs = [path for path in self.folder.glob("epoch-*") if EPOCH.fullmatch(path.name)]
        for epoch in epochs:
            names = {file.name for file in epoch.iterdir()}
            if PROGRESS not in names and names - {STATE, BEST}:
                raise config.ReaderError(
                    f"{cli.shown(epoch)} is not an epoch of a run: choose another --checkpoints"
                )
        return sorted(epochs, key=_number)

    def _latest(self) -> Path | None:
        whole = [epoch for epoch in self._epochs() if (epoch / PROGRESS).is_file()]
        return whole[-1] if whole else None

    def _whole(self) -> Path:
        latest = self._latest()
        if latest is None:
            raise config.ReaderError(f"{cli.shown(self.folder)} holds no whole epoch")
        return latest

    def _read_progress(self, epoch: Path) -> Progress:
        try:
            values = json.loads((epoch / PROGRESS).read_text("utf-8"))
            unknown = set(values) - {field.name for field in fields(Progress)}
            if unknown:
                raise ValueError(f"unknown field {min(unknown)}")
            return msgspec.convert(values, Progress)
        except (OSError, ValueError, TypeError, msgspec.ValidationError) as fault:
            raise _damaged(epoch / PROGRESS, fault) from None


def _number(epoch: Path) -> int:
    return int(epoch.name.removeprefix("epoch-"))


def _discard(epoch: Path) -> None:
    """Delete an epoch's folder. What a kill leaves of it counts as no epoch."""
    (epoch / PROGRESS).unlink(missing_ok=True)
    shutil.rmtree(epoch)


def _read_network(file: Path) -> "keras.Model":
    import keras

    try:
        return keras.models.load_model(file)
    except Exception as fault:  # Keras lets zip, HDF5 and JSON errors through
        raise _damaged(file, fault) from None


def _damaged(file: Path, fault: Exception) -> config.ReaderError:
    reason = " ".join(str(fault).split())
    return config.ReaderError(
        f"{cli.shown(file)} is damaged, or of another version of this program ({reason[:200]}): "
        "resume with that version, or discard the run with --restart"
    )
