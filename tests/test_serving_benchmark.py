"""The arithmetic of benchmarks/serving.py: medians, ratios to the best peer, the table."""

import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
serving = pytest.importorskip("serving", reason="it reads /proc and CPU affinity, as on Linux")


def measured(rate: float, cpu: float, latency: float, errors: int = 0) -> dict:
    figures = {"requests a second": rate, "CPU µs": cpu, "p50 ms": latency, "p99 ms": 2 * latency}
    return {
        "28x28 16": figures | {"errors": errors, "starved": False},
        "start s": latency,
        "memory MB": 100.0,
        "memory MB, RSS": 200.0,
    }


def test_medians_are_of_each_figure_and_no_error_is_lost() -> None:
    rounds = [measured(rate, 10, rate) for rate in (5.0, 1.0, 3.0)]
    rounds[1]["28x28 16"] |= {"errors": 2, "starved": True}
    found = serving.median(rounds)
    assert found["28x28 16"]["requests a second"] == 3
    assert found["28x28 16"]["range"] == [1, 5]
    assert (found["28x28 16"]["errors"], found["28x28 16"]["starved"]) == (2, True)
    assert found["start s"] == 3


def test_ratios_are_to_the_best_peer_in_each_figure() -> None:
    servers = {
        serving.OURS: serving.median([measured(300, 200, 4)]),
        serving.NAIVE: serving.median([measured(3, 9000, 400)]),
        "quick": serving.median([measured(150, 900, 10)]),
        "lean": serving.median([measured(50, 500, 8)]),
    }
    best, naive, share = serving.ratios(servers, {"28x28": 600.0})
    assert "2.00 times the best peer's requests a second" in best
    assert "2.50 times its requests a CPU second" in best
    assert "p50 0.50, p99 0.50 of the best peer's" in best
    assert "100 times the naive one" in naive
    assert "50% of the in-process ceiling" in share
    for found in servers.values():
        found["installed MB"] = 1.0
    table = serving.table(servers)
    assert "| lean | 28x28, 16 | 50 (50-50) | 8.00 | 16.0 | 500 | 0 |" in table
    assert "| quick | 10.00 | 100 (200) | 1 |" in table
