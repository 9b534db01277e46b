"""The reader behind BentoML.

    bentoml serve bentoml_service:Reader --host 127.0.0.1 --port PORT

BentoML takes a raw body as a file ("root input"), which it writes to a temporary folder; see
`benchmarks/peer_servers.py` for the number of workers.
"""

import os
from pathlib import Path

import bentoml
import core


@bentoml.service(
    workers=int(os.environ["WORKERS"]),
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Reader:
    def __init__(self) -> None:
        self.read = core.load_reader()

    @bentoml.api
    def predict(self, picture: Path, /) -> dict[str, float]:
        return self.read(picture.read_bytes())
