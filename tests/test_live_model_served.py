"""Swaps as a client and Prometheus see them: in `/readyz` and `/metrics`, with several workers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from api_server import EIGHT, ask, start, wait_until_ready
from conftest import free_port
from shipped_variants import copy, version, write_shipped, write_variant
from stub_reader import counted

import config
import keras_runtime
import litert_runtime
from api.app import create_app
from api.live_model import LiveModel

pytestmark = pytest.mark.skipif(
    not litert_runtime.installed(), reason="LiteRT has no package for this machine"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_shipped(tmp_path / "models")


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    return write_variant(tmp_path / "variant")


def test_swaps_are_counted_and_a_refusal_is_shown(
    model: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_runtime, "installed", lambda: False)  # as in the API's image
    live = LiveModel(model)
    client, first = create_app(live, config.Settings()).test_client(), live().version
    assert client.get("/readyz").get_json() == {"status": "ready", "model": first}
    samples = counted(client)
    assert samples["mnist_model_swaps_total", "taken"] == 0
    assert samples["mnist_model_swaps_total", "refused"] == 0
    assert samples["mnist_model_workers", first] == 1

    copy(variant, model, (0, 1))
    for _ in range(2):
        live.look()
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["model"] == first
    assert ready.get_json()["refused"].startswith("mnist_cnn.litert.tflite was made from")

    copy(variant, model, (2, 3))
    second = version(variant)
    for _ in range(2):
        live.look()
    assert client.get("/readyz").get_json() == {"status": "ready", "model": second}
    samples = counted(client)
    assert samples["mnist_model_swaps_total", "taken"] == 1
    assert samples["mnist_model_swaps_total", "refused"] == 1
    assert samples["mnist_model_workers", first] == 0
    assert samples["mnist_model_workers", second] == 1


@pytest.fixture
def served(model: Path) -> Iterator[int]:
    """The script with two workers, and its port."""
    port = free_port()
    process = start(port, "--workers", "2", "--model", str(model))
    try:
        wait_until_ready(process, port)
        yield port
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert "Traceback" not in output
    assert output.count("answers now, in place of") == 2  # a line a worker


def samples_of(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("mnist_model_"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.slow
def test_both_workers_take_a_new_model_and_lose_no_request(
    served: int, model: Path, variant: Path
) -> None:
    first, second = version(model), version(variant)
    copy(variant, model)
    name, statuses = f'mnist_model_workers{{version="{second}"}}', set()
    deadline = time.monotonic() + 60
    while samples_of(served).get(name) != 2 and time.monotonic() < deadline:
        statuses.add(ask(served, EIGHT)[0])
    status, answer = ask(served, EIGHT)
    assert statuses | {status} == {200}
    assert answer["model"]["version"] == second
    samples = samples_of(served)
    assert samples[f'mnist_model_workers{{version="{first}"}}'] == 0
    assert samples['mnist_model_swaps_total{outcome="taken"}'] == 2
    refused = samples['mnist_model_swaps_total{outcome="refused"}']
    # A bad one is refused by both.
    model.write_bytes(b"no model")
    while samples_of(served)['mnist_model_swaps_total{outcome="refused"}'] < refused + 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with urlopen(f"http://127.0.0.1:{served}/readyz", timeout=30) as response:
        ready = json.loads(response.read())
    assert ready["model"] == second
    assert ready["refused"].startswith("mnist_cnn.keras is not the file its card describes")
