"""All processes of a server that was started with a mark in its environment (Linux)."""

import os
import signal
import time
from pathlib import Path

MARK = "BENCHMARK_SERVER"
PROC = Path("/proc")


def processes(mark: str) -> list[int]:
    """Return the ids of the processes that have the mark, however they came to be."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def cpu_seconds(mark: str) -> float:
    """Return the processor's time, user and system, that they have taken so far."""
    ticks = 0
    for process in processes(mark):
        try:
            fields = (PROC / str(process) / "stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(mark: str) -> tuple[float, float]:
    """Return their memory in MB: what is shared counted once (PSS), and once each (RSS)."""
    totals = {"Pss:": 0, "Rss:": 0}
    for process in processes(mark):
        try:
            text = (PROC / str(process) / "smaps_rollup").read_text("utf-8")
        except OSError:
            continue
        for line in text.splitlines():
            name, *rest = line.split()
            if name in totals:
                totals[name] += int(rest[0])
    return totals["Pss:"] / 1000, totals["Rss:"] / 1000


def end(mark: str, seconds: float = 10) -> None:
    """End them: by SIGTERM, and what is left after so many seconds by SIGKILL."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for process in processes(mark):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + patience
        while processes(mark) and time.monotonic() < until:
            time.sleep(0.1)
