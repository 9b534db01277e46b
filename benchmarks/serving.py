"""This server against its peers: one machine, one run, the same model and pictures.

    python benchmarks/serving.py [--servers ours,mlserver] [--rounds 3] [--seconds 3]
                                 [--concurrency 1,16,64]

Each server is started alone for its turn, by turns in every round: the time to its first right
answer; then, for digits of 28x28 and drawings of 280x280, a closed loop of requests over
connections that are kept (wrk, on the same machine), with answers checked before and after. Beside
them the ceiling: the same reading in a loop, one process a core. NAME@N gives a peer N workers.

All of it writes results/serving.json and .md and docs/serving.png; a part of it
results/serving_part.*; --report draws the last whole run anew. Linux only.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "benchmarks"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

import environments  # noqa: E402
import load  # noqa: E402
import private_network  # noqa: E402
import process_tree  # noqa: E402
import serving_figures  # noqa: E402
import serving_plot  # noqa: E402
import serving_turn  # noqa: E402
from peer_servers import SERVERS, Ports, folder, installed, variables  # noqa: E402

import utils  # noqa: E402

CONCURRENCY = (1, 16, 64)
CEILING = "ceiling"
RESULT, PART = ROOT / "results" / "serving", ROOT / "results" / "serving_part"
PLOT = ROOT / "docs" / "serving.png"
EXPOSED = "it opens ports to all: it is started only as root, in a network of its own"


def prepare(chosen: dict[str, int]) -> dict[str, Any]:
    """Install what is chosen; return what the figures' reader should know of each."""
    told = {}
    for name, workers in chosen.items():
        server = SERVERS[name]
        if server.package:
            environments.prepare(server.package)
        shutil.rmtree(folder(name), ignore_errors=True)
        folder(name).mkdir(parents=True)
        if server.before:
            done = subprocess.run(
                [str(environments.home(server.package) / "bin" / "python"), *server.before],
                cwd=folder(name),
                env=variables(name, Ports(0, 0, 0), workers),
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise serving_turn.ServingError(
                    f"{name} cannot be made ready: {done.stderr[-1000:]}"
                )
        version, size = installed(name)
        told[name] = {
            "title": f"{server.title} {version}".strip(),
            "settings": server.settings + (f"; workers: {workers}" if workers else ""),
            "installed_mb": size,
            "turns": [],
        }
    return told


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def selection(text: str) -> dict[str, int]:
    """Return the servers that a list names, each with its workers; "ceiling" has none."""
    chosen = {}
    for part in text.split(","):
        name, _, workers = part.strip().partition("@")
        if name not in (*SERVERS, CEILING) or not (workers.isdigit() or not workers):
            known = ", ".join((*SERVERS, CEILING))
            raise argparse.ArgumentTypeError(f"{part!r} is not a server: choose from {known}")
        own = SERVERS[name].workers if name in SERVERS else 0
        if workers and not (name in SERVERS and SERVERS[name].package):
            raise argparse.ArgumentTypeError(f"{name} takes no number of workers")
        chosen[name] = int(workers or own)
    return chosen


def counts(text: str) -> tuple[int, ...]:
    """Return the numbers of connections that a list names."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers of 1 or more, such as 1,16,64")
    return tuple(sorted(set(map(int, parts))))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="serving.py",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    everything = ",".join((*SERVERS, CEILING))
    add = parser.add_argument
    add("--servers", type=selection, default=everything, help="which, with commas between")
    add("--rounds", type=int, default=3, help="how often each has its turn")
    add("--seconds", type=int, default=3, help="of each load")
    text = ",".join(map(str, CONCURRENCY))
    add("--concurrency", type=counts, default=text, help="numbers of connections")
    add("--report", action="store_true", help="measure nothing: write the last whole run anew")
    args = parser.parse_args(argv)
    if args.rounds < 1 or args.seconds < 1:
        parser.error("--rounds and --seconds must be 1 or more")
    return args


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Give every server its turn in every round; return all figures."""
    if not shutil.which("wrk"):
        raise load.LoadError(load.WRK_MISSING)
    process_tree.adopt_orphans()
    chosen = {name: workers for name, workers in args.servers.items() if name != CEILING}
    result: dict[str, Any] = {
        "machine": machine(),
        "settings": {"rounds": args.rounds, "seconds": args.seconds},
        "servers": prepare(chosen),
        CEILING: [],
        "failed": [],
    }
    alone = private_network.enter()  # after the installing
    pictures = serving_turn.all_pictures()
    for number in range(1, args.rounds + 1):
        for name, workers in args.servers.items():
            print(f"serving: round {number} of {args.rounds}: {name}", flush=True)
            try:
                if name == CEILING:
                    result[CEILING].append(serving_turn.ceiling(pictures, args.seconds))
                elif SERVERS[name].exposed and not alone:
                    raise serving_turn.ServingError(EXPOSED)
                else:
                    result["servers"][name]["turns"].append(
                        serving_turn.turn(name, workers, pictures, args.concurrency, args.seconds)
                    )
            except (serving_turn.ServingError, load.LoadError) as fault:
                print(f"serving: {fault}", file=sys.stderr)  # and the others go on
                result["failed"].append(f"round {number}, {name}: {str(fault).splitlines()[0]}")
    result["servers"] = {name: one for name, one in result["servers"].items() if one["turns"]}
    return result


def write(result: dict[str, Any], stem: Path, plot: Path) -> None:
    """Write a result as JSON and as tables, and draw it; each file whole or not at all."""
    text = serving_figures.markdown(result)
    for suffix, content in ((".json", json.dumps(result, indent=1) + "\n"), (".md", text)):
        with utils.atomic_path(stem.with_suffix(suffix)) as aside:
            aside.write_text(content, "utf-8")
    if result["servers"]:
        serving_plot.draw(result, plot)
    print(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; return the exit status."""
    args = arguments(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way the server is ended
    try:
        if args.report:
            result = json.loads(RESULT.with_suffix(".json").read_text("utf-8"))
            whole = True
        else:
            result = measure(args)
            names = {*result["servers"], *([CEILING] if result[CEILING] else [])}
            whole = names == {*SERVERS, CEILING} and args.concurrency == CONCURRENCY
            whole = whole and not result["failed"]
        write(result, *((RESULT, PLOT) if whole else (PART, PART.with_suffix(".png"))))
    except (
        environments.InstallError,
        load.LoadError,
        serving_turn.ServingError,
        OSError,
    ) as fault:
        print(f"serving: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("serving: stopped; nothing is written", file=sys.stderr)
        return 130
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
