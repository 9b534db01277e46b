"""The arithmetic of the serving benchmark: medians, ratios, and the tables in Markdown.

A result is {"machine", "settings", "servers": {name: {"title", "settings", "installed_mb",
"turns": [...]}}, "ceiling": [...]}; a turn is {"cold_start_s", "pss_mb", "rss_mb", "loads":
{picture: {concurrency: {"rps", "p50_ms", …}}}}, with one turn a round.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]
OURS, NAIVE = "ours", "naive"
RATES = {"rps": "requests a second", "per_cpu": "requests a CPU second"}
TIMES = {"p50_ms": "p50", "p99_ms": "p99"}


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and their range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"


@dataclass(frozen=True)
class Ratio:
    """This server's figure against another's: for times below 1 is better, for rates above."""

    measure: str
    picture: str
    concurrency: str
    other: str
    ours: float
    theirs: float

    @property
    def value(self) -> float:
        return self.ours / self.theirs if self.theirs else float("nan")


def others(result: Result) -> float:
    """Return the most cores that other programs took on average during a load."""
    return max(
        (
            load["others"]
            for server in result["servers"].values()
            for picture, n in kinds(result)
            for load in loads(server, picture, n)
        ),
        default=0.0,
    )


def number(value: float) -> str:
    """Return a figure with three significant digits, none below the point above 100."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the range; not of nothing."""
    return Spread(statistics.median(values), min(values), max(values))


def loads(server: Result, picture: str, concurrency: str) -> list[Result]:
    """Return a server's figures for one kind of load, one a round."""
    return [turn["loads"][picture][concurrency] for turn in server["turns"]]


def figure(server: Result, picture: str, concurrency: str, key: str) -> Spread:
    """Return one figure of one kind of load; `per_cpu` is 1 over the CPU time a request."""
    found = loads(server, picture, concurrency)
    if key == "per_cpu":
        return spread([1e6 / load["cpu_us"] if load["cpu_us"] else 0.0 for load in found])
    return spread([load[key] for load in found])


def sound(server: Result, picture: str, concurrency: str) -> bool:
    """Whether every request of this kind of load was answered rightly."""
    return not any(load["errors"] for load in loads(server, picture, concurrency))


def kinds(result: Result) -> list[tuple[str, str]]:
    """Return all pairs of picture and concurrency that were measured."""
    for server in result["servers"].values():
        for turn in server["turns"]:
            return [(picture, n) for picture, some in turn["loads"].items() for n in some]
    return []


def best_peer(result: Result, picture: str, concurrency: str, key: str) -> str | None:
    """Return the peer, but for the naive original, that is best at this without an error."""
    peers = {
        name: figure(server, picture, concurrency, key).median
        for name, server in result["servers"].items()
        if name not in (OURS, NAIVE) and sound(server, picture, concurrency)
    }
    if not peers:
        return None
    return (max if key in RATES else min)(peers, key=peers.__getitem__)


def ratios(result: Result) -> list[Ratio]:
    """Return this server's figures over the best peer's, the naive original's, the ceiling's."""
    servers, found = result["servers"], []
    if OURS not in servers:
        return []
    for picture, n in kinds(result):
        for key, name in (RATES | TIMES).items():
            ours = figure(servers[OURS], picture, n, key).median
            best = best_peer(result, picture, n, key)
            for other in (best, NAIVE):
                if other in servers:
                    theirs = figure(servers[other], picture, n, key).median
                    found.append(Ratio(name, picture, n, servers[other]["title"], ours, theirs))
        if result["ceiling"]:
            top = ceiling(result, picture, "rps").median
            ours = figure(servers[OURS], picture, n, "rps").median
            found.append(Ratio(RATES["rps"], picture, n, "ceiling", ours, top))
    return found


def ceiling(result: Result, picture: str, key: str) -> Spread:
    """Return a figure of the ceiling, of all cores together."""
    return spread([turn["loads"][picture][key] for turn in result["ceiling"]])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right of the first column."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def load_table(result: Result, picture: str, concurrency: str) -> str:
    """Return how the servers answered one kind of load."""
    heads = ["server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "errors", "Little"]
    rows = []
    for server in result["servers"].values():
        found = loads(server, picture, concurrency)
        keys = ("rps", "p50_ms", "p99_ms", "cpu_us")
        figures = [str(figure(server, picture, concurrency, key)) for key in keys]
        late = sum(load["starved"] for load in found)
        errors = str(sum(load["errors"] for load in found))
        rows.append([server["title"], *figures, errors, f"off in {late}" if late else "holds"])
    if result["ceiling"]:
        figures = [str(ceiling(result, picture, key)) for key in ("rps", "cpu_us")]
        rows.append(["ceiling, in process", figures[0], "", "", figures[1], "", ""])
    return table(heads, rows)


def standing_table(result: Result) -> str:
    """Return what each server takes before and beside its answers, and how it was set."""
    heads = ["server", "first right answer s", "PSS MB", "RSS MB", "installed MB"]
    rows = []
    for server in result["servers"].values():
        keys = ("cold_start_s", "pss_mb", "rss_mb")
        figures = [str(spread([turn[key] for turn in server["turns"]])) for key in keys]
        rows.append([server["title"], *figures, number(server["installed_mb"])])
    return table(heads, rows)


def ratio_lines(result: Result) -> list[str]:
    """Return the ratios, one a line."""
    return [
        f"{ratio.picture}, {ratio.concurrency:>3} connections: {ratio.measure}, "
        f"{number(ratio.ours)}: {number(ratio.value)} of {ratio.other}'s {number(ratio.theirs)}"
        for ratio in ratios(result)
    ]


def markdown(result: Result) -> str:
    """Return all tables, with what they depend on."""
    machine, settings = result["machine"], result["settings"]
    parts = [
        "# Serving, side by side",
        f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}; medians "
        f"(ranges) of {settings['rounds']} rounds of {settings['seconds']} s a load. A closed loop "
        "over connections that are kept, from the same machine, of which other programs took at "
        f"most {others(result):.2f} cores during a load. `python benchmarks/serving.py`",
    ]
    for picture, n in kinds(result):
        parts += [f"## {picture}, {n} connections", load_table(result, picture, n)]
    parts += ["## Start, memory after the 28x28 loads, packages", standing_table(result)]
    parts += ["## Settings"]
    parts += ["\n".join(f"- {x['title']}: {x['settings']}" for x in result["servers"].values())]
    if result["failed"]:
        parts += ["## Failed", "\n".join(f"- {text}" for text in result["failed"])]
    lines = ratio_lines(result)
    if lines:
        parts += ["## This server against the best peer, the naive original and the ceiling"]
        parts += ["\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"
