"""The pictures of a batch: uploaded files, and what is in those of them that are zip files.

Nothing is unpacked to disk, one picture at a time to memory, and one zip file is open at a time.
A file that cannot be read does not keep the others from it: it is told when it is its turn.
"""

import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import config
from page.reader import Reader
from utils import FORMAT_NAMES, MalformedPicture, PictureError, UnreadablePicture

ZIP = (b"PK\3\4", b"PK\5\6", b"PK\x07\x08")  # what a zip file begins with: also an empty one
ENTRY = 46  # bytes of a zip file's directory for each file, and its name and notes
DIRECTORY_BYTES = 1024  # for each picture that a batch may hold; a long name with a Mac's twin: 600
LONGEST_END = 64 * 1024 + 1024  # bytes after a directory: a comment of 64 KiB, and what states it
ENCRYPTED = 0x1
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others ask for memory without a bound
LEFT_OVER = ("thumbs.db", "desktop.ini")  # what Windows leaves in folders
MAC_FOLDER = "__MACOSX"
LONGEST_NAME = 200  # characters that are shown of a name
ONCE = "the same zip file is in this batch already: its pictures are read once"
TOO_MANY = "the zip files list too many files, hidden ones among them: send them in parts"


class BatchError(PictureError):
    """A batch that cannot be read at all."""


@dataclass(frozen=True)
class PictureFile:
    """One file of a batch: its name as a person may see it, and what reads its bytes.

    size: in bytes, as its zip file or the disk states it; `read` gives no more than that, and
    raises PictureError.
    """

    name: str
    size: int
    read: Callable[[], bytes]


class Upload(NamedTuple):
    """An uploaded file, and what it was called where it came from.

    path: None for a file that was too large to be sent; size: in bytes.
    """

    path: Path | None
    name: str
    size: int


def uploads_of(reader: Reader, sent: Any) -> list[Upload]:
    """Return the uploaded files that a client names.

    Raises PictureError for any other file, and BatchError for more than one batch may hold.
    """
    named = sent if isinstance(sent, list) else [sent]
    _check_count(len(named), reader.settings)
    return [_upload(reader, each) for each in named]


def _upload(reader: Reader, sent: Any) -> Upload:
    name, size = (sent.get("orig_name"), sent.get("size")) if isinstance(sent, dict) else ("", 0)
    name = name if isinstance(name, str) else ""
    if name and isinstance(size, int) and size > reader.settings.max_bytes:
        return Upload(None, name, size)
    path = reader.uploaded(sent)
    return Upload(path, name or path.name, path.stat().st_size)


@contextmanager
def opened(uploads: Sequence[Upload], settings: config.Settings) -> Iterator[list[PictureFile]]:
    """Give the pictures of uploaded files, in order; a zip file's in its place.

    Raises BatchError for more of them, or more bytes, than one batch may hold.
    """
    files: list[PictureFile] = []
    zips: set[Path] = set()
    with closing(_Archives(settings.page_pictures * DIRECTORY_BYTES)) as archives:
        for upload in uploads:
            path = upload.path
            if path is None or upload.size > settings.max_bytes:
                files.append(_refused(upload.name, _too_large(upload.size, settings)))
            elif not _is_zip(path):
                files.append(PictureFile(shown(upload.name), upload.size, path.read_bytes))
            elif path in zips:
                files.append(_refused(upload.name, MalformedPicture(ONCE)))
            else:
                zips.add(path)
                files += _in_zip(path, upload.name, archives, settings)
            _check(files, settings)
        if not files:
            raise BatchError(f"there are no pictures in what was sent: send {FORMAT_NAMES} files")
        yield files


def _check(files: list[PictureFile], settings: config.Settings) -> None:
    _check_count(len(files), settings)
    total = sum(file.size for file in files)
    if total > settings.page_bytes:
        raise BatchError(
            f"these pictures have {total:,} bytes and more in total: at most "
            f"{settings.page_bytes:,} are read at once, send them in parts"
        )


def _check_count(count: int, settings: config.Settings) -> None:
    if count > settings.page_pictures:
        raise BatchError(
            f"these are {count:,} pictures and more: at most {settings.page_pictures:,} are "
            "read at once, send them in parts"
        )


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(ZIP)


def _refused(name: str, fault: PictureError) -> PictureFile:
    """Return a file in whose turn the fault is told."""

    def read() -> bytes:
        raise fault

    return PictureFile(shown(name), 0, read)


