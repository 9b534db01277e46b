"""What one core can read without any server: one picture after another, in a loop.

    python ceiling.py SECONDS PICTURE…

Says "ready", waits for a line, and prints how many pictures it read, in how many seconds, and how
many seconds of the processor that took. Started once a core, it is the ceiling of serving.
"""

import sys
import time
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "peers")]

import core  # noqa: E402


def main() -> None:
    """Read for the given time."""
    seconds, pictures = float(sys.argv[1]), [Path(name).read_bytes() for name in sys.argv[2:]]
    read = core.load_reader()
    for picture in pictures:
        read(picture)
    print("ready", flush=True)
    sys.stdin.readline()
    done, begun, cpu = 0, time.perf_counter(), time.process_time()
    for picture in cycle(pictures):
        read(picture)
        done += 1
        if time.perf_counter() - begun >= seconds:
            break
    print(done, time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main()
