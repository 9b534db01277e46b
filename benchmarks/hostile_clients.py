"""Fifty connections try to stop the server while eight honest clients ask; promises are checked.

    python benchmarks/hostile_clients.py [--minutes 10] [--connections 50] [--kill-every SECONDS]

Linux. Starts the server with two workers and a copy of the model. Eight clients ask it while it is
quiet, then while `attacks.py` sends it all that may cost a server much, then while a worker is
killed five times within ten seconds. Prints what was sent and what came back, and exits 1 if a
promise is broken: every honest answer right, small requests slower by less than ten times,
health checks within 100 ms (99% of them within 250 ms if all cores are busy),
memory flat, no fault of the server's own, no worker lost but those killed here.
"""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cold_start import ROOT
from honest_clients import LATE, Asks, Honest, Record, asks, percentile
from process_tree import adopt_orphans, descendants, end, memory_mb, own_seconds, times, workers
from soak import AFTER_KILL, Server

WORKERS = 2
WARM_UP, QUIET = 3.0, 20.0  # seconds before the attack
SLOWER = 10  # times, by which a small request may be
LOOK_EVERY, WATCH_EVERY = 10.0, 0.5  # seconds: memory, workers
KILLS, KILLS_APART, KILLED_WITHIN = 5, 1.8, 9.9  # seconds
WHOLE_WITHIN, AT_WORK = 60.0, 0.05  # seconds until all workers serve, and of work that shows it
ALL_BUSY, LATE_IF_BUSY = 0.9, 0.25  # share of the cores; seconds for 99% of the health checks
GROWTH, SPARE_MB = 1.3, 50  # memory is flat if it grows by less than this factor and sum
OWN_FAULTS = ("500", "502", "without Retry-After", "unanswered")  # in what the attack met


@dataclass
class Run:
    """What was seen, phase by phase."""

    quiet: Record = field(default_factory=Record)
    attacked: Record = field(default_factory=Record)
    killed: Record = field(default_factory=Record)
    whole: Record = field(default_factory=Record)
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MB
    lost: list[float] = field(default_factory=list)  # when a worker ended that was not killed
    attack: dict[str, Any] = field(default_factory=lambda: {"outcomes": {}, "floods": []})
    busy: float = 0.0  # share of all cores, while attacked
    kills: int = 0  # of one worker in a row
    is_whole: bool = False
    log: str = ""
    ended: bool = False


def start_attack(port: int, seconds: float, connections: int) -> "subprocess.Popen[str]":
    """Start the attack and return once it has built what it sends."""
    command = [sys.executable, "benchmarks/attacks.py", str(port), str(seconds)]
    command.append(str(connections))
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise SystemExit("the attack could not be built")
    return process


class KilledServer(Server):
    """The server, and which of its workers were killed."""

    def __init__(self, folder: Path) -> None:
        self.killed: set[int] = set()
        super().__init__(folder, "--workers", str(WORKERS))

    def kill(self, worker: int) -> None:
        """Kill a worker and note when."""
        self.killed.add(worker)
        self.kills.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)

    async def kill_every(self, seconds: float) -> None:
        """Kill a worker at an interval, until cancelled."""
        while seconds:
            await asyncio.sleep(seconds)
            for worker in workers(self.process.pid)[:1]:
                self.kill(worker)

    async def kill_again_and_again(self) -> int:
        """Kill one worker, and what takes its place, five times within ten seconds if it comes."""
        spared, count = workers(self.process.pid)[:-1], 0
        until = time.monotonic() + KILLED_WITHIN
        while count < KILLS and time.monotonic() < until:
            victims = [one for one in workers(self.process.pid) if one not in spared]
            for worker in victims[:1]:
                self.kill(worker)
                count += 1
            await asyncio.sleep(KILLS_APART if victims else 0.1)
        return count


async def watch(server: KilledServer, run: Run) -> None:
    """Note memory and workers until cancelled."""
    known, begun, due = set(workers(server.process.pid)), time.monotonic(), 0.0
    while True:
        now = set(workers(server.process.pid))
        run.lost += [time.monotonic() for gone in known - now if gone not in server.killed]
        known = now
        if time.monotonic() - begun >= due:
            look = await asyncio.to_thread(memory_mb, server.process.pid, server.process.pid)
            run.memory.append((time.monotonic() - begun, look[0]))
            due += LOOK_EVERY
        await asyncio.sleep(WATCH_EVERY)