def _too_large(size: int, settings: config.Settings) -> UnreadablePicture:
    return UnreadablePicture(
        f"the file has {size:,} bytes: at most {settings.max_bytes:,} are accepted"
    )


class _BoundedFile(io.FileIO):
    """An open file that gives no more than `left` bytes, however many zipfile asks for."""

    left = math.inf

    def read(self, size: int | None = -1, /) -> bytes:
        rest = max(0, os.fstat(self.fileno()).st_size - self.tell())
        size = rest if size is None or size < 0 else min(size, rest)
        if size > self.left:
            raise BatchError(TOO_MANY)
        self.left -= size
        return super().read(size) or b""


class _Archives:
    """The zip files of a batch: one is open at a time, and their directories count together.

    zipfile makes an object of every entry as it opens a file, so the bytes that it reads are
    bounded while it does: what the file states of its directory, or a Zip64 record in its
    stead, may be false, and readers differ in which record they believe.
    """

    def __init__(self, most: int) -> None:
        """most: the bytes of all directories together."""
        self.most = self.left = most
        self.path: Path | None = None  # of the archive that is open
        self.archive: zipfile.ZipFile
        self.open_files = ExitStack()

    def entries(self, path: Path) -> list[zipfile.ZipInfo]:
        """Return what a zip file's directory lists; raises BatchError if that is too much."""
        entries = self.opened(path).infolist()
        self.left -= sum(
            ENTRY + len(entry.orig_filename) + len(entry.extra) + len(entry.comment)
            for entry in entries
        )
        if self.left < 0:
            raise BatchError(TOO_MANY)
        return entries

    def opened(self, path: Path) -> zipfile.ZipFile:
        """Return the zip file, which is open until another is."""
        if path != self.path:
            self.close()
            file = self.open_files.enter_context(_BoundedFile(path))
            file.left = self.most + LONGEST_END
            self.archive = self.open_files.enter_context(zipfile.ZipFile(file))
            file.left = math.inf  # of its pictures _member takes no more than they state
            self.path = path
        return self.archive

    def close(self) -> None:
        self.path = None
        self.open_files.close()


def _in_zip(
    path: Path, name: str, archives: _Archives, settings: config.Settings
) -> list[PictureFile]:
    """Return the files in a zip file, or one that tells what is wrong with it."""
    try:
        entries = archives.entries(path)
    except BatchError:
        raise
    except Exception:  # a damaged directory makes zipfile raise almost anything
        return [_refused(name, MalformedPicture("this is not a whole zip file: send it again"))]
    members = [entry for entry in entries if _is_wanted(entry)]
    # One more than a batch may hold is enough to be refused for.
    return [
        _member(archives, path, entry, settings) for entry in members[: settings.page_pictures + 1]
    ]


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    """Leave out folders, hidden files, and what systems put beside pictures."""
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    if entry.is_dir() or not parts or parts[0] == MAC_FOLDER:
        return False
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return not hidden and parts[-1].lower() not in LEFT_OVER


def _member(
    archives: _Archives, path: Path, entry: zipfile.ZipInfo, settings: config.Settings
) -> PictureFile:
    name = entry.filename
    if entry.flag_bits & ENCRYPTED:
        return _refused(
            name, UnreadablePicture("it is encrypted: send a zip file without a password")
        )
    if entry.compress_type not in PACKINGS:
        return _refused(
            name, UnreadablePicture("it is packed in a way that is not read here: use deflate")
        )
    if entry.file_size > settings.max_bytes:
        return _refused(name, _too_large(entry.file_size, settings))

    def read() -> bytes:
        archive = archives.opened(path)
        try:
            with archive.open(entry) as file:
                content = file.read(entry.file_size)  # at most: it may claim less than it holds
                if len(content) < entry.file_size or file.read(1):
                    raise zipfile.BadZipFile
        except Exception:  # damaged in the zip file: each its own class
            raise UnreadablePicture(
                "it is damaged in the zip file: pack and send it again"
            ) from None
        if content.startswith(ZIP):
            raise UnreadablePicture("it is a zip file within a zip file: send it by itself")
        return content

    return PictureFile(shown(name), entry.file_size, read)


def shown(name: str) -> str:
    """Return a file's name on one line, without what would change how the text around it runs."""
    cut = name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
    printable = (letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)
    return "".join(printable) or "without a name"
