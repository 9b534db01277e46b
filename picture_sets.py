"""A user's own labelled pictures, from a folder or a zip file.

The labels stand in `labels.csv` (columns `file` and `label`, more are ignored), or in the
folders' names: `0/` to `9/`, and `none/` for pictures of no digit.
"""

import csv
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import config

LABELS_FILE = "labels.csv"
LABELS: dict[str, int | None] = {str(digit): digit for digit in range(config.CLASSES)}
LABELS["none"] = None  # not a digit
LARGEST = config.Settings.max_bytes  # of one file
NOT_PICTURES = ("thumbs.db", "desktop.ini")  # what Windows leaves in folders
LAYOUT = (
    f"put a {LABELS_FILE} with the columns file,label in it, "
    "or sort the pictures into folders named 0 to 9"
)


class PictureSetError(config.ReaderError):
    """A folder or zip file whose pictures or labels cannot be used."""


class LabelledPicture(NamedTuple):
    """One picture file: its name in the set, the digit it shows (None: no digit), its bytes."""

    name: str
    label: int | None
    content: bytes


class Store(Protocol):
    """Where files lie: a folder or a zip file. Names are relative, with forward slashes."""

    def names(self) -> list[str]:
        """List all files."""

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None if there is no such file inside."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""


class PictureSet:
    """Labelled pictures, read one by one when they are wanted.

    labels: the name and the digit (None: no digit) of each.
    """

    def __init__(self, path: Path, store: Store, labels: list[tuple[str, int | None]]) -> None:
        self.path, self.labels, self._store = path, labels, store

    @property
    def name(self) -> str:
        """The folder's name, or the zip file's without its suffix."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.stem

    def read(self, name: str) -> bytes:
        """Return one picture file's bytes; from any thread."""
        return self._store.read(name)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[LabelledPicture]:
        for name, label in self.labels:
            yield LabelledPicture(name, label, self.read(name))


def read_pictures(path: Path) -> PictureSet:
    """Find the labelled pictures of a folder or zip file; all names and labels are checked first.

    Raises PictureSetError, naming the place and what would be right: nothing there, no labels,
    a label that is no digit, a listed file that is missing, outside, or too large.
    """
    if path.is_dir():
        store: Store = _Folder(path)
    elif path.is_file():
        store = _Zip(path)
    else:
        raise PictureSetError(f"{path} does not exist: give a folder or a zip file of pictures")
    if store.size(LABELS_FILE) is not None:
        labels = _from_csv(path, store)
    else:
        labels = _from_folders(path, store)
    for name, _ in labels:
        _check_file(path, store, name)
    return PictureSet(path, store, labels)


def _check_file(path: Path, store: Store, name: str) -> None:
    size = store.size(name)
    if size is None:
        raise PictureSetError(
            f"{LABELS_FILE} of {path} lists {name!r}, which is not in there: "
            f"names are relative to {LABELS_FILE}"
        )
    if size > LARGEST:
        raise PictureSetError(
            f"{name} of {path} has {size:,} bytes: a picture may have {LARGEST:,}"
        )


def _from_csv(path: Path, store: Store) -> list[tuple[str, int | None]]:
    """Return the names and labels that labels.csv lists, in its order."""
    _check_file(path, store, LABELS_FILE)
    try:
        text = store.read(LABELS_FILE).decode("utf-8-sig")
        header = text.partition("\n")[0]
        # Spreadsheets of many countries write semicolons.
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if ";" in header else ","))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise PictureSetError(
            f"{LABELS_FILE} of {path} is not a CSV file in UTF-8 ({fault})"
        ) from None
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise PictureSetError(
            f"{LABELS_FILE} of {path} begins {header.strip()[:60]!r} and has {len(rows)} rows: "
            "expected a first line file,label and one line a picture"
        )
    return [
        ((row["file"] or "").replace("\\", "/"), _label(path, number, row["label"]))
        for number, row in enumerate(rows, 2)
    ]


def _label(path: Path, line: int, text: str | None) -> int | None:
    try:
        return LABELS[(text or "").strip()]
    except KeyError:
        raise PictureSetError(
            f"{LABELS_FILE} of {path}, line {line}: the label is {text!r}, "
            "expected a digit 0 to 9, or none"
        ) from None


def _from_folders(path: Path, store: Store) -> list[tuple[str, int | None]]:
    """Return the pictures in the folders 0 to 9 and none, each labelled by its folder."""
    found = []
    for name in store.names():
        first, *rest = PurePosixPath(name).parts
        hidden = any(part.startswith(".") for part in rest)
        left_over = hidden or (rest and rest[-1].lower() in NOT_PICTURES)
        if rest and first in LABELS and not left_over and store.size(name) is not None:
            found.append((name, LABELS[first]))
    if not found:
        raise PictureSetError(f"{path} has no labelled pictures: {LAYOUT}")
    return sorted(found)


class _Folder:
    def __init__(self, path: Path) -> None:
        self.root = path.resolve()

    def names(self) -> list[str]:
        return [
            Path(folder, file).relative_to(self.root).as_posix()
            for top in LABELS
            for folder, _, files in os.walk(self.root / top)
            for file in files
        ]

    def size(self, name: str) -> int | None:
        try:
            path = (self.root / name).resolve()
            status = path.stat()
        except (OSError, ValueError):  # ValueError: a null character
            return None
        inside = path.is_relative_to(self.root) and stat.S_ISREG(status.st_mode)
        return status.st_size if inside else None

    def read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as fault:
            raise PictureSetError(f"{fault.filename} cannot be read: {fault.strerror}") from None


class _Zip:
    """A zip file, read in memory, nothing unpacked to disk; one outermost folder is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as fault:
            raise PictureSetError(
                f"{path} is not a whole zip file ({fault}): give a folder or a zip file of pictures"
            ) from None
        files = {
            entry.filename: entry
            for entry in self.archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        }
        outermost = {name.partition("/")[0] for name in files}
        if len(outermost) == 1 and not outermost & (LABELS.keys() | files.keys()):
            files = {name.partition("/")[2]: entry for name, entry in files.items()}
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def size(self, name: str) -> int | None:
        return self.files[name].file_size if name in self.files else None

    def read(self, name: str) -> bytes:
        try:
            return self.archive.read(self.files[name])  # at most as long as `size` says
        except Exception as fault:  # damaged, encrypted, unknown packing: each its own class
            raise PictureSetError(f"{name} of {self.path} cannot be unpacked: {fault}") from None
