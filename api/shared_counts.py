"""Counts that several processes share, for `limits`: a table of an SQLite file."""

import sqlite3
import threading
import time
from pathlib import Path

from limits.storage import Storage

TABLE = "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, ends REAL)"
INCREASE = """
INSERT INTO hits VALUES (:key, :amount, :ends) ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN ends <= :now THEN :amount ELSE count + :amount END,
    ends = CASE WHEN ends <= :now THEN :ends ELSE ends END
RETURNING count
"""
SWEPT_EVERY = 1000  # increases, after which what has ended is deleted


class SharedStorage(Storage):
    """Counts in an SQLite file, which several processes share; see `limits.storage.Storage`."""

    STORAGE_SCHEME = None

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._rows = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = MEMORY")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute(TABLE)
        self._increases = 0

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may go wrong here."""
        return sqlite3.Error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count so many more for a key, for `expiry` seconds from the first; return the count."""
        now = time.time()
        given = {"key": key, "amount": amount, "now": now, "ends": now + expiry}
        with self._lock:
            ((count,),) = self._rows.execute(INCREASE, given).fetchall()
            self._increases += 1
            if self._increases % SWEPT_EVERY == 0:
                self._rows.execute("DELETE FROM hits WHERE ends <= ?", (now,))
        return int(count)

    def get(self, key: str) -> int:
        """Return the count of a key."""
        return int(self._row(key)[0])

    def get_expiry(self, key: str) -> float:
        """Return when the count of a key ends, in seconds of `time.time`."""
        return float(self._row(key)[1])

    def _row(self, key: str) -> tuple[int, float]:
        now = time.time()
        with self._lock:
            found = self._rows.execute(
                "SELECT count, ends FROM hits WHERE key = ? AND ends > ?", (key, now)
            ).fetchone()
        return found or (0, now)

    def check(self) -> bool:
        """Tell whether the file answers."""
        return self.get("") == 0

    def reset(self) -> int:
        """Forget all counts; return how many there were."""
        with self._lock:
            return self._rows.execute("DELETE FROM hits").rowcount

    def clear(self, key: str) -> None:
        """Forget the count of a key."""
        with self._lock:
            self._rows.execute("DELETE FROM hits WHERE key = ?", (key,))
