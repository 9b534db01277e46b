"""A file whose reader's faults are told from its place's: damage is for ever, an outage is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage import StorageError


class DamagedFile(StorageError):
    """A file whose bytes come, but cannot be read as what its suffix says."""


class Watched:
    """An open file that remembers why its place did not give its bytes.

    Readers of zip and Parquet raise almost anything at a damaged file, OSError too, and call a
    file damaged when its place did not answer. Only this can tell the two apart.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.fault: Exception | None = None
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.readable, self.seekable = file.readable, file.seekable

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as of any file."""
        try:
            return bytes(self._file.read(None if size is None or size < 0 else size))
        except Exception as fault:
            self.fault = fault
            raise


@contextmanager
def decoding(file: Watched, what: str) -> Iterator[None]:
    """Raise DamagedFile for whatever a reader raises, but the place's own fault as it is."""
    try:
        yield
    except (StorageError, MemoryError):
        raise
    except Exception as fault:
        if file.fault:
            raise file.fault from None
        raise DamagedFile(f"{what} ({str(fault) or type(fault).__name__})") from None
