"""What a million predictions cost: arithmetic with measured times and the prices of prices.toml."""

import math
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "prices.toml"
MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """One platform's prices in US dollars, where they were read, and of which date they are.

    Either of a machine by the hour, with so many cores; or of requests, of a GB of memory and of
    a core by the second. least_ms: the shortest duration that a request is billed for.
    """

    said: str
    source: str
    date: date
    per_hour: float = 0.0
    cores: int = 1
    per_million_requests: float = 0.0
    per_gb_second: float = 0.0
    memory_gb: float = 0.0
    per_core_second: float = 0.0
    least_ms: int = 1


def prices() -> dict[str, Price]:
    """Return the prices of every platform by its name."""
    return {name: Price(**given) for name, given in tomllib.loads(FILE.read_text("utf-8")).items()}


def of_a_million(price: Price, core_seconds: float, seconds: float) -> float:
    """Return the dollars that a million predictions cost.

    core_seconds: of the processor, one prediction; seconds: its duration when asked alone. What
    is billed by the core is taken to be kept busy; what is billed by the request, by its duration.
    """
    if price.per_hour:
        return MILLION * core_seconds / price.cores * price.per_hour / 3600
    if price.per_core_second:
        second = price.per_core_second + price.memory_gb * price.per_gb_second
        return price.per_million_requests + MILLION * core_seconds * second
    billed = max(price.least_ms, math.ceil(1000 * seconds)) / 1000
    second = price.memory_gb * price.per_gb_second
    return price.per_million_requests + MILLION * billed * second