async def honest_phase(server: Server, asked: Asks, seconds: float) -> Record:
    """Let honest clients ask on new connections for some seconds; return what they saw."""
    honest = Honest(server.port, asked)
    clients = asyncio.create_task(honest.run())
    await asyncio.sleep(seconds)
    honest.stop = True
    await clients
    return honest.record


async def become_whole(server: Server, asked: Asks, run: Run) -> None:
    """Wait until every worker has served; the record is of the time from then on."""
    deadline = time.monotonic() + WHOLE_WITHIN
    while time.monotonic() < deadline and server.process.poll() is None:
        before = own_seconds(server.process.pid)
        run.whole = await honest_phase(server, asked, 3.0)
        after = own_seconds(server.process.pid)
        now = workers(server.process.pid)
        work = [after.get(worker, 0.0) - before.get(worker, 1e9) for worker in now]
        if len(work) == WORKERS and min(work) > AT_WORK:
            run.is_whole = True
            return


async def attacked(
    run: Run, server: KilledServer, attack: "subprocess.Popen[str]", asked: Asks, args: Namespace
) -> None:
    """Go through the phases and note what is seen."""
    seconds = 60 * args.minutes
    await honest_phase(server, asked, WARM_UP)
    run.quiet = await honest_phase(server, asked, QUIET)
    tasks = [asyncio.create_task(watch(server, run))]
    tasks.append(asyncio.create_task(server.kill_every(args.kill_every)))
    before, begun = times(server.process.pid).machine, time.monotonic()
    finished = asyncio.create_task(asyncio.to_thread(attack.communicate, "go\n"))
    run.attacked = await honest_phase(server, asked, seconds)
    spent = times(server.process.pid).machine - before
    run.busy = spent / (time.monotonic() - begun) / (os.cpu_count() or 1)
    tasks[1].cancel()
    run.attack = json.loads((await finished)[0])
    clients = asyncio.create_task(honest_phase(server, asked, KILLED_WITHIN + 3))
    run.kills = await server.kill_again_and_again()
    run.killed = await clients
    tasks[0].cancel()
    await become_whole(server, asked, run)
    run.ended = server.process.poll() is not None


def unexpected(record: Record, kills: list[float]) -> list[tuple[float, str, str]]:
    """Return the honest requests that failed, but for those that a killed worker had in hand."""
    failures = []
    for at, form, outcome in record.failures + record.health_failures:
        excused = outcome == "broken off" and any(0 <= at - kill < AFTER_KILL for kill in kills)
        if not excused:
            failures.append((at, form, outcome))
    return failures


