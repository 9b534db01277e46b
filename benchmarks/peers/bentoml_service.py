"""The reader behind BentoML.

    bentoml serve bentoml_service:Reader --host 127.0.0.1 --port PORT       with WORKERS=N

BentoML's raw body is a file, which it writes to a folder and reads again; JSON with the picture in
base64 is several times quicker at small pictures.
"""

import base64
import os

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
    async def predict(self, picture: str) -> dict[str, float]:
        return self.read(base64.b64decode(picture))
