"""Libraries without the notices that they print, which are not for our users."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import IO


@contextmanager
def notices_aside() -> Iterator[None]:
    """Turn the process's standard error aside; show what was printed only if there is a fault.

    Native libraries log there past everything that Python could set.
    """
    sys.stderr.flush()
    with _file() as notices:
        terminal = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(terminal, notices.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def _file() -> IO[bytes]:
    """Open a file of no name: in memory where the system can, so that the disk may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("notices"), "w+b")
    return tempfile.TemporaryFile()


def import_tensorflow() -> ModuleType:
    """Import TensorFlow and return it, in silence unless the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" not in sys.modules:
        with notices_aside():
            import tensorflow  # noqa: F401
    return sys.modules["tensorflow"]