def is_flat(memory: list[tuple[float, float]]) -> bool:
    """Whether the last third of the readings is about as high as the first, the start left out."""
    sizes = [size for _, size in memory][1:]
    third = max(1, len(sizes) // 3)
    if not sizes:
        return True
    return statistics.median(sizes[-third:]) < GROWTH * statistics.median(sizes[:third]) + SPARE_MB


def promises(run: Run, kills: list[float]) -> dict[str, bool]:
    """Return what is promised, and whether it held."""
    p99, quiet_p99 = (percentile(record.seconds, 0.99) for record in (run.attacked, run.quiet))
    share, late = (0.99, LATE_IF_BUSY) if run.busy > ALL_BUSY else (1.0, LATE)
    met = Counter[str]()
    for counts in run.attack["outcomes"].values():
        met.update(counts)
    refused = set(run.attack["outcomes"].get("uploads in chunks", {})) - {"200", "cut off"}
    return {
        "the quiet server answers everything right": not run.quiet.failures,
        "honest requests are answered right while it is attacked": not unexpected(
            run.attacked, kills
        ),
        f"p99 of small requests is below {SLOWER} times the quiet one": p99 < SLOWER * quiet_p99,
        f"{share:.0%} of the health checks take at most {late * 1000:.0f} ms": percentile(
            run.attacked.probes, share
        )
        <= late,
        "forty uploads in chunks at once are all read": not refused,
        "the attack met no fault of the server's own": not any(
            fault in outcome for outcome in met for fault in OWN_FAULTS
        ),
        "no traceback in the log": "Traceback" not in run.log,
        "memory is flat": is_flat(run.memory),
        "no worker ended but those that were killed": not run.lost,
        f"a worker killed {run.kills} times within ten seconds does not end it": not run.ended
        and run.kills > 1
        and not unexpected(run.killed, kills),
        "and is whole: every worker serves": run.is_whole and not run.whole.failures,
    }


def describe(name: str, record: Record) -> None:
    """Print what the honest clients saw in a phase."""
    print(f"{name}: small {dict(record.small)}, large {dict(record.large)}")
    print(f"  answered 503 and asked again: {record.sent_away}")
    for what, seconds in (
        ("small", record.seconds),
        ("large", record.large_seconds),
        ("/healthz and /readyz", record.probes),
        ("this process woken late", record.own_lateness),
    ):
        figures = [f"{1000 * percentile(seconds, share):,.0f}" for share in (0.5, 0.99, 1)]
        late = sum(one > LATE for one in seconds)
        above = f", {late} of {len(seconds):,} above {1000 * LATE:.0f} ms"
        print(f"  {what}: ms at 50%, 99%, most: {', '.join(figures)}{above}")


def print_attack(attack: dict[str, Any]) -> None:
    """Print a table of what was sent and what came of it."""
    print(f"\n{'sent':<46}{'count':>9}  outcomes")
    for name, counts in sorted(attack["outcomes"].items()):
        outcomes = ", ".join(f"{outcome}: {count:,}" for outcome, count in sorted(counts.items()))
        print(f"{name:<46}{sum(counts.values()):>9,}  {outcomes}")
    print()


def report(run: Run, server: KilledServer) -> bool:
    """Print all that was seen; return whether every promise held."""
    print_attack(run.attack)
    describe("quiet", run.quiet)
    describe("attacked", run.attacked)
    describe(f"a worker killed {run.kills} times", run.killed)
    for name, seconds in run.attacked.health.items():
        print(f"  {name}: at most {1000 * max(seconds):,.0f} ms")
    failures = unexpected(run.attacked, server.kills)
    in_flood = sum(any(0 <= at - f < 3 for f in run.attack["floods"]) for at, _, _ in failures)
    print(f"honest requests failed while attacked: {len(failures)}, {in_flood} of them in floods")
    print(f"  {dict(Counter((form, outcome) for _, form, outcome in failures))}")
    by_minute: dict[int, list[float]] = {}
    for at, size in run.memory:
        by_minute.setdefault(int(at // 60) + 1, []).append(size)
    figures = {m: (round(statistics.median(x)), round(max(x))) for m, x in by_minute.items()}
    print("memory (PSS), MB by minute, median and most:", figures)
    print(f"cores: {os.cpu_count()}, {run.busy:.0%} busy while attacked")
    print(f"workers killed: {len(server.kills)}, lost otherwise: {len(run.lost)}\n")
    held = promises(run, server.kills)
    for promise, holds in held.items():
        print(f"{'holds' if holds else 'BROKEN':<8}{promise}")
    return all(held.values())


def main() -> int:
    """Run it; return the exit status."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long to attack")
    parser.add_argument("--connections", type=int, default=50, help="of the attack")
    parser.add_argument("--kill-every", type=float, default=0, help="seconds; 0: kill none before")
    args = parser.parse_args()
    adopt_orphans()
    asked, run = asks(), Run()
    with tempfile.TemporaryDirectory() as folder:
        server = KilledServer(Path(folder))
        attack = start_attack(server.port, 60 * args.minutes, args.connections)
        try:
            asyncio.run(attacked(run, server, attack, asked, args))
        finally:
            attack.kill()
            attack.wait()
            end(server.process, os.getpid())
        run.log = (Path(folder) / "log").read_text("utf-8", "replace")
        if "Traceback" in run.log:
            print(run.log[run.log.index("Traceback") :][:4000])
    print(f"left running: {descendants(os.getpid())}")
    return 0 if report(run, server) else 1


if __name__ == "__main__":
    sys.exit(main())
