"""The time limit: a request that has been at work for too long is ended between two pictures."""

import base64

import pytest
from api_server import EIGHT
from stub_reader import stub_app

import decoding_process
import utils
from api import reading, stages


def test_a_batch_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    decode, now, decoded = utils.decode, [100.0], []

    def takes_two_seconds(*given: object) -> object:
        now[0] += 2
        decoded.append(now[0])
        return decode(*given)  # type: ignore[arg-type]

    for module in (stages, decoding_process, reading):
        monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(utils, "decode", takes_two_seconds)
    client = stub_app(max_seconds=5).test_client()
    text = base64.b64encode(EIGHT).decode()
    assert client.post("/predict", json={"images": [text] * 2}).status_code == 200
    refused = client.post("/predict", json={"images": [text] * 10})
    assert refused.status_code == 503
    assert "longer than 5 seconds" in refused.get_json(force=True)["detail"]
    assert len(decoded) == 2 + 3
