"""The pictures of a batch: uploaded files, and what is in those of them that are zip files.

Nothing is unpacked to disk, and of a zip file one picture at a time to memory. A file that cannot
be read does not keep the others from it: it is told when it is its turn.
"""

import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import config
from page.reader import Reader
from utils import FORMAT_NAMES, MalformedPicture, PictureError, UnreadablePicture

ZIP = (b"PK\3\4", b"PK\5\6", b"PK\x07\x08")  # what a zip file begins with: also an empty one
END = b"PK\5\6"  # of its directory
END_SIZE, LONGEST_COMMENT = 22, 65_535
LARGEST_DIRECTORY = 4 * 1024 * 1024  # bytes of a zip file's directory
ENCRYPTED = 0x1
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others ask for memory without a bound
LEFT_OVER = ("thumbs.db", "desktop.ini")  # what Windows leaves in folders
MAC_FOLDER = "__MACOSX"
LONGEST_NAME = 200  # characters that are shown of a name


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
    """Return the uploaded files that a client names; raises PictureError for any other file."""
    return [_upload(reader, each) for each in (sent if isinstance(sent, list) else [sent])]


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
    with ExitStack() as archives:
        files: list[PictureFile] = []
        for upload in uploads:
            if upload.path is None or upload.size > settings.max_bytes:
                files.append(_refused(upload.name, _too_large(upload.size, settings)))
            elif _is_zip(upload.path):
                files += _in_zip(upload.path, upload.name, archives, settings)
            else:
                files.append(PictureFile(shown(upload.name), upload.size, upload.path.read_bytes))
            _check(files, settings)
        if not files:
            raise BatchError(f"there are no pictures in what was sent: send {FORMAT_NAMES} files")
        yield files


def _check(files: list[PictureFile], settings: config.Settings) -> None:
    if len(files) > settings.page_pictures:
        raise BatchError(
            f"these are {len(files):,} pictures and more: at most {settings.page_pictures:,} are "
            "read at once, send them in parts"
        )
    total = sum(file.size for file in files)
    if total > settings.page_bytes:
        raise BatchError(
            f"these pictures have {total:,} bytes and more in total: at most "
            f"{settings.page_bytes:,} are read at once, send them in parts"
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


def _in_zip(
    path: Path, name: str, archives: ExitStack, settings: config.Settings
) -> list[PictureFile]:
    """Return the files in a zip file, or one that tells what is wrong with it."""
    try:
        _check_directory(path)
        archive = archives.enter_context(zipfile.ZipFile(path))
    except BatchError as fault:
        return [_refused(name, fault)]
    except Exception:  # a damaged directory makes zipfile raise almost anything
        return [_refused(name, MalformedPicture("this is not a whole zip file: send it again"))]
    members = [entry for entry in archive.infolist() if _is_wanted(entry)]
    if len(members) > settings.page_pictures:
        members = members[: settings.page_pictures + 1]  # enough to be refused for
    return [_member(archive, entry, settings) for entry in members]


def _check_directory(path: Path) -> None:
    """Raise BatchError for a directory that takes too much memory, before it is read.

    zipfile reads as much as the end record says, and looks for that record as this does.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END_SIZE - LONGEST_COMMENT))
        tail = file.read()
    (directory,) = struct.unpack_from("<I", tail, tail.rindex(END) + 12)
    if directory > LARGEST_DIRECTORY:
        raise BatchError("the zip file holds too many files: send them in parts")


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    """Leave out folders, hidden files, and what systems put beside pictures."""
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    if entry.is_dir() or not parts or parts[0] == MAC_FOLDER:
        return False
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return not hidden and parts[-1].lower() not in LEFT_OVER


def _member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, settings: config.Settings
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
    printable = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    if len(printable) > LONGEST_NAME:
        return f"…{printable[1 - LONGEST_NAME :]}"
    return printable or "without a name"
