"""All that a server has started: its processor time and memory, and its end (Linux only).

A server's workers may leave their parent. They then become children of the nearest ancestor that
asked for such orphans: `adopt_orphans` makes this process that ancestor, so that whatever
descends from it is the server's.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
PATIENCE = 8.0  # seconds in which a server may end by itself
QUIET = 0.1  # share of one core below which a server has come to rest


def adopt_orphans() -> None:
    """Let what this process's descendants leave behind become its children."""
    if not sys.platform.startswith("linux"):
        raise OSError("processes are measured and ended by means that only Linux has")
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("the system does not let orphaned processes be adopted")


def _stat(process: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, or none if it is gone."""
    try:
        text = (PROC / str(process) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the second, the name, may hold anything


def descendants(root: int) -> list[int]:
    """Return the processes that live below `root`."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def workers(server: int) -> list[int]:
    """Return the processes that a server started itself, without Python's resource tracker."""
    processes = []
    for process in descendants(server):
        with contextlib.suppress(OSError):  # it has just ended
            command = (PROC / str(process) / "cmdline").read_bytes()
            if _stat(process)[1:2] == [str(server)] and b"tracker" not in command:
                processes.append(process)
    return sorted(processes)


def own_seconds(root: int) -> dict[int, float]:
    """Return user and system time of each process below `root`, without its children's."""
    return {x: sum(map(int, _stat(x)[11:13])) / TICKS for x in descendants(root)}


def cpu_seconds(root: int) -> float:
    """Return user and system time of all below `root`, with their ended children's."""
    return sum(sum(map(int, _stat(x)[11:15])) for x in descendants(root)) / TICKS


@dataclass(frozen=True)
class Times:
    """Processor seconds: of the server, of this process and what it waited for, of all."""

    server: float
    own: float
    machine: float

    def __sub__(self, before: "Times") -> "Times":
        return Times(
            self.server - before.server, self.own - before.own, self.machine - before.machine
        )


def times(root: int) -> Times:
    """Return the processor time spent until now; the server is all below `root`."""
    line = (PROC / "stat").read_text("utf-8").splitlines()[0].split()
    user, nice, system, _, _, irq, softirq, steal = map(int, line[1:9])  # between: idle, waiting
    own = os.times()
    return Times(
        cpu_seconds(root),
        own.user + own.system + own.children_user + own.children_system,
        (user + nice + system + irq + softirq + steal) / TICKS,
    )


def memory_mb(root: int, *others: int) -> tuple[float, float]:
    """Return PSS and RSS in MB of all below `root`, and of others; PSS counts shared pages once."""
    kilobytes = {"Pss": 0, "Rss": 0}
    for process in (*descendants(root), *others):
        with contextlib.suppress(OSError):  # it has just ended
            rollup = (PROC / str(process) / "smaps_rollup").read_text("utf-8")
            for line in rollup.splitlines():
                key = line.split(":")[0]
                if key in kilobytes:
                    kilobytes[key] += int(line.split()[1])
    return kilobytes["Pss"] * 1024 / 1e6, kilobytes["Rss"] * 1024 / 1e6


def settle(root: int, patience: float = PATIENCE) -> None:
    """Wait until all below `root` rest, for workers that are still starting."""
    deadline, pause = time.monotonic() + patience, 0.5
    while time.monotonic() < deadline:
        before = cpu_seconds(root)
        time.sleep(pause)
        if cpu_seconds(root) - before < QUIET * pause:
            return


def end(process: "subprocess.Popen[bytes]", root: int) -> None:
    """End a server that this process, `root`, started, and all that it has started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE / 2
        for one in descendants(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)
        while descendants(root) and time.monotonic() < deadline:
            time.sleep(0.05)
    process.wait(PATIENCE)
    with contextlib.suppress(ChildProcessError):  # orphans that have ended, until there are none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
