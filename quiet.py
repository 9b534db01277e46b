"""TensorFlow without the notices that it prints on import, which are not for our users."""

import os
import sys
import tempfile
from types import ModuleType


def import_tensorflow() -> ModuleType:
    """Import TensorFlow and return it; what it prints is shown only if the import fails.

     Its libraries log to the process's standard error before any setting can stop them
    , so that is turned aside for the time of the import.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notices:
        terminal = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            import tensorflow
        except BaseException:
            notices.seek(0)
            os.write(terminal, notices.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    return tensorflow
