#!/usr/bin/env bash
# Expected: an application's header "Connection: close" ends the connection, for HTTP/1.0 as for 1.1.
# Instead: to a client of HTTP/1.0 that asks for keep-alive, Granian 2.8.7 sends both,
# "connection: close, keep-alive", in one response; what a client makes of that differs.
# Seen on 2026-11-28, Linux: "connection: close" in HTTP/1.1, "close, keep-alive" in HTTP/1.0.
# Here: api/door.py ends connections of HTTP/1.1 only after many answers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check granian==2.8.7
cat >"$folder/app.py" <<'PYTHON'
async def app(scope, protocol):
    protocol.response_str(200, [("connection", "close")], "alive")
PYTHON
cd "$folder"
venv/bin/granian --interface rsgi --port 18182 --no-log app:app &
server=$!
venv/bin/python - <<'PYTHON' && status=0 || status=$?
import socket
import sys
import time

request = b"GET / HTTP/%s\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
headers = {}
for version in (b"1.1", b"1.0"):
    for _ in range(200):
        try:
            connection = socket.create_connection(("127.0.0.1", 18182), 10)
            break
        except OSError:
            time.sleep(0.05)
    connection.sendall(request % version)
    lines = connection.recv(65536).decode().lower().split("\r\n")
    headers[version] = [line for line in lines if line.startswith("connection")]
    print("Granian 2.8.7, HTTP/" + version.decode(), headers[version])
both = " ".join(headers[b"1.0"])
sys.exit(0 if headers[b"1.1"] == ["connection: close"] and "keep-alive" in both and "close" in both else 1)
PYTHON
kill "$server"
wait "$server" || true
exit "$status"
