"""Ray: the Serve application really started, and the batch job killed and started again."""

import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import asking
import hundred
import pace
import roots
from asking import Row
from cold_start import free_port
from process_tree import descendants, memory_mb

FOLDER = asking.ROOT / "deploy" / "ray_cluster"
KILLED_AFTER = 1  # shards
PATIENCE = 120  # seconds
TOO_LARGE = 20 * 1024 * 1024  # bytes
# Run in Ray's environment: the hundred pictures as Parquet and TFRecord, and what came of them.
WRITE = """
import json, struct, sys
from pathlib import Path
import google_crc32c, pyarrow as pa, pyarrow.parquet as pq
sys.path[:0] = [sys.argv[2]]
from batch_pictures import example, record
folder = Path(sys.argv[1])
files = sorted((folder / "given").iterdir())
pq.write_table(pa.table({"name": [f.stem for f in files[:25]],
    "image": [f.read_bytes() for f in files[:25]]}), folder / "in" / "a.parquet")
with (folder / "in" / "b.tfrecord").open("wb") as made:
    for f in files[25:50]:
        made.write(record(example({"name": f.stem.encode(), "image": f.read_bytes()})))
"""
READ = """
import json, sys
import pyarrow.dataset as ds
table = ds.dataset(sys.argv[1], format="parquet").to_table(columns=["name", "digit", "error"])
print(json.dumps(table.to_pylist()))
"""


def environment(folder: Path) -> Path:
    """Make Ray's environment; return its Python."""
    roots.new_venv([FOLDER / "requirements.txt"], folder)
    return folder / "bin" / "python"


def prepare_serve(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the environment; return what runs the Serve application in it."""
    python = environment(folder / "venv")
    size = roots.size_mb(folder / "venv")

    def measured() -> Row:
        port = free_port()
        command = [str(python), str(FOLDER / "serve_app.py"), "--port", str(port)]
        launch = partial(asking.start, command)
        hurry = partial(pace.by_wrk, f"http://127.0.0.1:{port}/predict")
        note = "one node, two cores; replicas from one to two by the requests under way"
        return asking.measure(
            "Ray Serve",
            launch,
            asking.by_http(port),
            size,
            note,
            partial(limits, port),
            hurry=hurry,
        )

    return measured


def limits(port: int) -> str:
    """Send more than is accepted, with a length and in chunks; return what is wrong, or nothing."""
    for body in (bytes(TOO_LARGE), (bytes(TOO_LARGE // 16) for _ in range(16))):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", "/predict", body, {"Content-Type": "image/png"})
            response = connection.getresponse()
            if response.status != 413 or b"bytes are accepted" not in response.read():
                return f"a body of {TOO_LARGE:,} bytes was answered {response.status}"
    return ""


def prepare_batch(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the environment; return what runs the batch job, kills it, and runs it again."""
    python = environment(folder / "venv")
    size = roots.size_mb(folder / "venv")
    return lambda: batch(python, folder, size)


def batch(python: Path, folder: Path, size: float) -> Row:
    """Read the hundred pictures in files of every kind; count the right ones.

    cold: from the start to the first result, of five pictures.
    """
    given, wanted = _pictures(python, folder)
    output = folder / "out"
    words = [str(python), str(FOLDER / "batch_predict.py"), str(given), "--output", str(output)]
    words += ["--shard", "5", "--name-column", "name"]
    cold, memory = _killed(words, output)
    left = len(list(output.glob("part-*")))
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        return Row("Ray Data", note=done.stderr.strip()[-200:], wrong=True)
    told = subprocess.run([str(python), "-c", READ, str(output)], capture_output=True, text=True)
    rows = [row for row in json.loads(told.stdout) if not row["error"]]
    digits = {Path(row["name"]).stem: row["digit"] for row in rows}
    right = sum(digits.get(name) == digit for name, digit in wanted.items())
    errors = len(json.loads(told.stdout)) - len(rows)
    good = len(rows) == len(wanted) == right and errors == 1
    note = f"files of every kind; killed with {left} results there, and started again"
    return Row("Ray Data: batch", True, right, cold, memory, size, note, not good)


def _killed(words: Sequence[str], output: Path) -> tuple[float, float]:
    """Run the job until some results are there, and kill all of it; return seconds and MB."""
    begun = time.perf_counter()
    job = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(output.glob("part-*"))) < KILLED_AFTER and job.poll() is None:
        if time.perf_counter() - begun > PATIENCE:
            break
        time.sleep(0.02)
    cold = time.perf_counter() - begun
    memory = memory_mb(os.getpid())[0]
    for one in descendants(os.getpid()):
        os.kill(one, signal.SIGKILL)
    job.wait()
    return cold, memory


def _pictures(python: Path, folder: Path) -> tuple[Path, dict[str, int]]:
    """Write the pictures: a quarter each in Parquet, TFRecord, a zip file, and as files."""
    for name in ("given", "in", "out"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "given").mkdir(parents=True)
    (folder / "in").mkdir()
    wanted = {}
    for number, picture in enumerate(hundred.pictures()):
        wanted[f"{number:03d}"] = picture.digit
        (folder / "given" / f"{number:03d}.{picture.content_type[6:]}").write_bytes(picture.content)
    words = [str(python), "-c", WRITE, str(folder), str(asking.ROOT / "benchmarks")]
    subprocess.run(words, check=True)
    files = sorted((folder / "given").iterdir())
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in files[50:75]:
            archive.write(file, file.name)
    (folder / "in" / "c.zip").write_bytes(content.getvalue())
    (folder / "in" / "damaged.zip").write_bytes(content.getvalue()[:-30])  # a row says so
    for file in files[75:]:
        (folder / "in" / file.name).write_bytes(file.read_bytes())
    return folder / "in", wanted
