"""This server against its peers: requests a second, latency, processor, memory, start, size.

    python benchmarks/serving.py [--rounds 3] [--seconds 4] [--servers "this server,MLServer"]

Linux, two cores, and `wrk` (Debian's package). Every server runs the same decode, `enhanced` and
LiteRT, except for the naive original; each takes the picture in its quickest documented form. They
are measured by turns, one running at a time, in a closed loop over kept connections: a new request
follows an answer. Writes results/serving.json and .md, and docs/serving.png.
"""

import argparse
import concurrent.futures
import http.client
import io
import json
import math
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cold_start import free_port
from peer_servers import (
    NAIVE,
    OURS,
    PLACES,
    ROOT,
    SERVERS,
    Server,
    install,
    installed_mb,
    prepare,
    running,
)
from PIL import Image
from process_tree import cpu_seconds, memory

sys.path.insert(0, str(ROOT))
import config
import load_mnist_local
import utils
from classifier import Classifier

EIGHT = ROOT / "tests" / "pictures" / "eight.png"  # a drawing of 280x280
PICTURES = ("28x28", "280x280")
PATIENCE = 120  # seconds for a server to start
WARM = 1  # seconds of load before each measurement
CHECKED = 50  # answers that are looked at before and after each measurement
STARVED = 1.2  # by Little's law: how far connections and latency may be apart
Result = dict[str, Any]


def pictures() -> dict[str, tuple[bytes, int]]:
    """Return a test digit of 28x28 and a drawing of 280x280, as PNG, and what they show."""
    images = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_images"])
    labels = load_mnist_local.read_idx(config.DATA_DIR, config.DATA_FILES["test_labels"])
    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, "PNG")
    return {"28x28": (file.getvalue(), int(labels[0])), "280x280": (EIGHT.read_bytes(), 8)}


def ask(server: Server, port: int, picture: bytes) -> int | None:
    """Ask a server once; return the digit, or None if none came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Content-Type": server.kind}
        connection.request("POST", server.path, server.body(picture), headers)
        response = connection.getresponse()
        content = response.read()
        return server.digit(json.loads(content)) if response.status == 200 else None
    except (OSError, ValueError, KeyError, IndexError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wrk(server: Server, port: int, body: Path, connections: int, seconds: int) -> Result:
    """Load a server; return what wrk says."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30", "-s",
         str(ROOT / "benchmarks" / "load.lua"), f"http://127.0.0.1:{port}{server.path}", "--",
         str(body), server.kind],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(
    server: Server, port: int, mark: str, picture: bytes, digit: int, connections: int, seconds: int
) -> Result:
    """Return a server's figures for one picture and number of connections."""
    body = PLACES / "body"
    body.write_bytes(server.body(picture))
    wrk(server, port, body, connections, WARM)
    wrong = sum(ask(server, port, picture) != digit for _ in range(CHECKED))
    before = cpu_seconds(mark)
    found = wrk(server, port, body, connections, seconds)
    cpu = cpu_seconds(mark) - before
    wrong += sum(ask(server, port, picture) != digit for _ in range(CHECKED))
    answered = max(found["requests"], 1)
    rate = answered / found["seconds"]
    inside = rate * found["mean"]  # connections in use, by Little's law
    return {
        "requests a second": rate,
        "p50 ms": 1000 * found["p50"],
        "p99 ms": 1000 * found["p99"],
        "CPU µs": 1e6 * cpu / answered,
        "errors": found["errors"] + wrong,
        "starved": not connections / STARVED < inside < connections * STARVED,
    }


def take_turn(server: Server, asked: argparse.Namespace) -> Result:
    """Start a server, measure all that is asked for, and end it."""
    shown = pictures()
    found: Result = {}
    port, begun = free_port(), time.perf_counter()
    with running(server, port) as mark:
        small, digit = shown["28x28"]
        while ask(server, port, small) != digit:
            if time.perf_counter() - begun > PATIENCE:
                raise SystemExit(f"serving: {server.name} did not start, see results/.peers/*.log")
            time.sleep(0.02)
        found["start s"] = time.perf_counter() - begun
        time.sleep(1)  # workers beside the first may still be starting
        for name in PICTURES:
            for connections in asked.concurrency:
                found[f"{name} {connections}"] = measure(
                    server, port, mark, *shown[name], connections, asked.seconds
                )
            if name == "28x28":
                found["memory MB"], found["memory MB, RSS"] = memory(mark)
    return found


def loop(name: str, seconds: float) -> float:
    """Decode, prepare and answer a picture again and again; return how often a second."""
    picture, _ = pictures()[name]
    classifier = Classifier.load(config.MODEL_PATH)
    count, until = 0, time.perf_counter() + seconds + WARM
    while (now := time.perf_counter()) < until:
        if now < until - seconds:
            count = 0
        classifier.answer(utils.to_mnist_form(utils.decode(picture))[None])
        count += 1
    return count / seconds


def ceiling(seconds: float) -> dict[str, float]:
    """Return what both cores manage in a loop, without any server, a second."""
    cores = config.CORES
    with concurrent.futures.ProcessPoolExecutor(cores) as pool:
        return {name: sum(pool.map(loop, [name] * cores, [seconds] * cores)) for name in PICTURES}


def median(rounds: list[Result]) -> Result:
    """Return the medians of several rounds' results, of nested ones too."""
    found: Result = {}
    for key, first in rounds[0].items():
        values = [each[key] for each in rounds]
        if isinstance(first, dict):
            found[key] = median(values)
        elif isinstance(first, bool):
            found[key] = any(values)
        else:
            found[key] = max(values) if key == "errors" else statistics.median(values)
            if key == "requests a second":
                found["range"] = [min(values), max(values)]
    return found


