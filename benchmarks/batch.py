"""The batch job measured: one core against two, ten and a hundred times the work, and kills.

    python benchmarks/batch.py [--pictures 1000000]        or: make bench-batch

Makes a million pictures in files of every kind (benchmarks/batch_pictures.py), reads them with
deploy/ray_cluster/batch_predict.py, kills all its processes twice on the way, counts the rows.
Linux; half an hour, and 2 GB of disk. The figures are written to results/batch.json.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "deploy" / "smoke"):
    sys.path.insert(0, str(folder))

import process_tree  # noqa: E402
import roots  # noqa: E402

import utils  # noqa: E402

JOB = ROOT / "deploy" / "ray_cluster" / "batch_predict.py"
MAKER = ROOT / "benchmarks" / "batch_pictures.py"
SCALED = 100_000  # pictures that are read on one core and on two, by turns
PARTS = ("scaling", "growth", "kills")
TURNS = 3
COUNT = """
import json, sys
import pyarrow.dataset as ds
table = ds.dataset(sys.argv[1], format="parquet", exclude_invalid_files=False).to_table(
    columns=["name", "digit", "error"])
names, digits = table["name"].to_pylist(), table["digit"].to_pylist()
numbers = [int(name[:7]) for name in names]
right = sum(int(name[8]) == digit for name, digit in zip(names, digits))
errors = table.num_rows - table["error"].null_count
print(json.dumps({"rows": len(names), "different": len(set(numbers)), "largest": max(numbers),
                  "right": right, "errors": errors}))
"""


@dataclass(frozen=True)
class Run:
    """One run of the job: seconds, processor seconds of all its processes, and their most MB.

    Both are looked at twice a second: what a process does after the last look is not counted.
    """

    pictures: int
    workers: int
    seconds: float
    core_seconds: float
    most_mb: float


@dataclass
class Seen:
    """What was seen of the processes that descend from this one."""

    most_mb: float = 0.0
    seconds: dict[int, float] = field(default_factory=dict)


@contextmanager
def watched() -> Iterator[Seen]:
    """Look at the processes that descend from this one twice a second."""
    seen, ended = Seen(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            seen.seconds |= process_tree.own_seconds(os.getpid())
            seen.most_mb = max(seen.most_mb, process_tree.memory_mb(os.getpid())[0])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def command(python: Path, inputs: list[Path], output: Path, workers: int) -> list[str]:
    """Return the job's command, which sees as many cores as it has workers."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:workers]))
    words = [str(python), str(JOB), *map(str, inputs), "--output", str(output)]
    return ["taskset", "-c", cores, *words, "--name-column", "name", "--workers", str(workers)]


def run(python: Path, inputs: list[Path], count: int, output: Path, workers: int) -> Run:
    """Run the job from the start to its end; `output` is removed before and after."""
    shutil.rmtree(output, ignore_errors=True)
    begun = time.perf_counter()
    with watched() as seen:
        words = command(python, inputs, output, workers)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        passed = time.perf_counter() - begun
    reap()
    spent = sum(seen.seconds.values())
    found = counted(python, output)
    if found["rows"] != count or found["different"] != count:
        raise SystemExit(f"batch: {found} of {count:,} pictures")
    shutil.rmtree(output)
    made = Run(count, workers, round(passed, 1), round(spent, 1), round(seen.most_mb))
    print(f"{made}  {count / passed:,.0f} img/s", flush=True)
    return made


def reap() -> None:
    """Wait for the processes that the job left to this one."""
    deadline = time.monotonic() + 20
    while process_tree.descendants(os.getpid()) and time.monotonic() < deadline:
        time.sleep(0.1)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def counted(python: Path, output: Path) -> dict[str, int]:
    """Count the rows of an output, and those that are right by their names."""
    words = [str(python), "-c", COUNT, str(output)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def killed_twice(python: Path, inputs: list[Path], count: int, output: Path) -> dict[str, object]:
    """Run the job, killing all its processes at a third and two thirds; return what came of it."""
    begun, kills = time.perf_counter(), []
    words = command(python, inputs, output, os.cpu_count() or 1)
    for share in (1 / 3, 2 / 3, None):
        job = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        planned = None
        while job.poll() is None:
            time.sleep(0.5)
            manifest = output / "_manifest.json"
            planned = planned or (json.loads(manifest.read_text()) if manifest.exists() else None)
            there = len(list(output.glob("part-*.parquet")))
            if share and planned and there >= share * planned["shards"]:
                for one in process_tree.descendants(os.getpid()):
                    os.kill(one, signal.SIGKILL)
                kills.append({"at_second": round(time.perf_counter() - begun), "shards": there})
                print(f"killed with {there} of {planned['shards']} shards there", flush=True)
                break
        status = job.wait()
        reap()
        if share is None and status:
            raise SystemExit(f"batch: the last run ended with {status}")
    passed = time.perf_counter() - begun
    summary = json.loads((output / "_summary.json").read_text())
    return {
        "pictures": count,
        "kills": kills,
        "seconds": round(passed),
        "shards": summary["shards"],
        "scored_in_the_last_run": summary["scored_now"],
        "output_mb": round(roots.size_mb(output)),
        **counted(python, output),
    }


def main() -> None:
    """Measure it all; write the figures."""
    parser = argparse.ArgumentParser("batch.py", description="Measure the batch job.")
    parser.add_argument("--pictures", type=int, default=1_000_000, help="at most")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    args = parser.parse_args()
    most = args.pictures
    process_tree.adopt_orphans()
    place = ROOT / "results" / ".deploy" / "ray" / "venv"
    roots.new_venv([ROOT / "deploy" / "ray_cluster" / "requirements.txt"], place)
    python = place / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="digits-batch-") as scratch:
        folder, output = Path(scratch) / "pictures", Path(scratch) / "predictions"
        subprocess.run([str(python), str(MAKER), str(folder), str(most)], check=True)
        made = sorted(folder.iterdir())
        each = most // len(made)
        print(f"{most:,} pictures, {roots.size_mb(folder):,.0f} MB", flush=True)
        figures: dict[str, object] = {"input_mb": round(roots.size_mb(folder))}
        runs: dict[str, list[tuple[list[Path], int]]] = {
            "scaling": [(made[: max(1, SCALED // each)], workers) for workers in (1, 2)] * TURNS,
            "growth": [
                (made[: max(1, len(made) // share)], os.cpu_count() or 1) for share in (100, 10, 1)
            ],
        }
        for part, given in runs.items():
            if part in args.parts:
                figures[part] = [
                    asdict(run(python, some, each * len(some), output, workers))
                    for some, workers in given
                ]
        if "kills" in args.parts:
            figures["killed_twice"] = killed_twice(python, made, most, output)
    text = json.dumps(figures, indent=1)
    path = ROOT / "results" / "batch.json"
    with utils.atomic_path(path) as aside:
        aside.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
