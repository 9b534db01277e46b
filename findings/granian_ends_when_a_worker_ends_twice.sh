#!/usr/bin/env bash
# Expected: with --respawn-failed-workers a worker that ends is replaced, and the others serve on.
# Instead: Granian 2.8.7 ends the whole server, healthy workers included, when the same worker ends
# again within 5.5 seconds of its replacement ("Worker crash loop detected").
# Seen on 2026-11-28, Linux: two workers, one killed twice a second apart: exit status 1.
# Here: api/supervisor.py replaces workers however often they end, with growing pauses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check granian==2.8.7
cat >"$folder/app.py" <<'PYTHON'
async def app(scope, protocol):
    protocol.response_str(200, [], "alive")
PYTHON
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

command = ["venv/bin/granian", "--interface", "rsgi", "--workers", "2", "--respawn-failed-workers"]
with subprocess.Popen([*command, "--port", "18181", "app:app"], stdout=subprocess.PIPE, text=True) as server:

    def workers() -> list[int]:
        tasks = Path(f"/proc/{server.pid}/task").glob("*/children")
        return sorted(int(pid) for task in tasks for pid in task.read_text().split())

    def wait_for_two(other_than: int) -> list[int]:
        until = time.monotonic() + 20
        while time.monotonic() < until and server.poll() is None:
            if len(alive := workers()) == 2 and other_than not in alive:
                return alive
            time.sleep(0.05)
        return []

    survivor, first = wait_for_two(0)
    os.kill(first, signal.SIGKILL)
    alive = wait_for_two(first)
    time.sleep(1)
    (second,) = set(alive) - {survivor}
    os.kill(second, signal.SIGKILL)
    try:
        status = server.wait(20)
    except subprocess.TimeoutExpired:
        status = None
        server.terminate()
    log = server.stdout.read() if server.stdout else ""
print("Granian 2.8.7, two workers; one killed twice, a second apart; exit status of the server:", status)
print(*[line for line in log.splitlines() if "crash loop" in line], sep="\n")
sys.exit(0 if status == 1 and "crash loop" in log else 1)
PYTHON
