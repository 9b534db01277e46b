"""The serving benchmark's arithmetic: wrk's latencies, Little's law, medians, ratios, tables."""

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import load  # noqa: E402
import process_tree  # noqa: E402
import serving  # noqa: E402
import serving_figures as figures  # noqa: E402
from environments import required  # noqa: E402
from peer_servers import SERVERS  # noqa: E402

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def filled_in(true: dict[int, int], interval: int) -> dict[int, int]:
    """Do what wrk does: in ascending order, add what a steady stream would have met in a pause."""
    counts = dict(true)
    for latency in sorted(true):
        added = latency - interval
        while latency >= 2 * interval and added > interval:
            counts[added] = counts.get(added, 0) + true[latency]
            added -= interval
    return counts


@pytest.mark.parametrize(
    "true",
    [
        {100: 5, 110: 3},
        {90: 50, 100: 40, 1000: 2, 799: 1},
        {1: 1, 200: 2, 201: 1, 301: 1, 400: 3, 700: 1},
    ],
)
def test_what_wrk_fills_in_is_taken_back(true: dict[int, int]) -> None:
    filled = filled_in(true, 100)
    assert load.measured_only(filled, sum(true.values()), 100) == true


def test_latencies_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(load.LoadError, match="9 latencies of 8 answers"):
        load.measured_only({50: 9}, 8, 100)


def printed(answers: int, latencies: dict[int, int], errors: str = "0\t0\t0\t0\t0") -> str:
    pairs = " ".join(f"{latency}:{count}" for latency, count in latencies.items())
    return f"Running 2s test\nload\t{answers}\t2000000\t{errors}\nlatencies\t{pairs}\n"


def test_what_wrk_printed_is_read() -> None:
    found = load.parse(printed(100, {19_000: 50, 21_000: 50}, "1\t2\t3\t10\t0"), 1)
    assert (found.answers, found.refused, found.errors) == (100, 10, 16)
    assert found.rate == 45
    assert found.mean_ms == 20
    assert not load.starved(1, found)


def test_an_answer_too_late_counts_as_an_error_without_a_latency() -> None:
    found = load.parse(printed(3, {1000: 2}, "0\t0\t0\t0\t1"), 1)
    assert (found.errors, found.latencies) == (1, {1000: 2})


@pytest.mark.parametrize("text", ["", "load\tx\nlatencies\t", "load\t1\t2\t0\t0\t0\t0\t0\n"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(load.LoadError):
        load.parse(text, 1)


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 1), (51, 2), (99, 9), (100, 40)])
def test_percentiles_are_of_the_answers(percent: float, expected: float) -> None:
    latencies = {40_000: 1, 1000: 50, 9000: 9, 2000: 40}
    assert load.percentile_ms(latencies, percent) == expected


def test_starved_connections_are_noticed() -> None:
    """Ten connections of which five never get an answer: the five wait half as long as ten."""
    fair = load.Load(1000, 0, 0, 1.0, {10_000: 1000})
    half = load.Load(1000, 0, 0, 1.0, {5_000: 1000})
    assert [load.starved(10, one) for one in (fair, half)] == [False, True]


def test_a_slow_server_is_loaded_until_each_connection_has_its_answers() -> None:
    assert load.long_enough(3, 64, 1000) == 3
    assert load.long_enough(3, 64, 16) == 12
    assert load.long_enough(3, 64, 0.1) == load.long_enough(3, 64, 0) == load.LONGEST
    with pytest.raises(load.LoadError, match="no answer came within 2 s"):
        load.parse(printed(0, {}), 64)


def turn(rps: float, cpu_us: float = 500, p99_ms: float = 9, errors: int = 0) -> dict[str, Any]:
    found = {"rps": rps, "cpu_us": cpu_us, "p50_ms": 4.0, "p99_ms": p99_ms, "errors": errors}
    loads = {"28x28": {"16": found | {"starved": False, "others": 0.05}}}
    return {"cold_start_s": 1.0, "pss_mb": 50.0, "rss_mb": 60.0, "loads": loads}


@pytest.fixture
def result() -> dict[str, Any]:
    servers = {
        "ours": [turn(900, 400, 8), turn(1200, 500, 6), turn(1000, 600, 7)],
        "naive": [turn(10, 90_000, 2000)],
        "quick": [turn(500, 800, 28), turn(600, 900, 35)],
        "thrifty": [turn(100, 100, 14)],
        "broken": [turn(5000, 10, 1, errors=1)],
    }
    told = {"settings": "its own", "installed_mb": 12.3}
    return {
        "machine": {"processor": "P", "cores": 2, "python": "3.11"},
        "settings": {"rounds": 3, "seconds": 1},
        "servers": {
            name: {"title": name.title(), "turns": turns, **told} for name, turns in servers.items()
        },
        "failed": ["round 2, quick: it fell over"],
        "ceiling": [{"loads": {"28x28": {"rps": 2000.0, "cpu_us": 300.0}}}],
    }