def ratios(servers: dict[str, Result], most: dict[str, float]) -> list[str]:
    """Return in words how this server compares with the best of its peers."""
    ours, lines = servers[OURS], []
    peers = {name: found for name, found in servers.items() if name not in (OURS, NAIVE)}
    for setting in [key for key in ours if " " in key and isinstance(ours[key], dict)]:
        mine = ours[setting]
        if peers:
            rate = max(each[setting]["requests a second"] for each in peers.values())
            cpu = min(each[setting]["CPU µs"] for each in peers.values())
            p50, p99 = (
                min(each[setting][key] for each in peers.values()) for key in ("p50 ms", "p99 ms")
            )
            lines.append(
                f"{setting}: {mine['requests a second'] / rate:.2f} times the best peer's requests "
                f"a second, {cpu / mine['CPU µs']:.2f} times its requests a CPU second; p50 "
                f"{mine['p50 ms'] / p50:.2f}, p99 {mine['p99 ms'] / p99:.2f} of the best peer's"
            )
        if NAIVE in servers:
            naive = servers[NAIVE][setting]["requests a second"]
            lines.append(f"{setting}: {mine['requests a second'] / naive:.0f} times the naive one")
        share = mine["requests a second"] / most[setting.split()[0]]
        lines.append(f"{setting}: {share:.0%} of the in-process ceiling")
    return lines


def table(servers: dict[str, Result]) -> str:
    """Return the medians as Markdown."""
    settings = [key for key, each in servers[OURS].items() if isinstance(each, dict)]
    head = ["server", "picture, connections", "requests/s (range)", "p50 ms", "p99 ms"]
    head += ["CPU µs a request", "errors"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for setting in settings:
        for name, each in servers.items():
            found = each[setting]
            low, high = found["range"]
            cells = [
                name,
                setting.replace(" ", ", "),
                f"{found['requests a second']:,.0f} ({low:,.0f}-{high:,.0f})"
                + (" *" if found["starved"] else ""),
                f"{found['p50 ms']:.2f}",
                f"{found['p99 ms']:.1f}",
                f"{found['CPU µs']:,.0f}",
                f"{found['errors']:,.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "\\* Little's law does not hold within a fifth: some connections starved.", ""]
    head = ["server", "start to first right answer, s", "memory, MB (RSS summed)", "installed, MB"]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [
        f"| {name} | {each['start s']:.2f} | {each['memory MB']:.0f} "
        f"({each['memory MB, RSS']:.0f}) | {each['installed MB']:.0f} |"
        for name, each in servers.items()
    ]
    return "\n".join(lines) + "\n"


def plot(servers: dict[str, Result], path: Path) -> None:
    """Draw requests a second and p99 by connections."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.5), sharex=True)
    for column, picture in enumerate(PICTURES):
        for row, key in enumerate(("requests a second", "p99 ms")):
            axis = axes[row][column]
            for name, each in servers.items():
                points = {
                    int(setting.split()[1]): found[key]
                    for setting, found in each.items()
                    if setting.startswith(f"{picture} ")
                }
                bold = {"linewidth": 2.5, "zorder": 3} if name == OURS else {"linewidth": 1.2}
                axis.plot(list(points), list(points.values()), marker="o", label=name, **bold)
            axis.set_xscale("log", base=4)
            axis.set_yscale("log")
            axis.set_xticks(list(points), [str(count) for count in points])
            axis.set_title(f"{picture}: {key}", fontsize=10)
            axis.grid(alpha=0.3, which="both")
    for axis in axes[1]:
        axis.set_xlabel("connections")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=math.ceil(len(labels) / 2))
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    with utils.atomic_path(path) as aside:
        figure.savefig(aside, dpi=110)


def main() -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--servers", default="", help="names, commas between them; all by default")
    parser.add_argument("--concurrency", default="1,16,64", help="numbers of connections")
    asked = parser.parse_args()
    asked.concurrency = [int(number) for number in asked.concurrency.split(",")]
    if shutil.which("wrk") is None:
        print("serving: wrk is not there: install it, as by apt-get install wrk", file=sys.stderr)
        return 1
    names = [name.strip() for name in asked.servers.split(",")] if asked.servers else []
    chosen = [each for each in SERVERS if not names or each.name in (*names, OURS)]
    PLACES.mkdir(parents=True, exist_ok=True)
    for server in chosen:
        install(server)
        prepare(server)
    most = ceiling(asked.seconds)
    rounds: dict[str, list[Result]] = {server.name: [] for server in chosen}
    for number in range(asked.rounds):
        for server in chosen:
            rounds[server.name].append(take_turn(server, asked))
            print(f"round {number + 1}: {server.name} measured", flush=True)
    servers = {name: median(found) for name, found in rounds.items()}
    for server in chosen:
        servers[server.name]["installed MB"] = installed_mb(server)
    said = {"ceiling": most, "servers": servers, "ratios": ratios(servers, most)}
    for name, content in (("json", json.dumps(said, indent=1)), ("md", table(servers))):
        with utils.atomic_path(ROOT / "results" / f"serving.{name}") as aside:
            aside.write_text(content, "utf-8")
    print(table(servers), *ratios(servers, most), f"ceiling: {most}", sep="\n")
    if len(asked.concurrency) > 1:
        plot(servers, ROOT / "docs" / "serving.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
