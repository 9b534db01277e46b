"""The reader behind LitServe.

    python litserve_server.py PORT WORKERS

LitServe takes JSON or a form, no raw body; JSON with the picture in base64 is the quicker of the
two here. `fast_queue` (ZeroMQ) is its documented setting for high throughput.
"""

import base64
import sys
from typing import Any

import core
import litserve


class Reader(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.read = core.load_reader()

    def decode_request(self, request: dict[str, str]) -> bytes:
        return base64.b64decode(request["picture"])

    def predict(self, x: bytes) -> dict[str, float]:
        return self.read(x)

    def encode_response(self, output: dict[str, float]) -> Any:
        return output


def main() -> None:
    """Serve until ended."""
    port, workers = map(int, sys.argv[1:])
    server = litserve.LitServer(
        Reader(), accelerator="cpu", workers_per_device=workers, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
