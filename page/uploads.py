"""The folder of uploads, kept from growing: Gradio never deletes one that broke off."""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

DELETED_AFTER = 3600  # seconds; Gradio looks for them every
LOOKED_FOR_EVERY = 600  # seconds
OLDEST = DELETED_AFTER + 2 * LOOKED_FOR_EVERY  # seconds; what Gradio has not deleted by then
LEAST = 8 * 1024  # bytes that a file takes on the disk with its folder, however small it is
BATCHES = 8  # whose files are kept, each of as many bytes as a batch may have


class _File(NamedTuple):
    time: float
    size: int
    path: Path


def sweep(folder: Path, most: int) -> None:
    """Delete uploads older than OLDEST, and the oldest of those that take more than `most` bytes.

    A batch of which a file is deleted says so in its row.
    """
    too_old, left = time.time() - OLDEST, most
    for file in sorted(_files(folder), reverse=True):
        left -= max(file.size, LEAST)
        if left < 0 or file.time < too_old:
            with contextlib.suppress(OSError):  # Gradio was quicker, or still writes it
                file.path.unlink()
                if file.path.parent != folder:
                    file.path.parent.rmdir()


def _files(folder: Path) -> list[_File]:
    files = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                path = Path(parent, name)
                status = path.lstat()
                files.append(_File(status.st_mtime, status.st_size, path))
    return files
