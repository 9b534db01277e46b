"""The rate limit: a client's requests are counted, whichever worker has them."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from api_server import EIGHT, ask, start, wait_until_ready
from conftest import free_port
from flask.testing import FlaskClient
from stub_reader import stub_app

import config
from api import guard
from api.shared_counts import SharedStorage


def asked(client: FlaskClient, times: int, **headers: str) -> list[int]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [client.get("/model", headers=named).status_code for _ in range(times)]


class TestLimit:
    def test_beyond_it_a_client_is_told_when_to_come_back(self) -> None:
        client = stub_app(rate_limit="3/hour").test_client()
        assert asked(client, 4) == [200, 200, 200, 429]
        refused = client.post("/predict", data=EIGHT, content_type="image/png")
        assert refused.status_code == 429
        assert 3500 < int(refused.headers["Retry-After"]) <= 3601
        assert refused.content_type == "application/problem+json"
        assert "more than 3 requests per hour" in json.loads(refused.get_data())["detail"]

    def test_in_the_next_window_it_is_answered_again(self) -> None:
        client = stub_app(rate_limit="2/second").test_client()
        time.sleep(1 - time.time() % 1)
        assert asked(client, 3) == [200, 200, 429]
        time.sleep(1.1)
        assert asked(client, 1) == [200]

    @pytest.mark.parametrize("path", guard.OPEN)
    def test_health_is_not_counted(self, path: str) -> None:
        client = stub_app(rate_limit="1/hour").test_client()
        assert {client.get(path).status_code for _ in range(5)} == {200}
        assert asked(client, 2) == [200, 429]

    def test_keys_cannot_be_tried_out_beyond_it(self) -> None:
        client = stub_app(rate_limit="3/hour", api_key="k").test_client()
        assert asked(client, 4, Authorization="Bearer x") == [401, 401, 401, 429]

    def test_clients_are_counted_each(self) -> None:
        client = stub_app(rate_limit="1/hour").test_client()
        for address in ("10.0.0.1", "10.0.0.2"):
            client.environ_base["REMOTE_ADDR"] = address
            assert asked(client, 2) == [200, 429]

    def test_none_is_the_default(self) -> None:
        assert set(asked(stub_app().test_client(), 50)) == {200}


class TestProxies:
    def test_a_client_cannot_name_itself(self) -> None:
        client = stub_app(rate_limit="1/hour").test_client()
        assert asked(client, 1, X_Forwarded_For="1.1.1.1") == [200]
        assert asked(client, 1, X_Forwarded_For="2.2.2.2") == [429]

    def test_behind_one_its_word_counts_and_no_other(self) -> None:
        client = stub_app(rate_limit="1/hour", proxies=1).test_client()
        assert asked(client, 2, X_Forwarded_For="1.1.1.1") == [200, 429]
        assert asked(client, 1, X_Forwarded_For="2.2.2.2") == [200]
        assert asked(client, 1, X_Forwarded_For="9.9.9.9, 2.2.2.2") == [429]


@pytest.mark.parametrize("text", ["5", "0/minute", "-1/minute", "5 per minute", "5/fortnight"])
def test_a_malformed_limit_is_refused(text: str) -> None:
    with pytest.raises(config.ConfigError, match="MNIST_RATE_LIMIT"):
        config.settings({"MNIST_RATE_LIMIT": text})


def test_proxies_are_none_or_a_few() -> None:
    assert config.settings({"MNIST_PROXIES": "0"}).proxies == 0
    with pytest.raises(config.ConfigError, match="whole number from 0 to 16"):
        config.settings({"MNIST_PROXIES": "17"})


class TestSharedCounts:
    def test_two_that_share_a_file_count_together(self, tmp_path: Path) -> None:
        one, other = (SharedStorage(tmp_path / "counts") for _ in range(2))
        assert [each.incr("a", 60) for each in (one, other, one)] == [1, 2, 3]
        assert other.get("a") == 3
        assert other.get_expiry("a") == pytest.approx(time.time() + 60, abs=5)
        assert (one.get("b"), one.check()) == (0, True)
        other.clear("a")
        assert one.get("a") == 0

    def test_a_count_ends_with_its_time(self, tmp_path: Path) -> None:
        counts = SharedStorage(tmp_path / "counts")
        counts.incr("a", 0)
        assert counts.get("a") == 0
        assert counts.incr("a", 60) == 1
        assert counts.reset() == 1


@pytest.mark.slow
def test_all_workers_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MNIST_RATE_LIMIT", "12/hour")
    port = free_port()
    process: subprocess.Popen[str] = start(port, "--workers", "3")
    try:
        wait_until_ready(process, port)
        statuses = [ask(port, EIGHT)[0] for _ in range(20)]  # each on a new connection
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert statuses == [200] * 12 + [429] * 8
