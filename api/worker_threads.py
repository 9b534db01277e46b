"""The threads of a worker process that answer requests while its event loop goes on."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 32  # more than may wait for the decoding process, so that some are always free


class WorkerThreads:
    """Threads of which one at a time is at work: Python would not run several sooner."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, "answer")
        self._turn = threading.Lock()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's result, worked out in one of the threads when it is its turn."""

        def work() -> R:
            with self._turn:
                return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let another thread work while the one that calls this waits for something."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
