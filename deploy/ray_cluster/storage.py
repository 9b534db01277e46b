"""Where pictures and results lie: any filesystem that PyArrow or fsspec knows, by its address."""

import re
import uuid
from pathlib import Path, PurePosixPath

import fsspec
from pyarrow import ArrowException, fs

import config

ASIDE = re.compile(r"\..+\.[0-9a-f]{32}")  # what `write_whole` names a file that it writes
# Of these a file appears when its writer has closed it, and renaming is copying.
OBJECT_STORES = ("s3", "gcs", "abfs")


class StorageError(config.ReaderError):
    """A place that cannot be reached, or holds nothing that can be used."""


def located(place: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of an address and the path in it; a plain path is of this machine.

    Raises StorageError for an address of no known filesystem.
    """
    if "://" not in place:
        return fs.LocalFileSystem(), str(Path(place).expanduser().absolute())
    try:
        found, path = fs.FileSystem.from_uri(place)
        return found, path
    except (ArrowException, ValueError):  # not one of PyArrow's own
        pass
    try:
        other, path = fsspec.core.url_to_fs(place)
    except (ValueError, ImportError) as fault:
        raise StorageError(f"{place} cannot be reached: {fault}") from None
    return fs.PyFileSystem(fs.FSSpecHandler(other)), path


def absolute(place: str) -> str:
    """Return an address that means the same in whatever folder a process works."""
    return place if "://" in place else located(place)[1]


def is_aside(path: str) -> bool:
    """Tell whether a file is one that is, or was when its process was killed, being written."""
    return bool(ASIDE.fullmatch(PurePosixPath(path).name))


def write_whole(filesystem: fs.FileSystem, path: str, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    if filesystem.type_name in OBJECT_STORES:
        with filesystem.open_output_stream(path) as file:
            file.write(content)
        return
    parent = str(PurePosixPath(path).parent)
    filesystem.create_dir(parent, recursive=True)
    aside = f"{parent}/.{PurePosixPath(path).name}.{uuid.uuid4().hex}"
    try:
        with filesystem.open_output_stream(aside) as file:
            file.write(content)
        if isinstance(filesystem, fs.LocalFileSystem):
            Path(aside).replace(path)
        else:
            filesystem.move(aside, path)
    except BaseException:
        if filesystem.get_file_info(aside).type == fs.FileType.File:
            filesystem.delete_file(aside)
        raise


def files_below(filesystem: fs.FileSystem, folder: str) -> list[fs.FileInfo]:
    """Return all files in a folder and its folders, by name; none if it is not there."""
    selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
    found = [info for info in filesystem.get_file_info(selector) if info.is_file]
    return sorted(found, key=lambda info: str(info.path))
