#!/usr/bin/env bash
# Expected: Pillow decodes without Python's global lock, so that other threads go on; PNG, JPEG, GIF
# and BMP do.
# Instead: Pillow 12.3.0 decodes WebP with the lock held. All threads of the process, an event loop
# among them, stand still for as long as the largest part of a decode takes.
# Seen on 2026-11-28, Linux: longest pause of another thread 17% of a WebP decode, 1% of PNG and JPEG.
# Here: decoding_process.py decodes large pictures in another process, not in another thread.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==12.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
import threading
import time

import PIL
from PIL import Image


def share_of_longest_pause(kind: str) -> float:
    """Decode 36 megapixels in a thread; return its longest hold of the lock, as a share of it."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((6000, 6000)).convert("RGB").save(file, kind)
    seconds: list[float] = []

    def decode() -> None:
        begin = time.perf_counter()
        Image.open(io.BytesIO(file.getvalue())).load()
        seconds.append(time.perf_counter() - begin)

    thread = threading.Thread(target=decode)
    thread.start()
    longest, last = 0.0, time.perf_counter()
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    return longest / seconds[0]


shares = {kind: min(share_of_longest_pause(kind) for _ in range(3)) for kind in ("PNG", "JPEG", "WEBP")}
print(f"Pillow {PIL.__version__}: longest pause of another thread, as a share of one decode")
for kind, share in shares.items():
    print(f"  {kind:5} {share:.2f}")
sys.exit(0 if shares["WEBP"] > 0.1 > max(shares["PNG"], shares["JPEG"]) else 1)
PYTHON