def test_medians_and_ranges_are_over_the_rounds(result: dict[str, Any]) -> None:
    ours = result["servers"]["ours"]
    assert figures.figure(ours, "28x28", "16", "rps") == figures.Spread(1000, 900, 1200)
    assert figures.figure(ours, "28x28", "16", "per_cpu").median == 2000
    assert str(figures.spread([1.234, 56.78, 1234.5])) == "56.8 (1.23–1,234)"


def test_ratios_are_to_the_best_sound_peer_to_the_naive_and_to_the_ceiling(
    result: dict[str, Any],
) -> None:
    found = {(x.measure, x.other): x.value for x in figures.ratios(result)}
    assert found["requests a second", "Quick"] == 1000 / 550
    assert found["requests a CPU second", "Thrifty"] == 2000 / 10_000
    assert found["p99", "Thrifty"] == 7 / 14
    assert found["requests a second", "Naive"] == 100
    assert found["requests a second", "ceiling"] == 0.5
    assert not [other for _, other in found if other == "Broken"]


def test_the_tables_hold_every_server_and_tell_errors(result: dict[str, Any]) -> None:
    text = figures.markdown(result)
    assert "| Ours | 1,000 (900–1,200) |" in text
    assert "| Broken | 5,000 (5,000–5,000) |" in text
    assert "ceiling, in process" in text
    assert "at most 0.05 cores" in text
    assert "## Failed\n\n- round 2, quick: it fell over" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| Broken | 5,000"))
    assert line.endswith("| 1 | holds |")


def test_without_this_server_there_are_tables_but_no_ratios(result: dict[str, Any]) -> None:
    del result["servers"]["ours"]
    assert figures.ratios(result) == []
    assert "Quick" in figures.markdown(result)


def test_servers_are_chosen_by_name_and_workers() -> None:
    assert serving.selection("ours,mlserver@2,ceiling") == {"ours": 0, "mlserver": 2, "ceiling": 0}
    for wrong in ("other", "mlserver@x", "ours@2", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            serving.selection(wrong)


@pytest.mark.parametrize("name", sorted({x.package for x in SERVERS.values()} - {""}))
def test_every_peer_has_our_libraries_pinned(name: str) -> None:
    """So that only the serving differs."""
    pins = (ROOT / "benchmarks" / "peers" / f"{name}.txt").read_text("utf-8").splitlines()
    assert name in required(ROOT / "benchmarks" / "peers" / f"{name}.txt")
    ours = (ROOT / "requirements-serve.txt").read_text("utf-8").splitlines()
    for shared in ("numpy==", "pillow==", "ai-edge-litert==", "backports.strenum=="):
        (pin,) = (line.split()[0] for line in ours if line.startswith(shared))
        assert pin in pins


BUSY = "import sys, time\nwhile time.process_time() < 0.15: pass\nsys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}])"


@LINUX
def test_the_time_and_memory_of_children_count() -> None:
    code = f"{PARENT}.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        deadline = time.monotonic() + 20
        while process_tree.cpu_seconds(parent.pid) < 0.1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process_tree.cpu_seconds(parent.pid) >= 0.1
        assert len(process_tree.descendants(parent.pid)) == 1
        shared, resident = process_tree.memory_mb(parent.pid)
        assert 1 < shared <= resident


@LINUX
def test_what_a_server_leaves_behind_is_ended_too() -> None:
    code = f"""
import os, subprocess, sys, time
import process_tree
process_tree.adopt_orphans()
server = subprocess.Popen([sys.executable, "-c", {PARENT!r}], stdin=subprocess.PIPE)
server.wait()
print(len(process_tree.descendants(os.getpid())))
process_tree.end(server, os.getpid())
print(len(process_tree.descendants(os.getpid())))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["1", "0"], done.stderr


@LINUX
def test_in_a_private_network_there_is_only_the_own_machine() -> None:
    code = """
import socket
import private_network
if not private_network.enter():
    raise SystemExit("not allowed")
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), 5).close()
print([name for _, name in socket.if_nameindex() if name != "lo"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.stderr.strip() == "not allowed":
        pytest.skip("only root may make a network")
    assert not [name for name in ast.literal_eval(done.stdout) if name.startswith(("e", "w"))]
