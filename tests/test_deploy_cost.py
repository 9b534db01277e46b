"""What a million predictions cost: the arithmetic, and prices that say where they were read."""

from datetime import date

import pytest
from deploying import DEPLOY, cost

FILE, Price, of_a_million, prices = cost.FILE, cost.Price, cost.of_a_million, cost.prices
HERE = ("here", "https://example.org", date(2026, 1, 1))


def test_a_machine_costs_its_share_of_an_hour() -> None:
    machine = Price(*HERE, per_hour=0.36, cores=2)
    # A million of 7.2 ms are two hours of one core, one of both.
    assert of_a_million(machine, 0.0072, 99) == pytest.approx(0.36)


def test_a_request_is_billed_by_its_milliseconds_rounded_up() -> None:
    function = Price(*HERE, per_million_requests=0.2, per_gb_second=1e-5, memory_gb=2)
    assert of_a_million(function, 99, 0.0021) == pytest.approx(0.2 + 1e6 * 0.003 * 2e-5)


def test_a_short_request_is_billed_as_the_shortest() -> None:
    function = Price(*HERE, per_gb_second=1e-5, memory_gb=1, least_ms=100)
    assert of_a_million(function, 99, 0.002) == of_a_million(function, 99, 0.1)
    assert of_a_million(function, 99, 0.2) == pytest.approx(2 * of_a_million(function, 99, 0.1))


def test_an_instance_is_billed_by_its_core_and_the_memory_beside() -> None:
    shared = Price(
        *HERE, per_million_requests=0.4, per_core_second=1e-5, per_gb_second=1e-6, memory_gb=0.5
    )
    assert of_a_million(shared, 0.001, 99) == pytest.approx(0.4 + 1000 * 1.05e-5)


@pytest.mark.parametrize("name", prices())
def test_a_price_says_of_what_it_is_and_where_it_was_read(name: str) -> None:
    price = prices()[name]
    assert price.said
    assert "https://" in price.source
    assert date(2024, 1, 1) <= price.date <= date.today()
    assert of_a_million(price, 0.001, 0.001) > 0


def test_the_guide_tells_of_the_prices() -> None:
    guide = (DEPLOY.parent / "deployment_options.md").read_text("utf-8")
    assert f"deploy/{FILE.name}" in guide
