"""`make fuzz-large`: damaged large pictures at the decoder, each in a process of its own.

`make fuzz` tries millions of small files; what depends on size is tried here: fractions, strips,
interlacing, restarts, rows of many widths. The damage is put below the header, where the decoders
written in C work. A process that dies of it is counted; no file is written. On Linux with glibc
its heap is checked too, so that a write beyond a buffer ends the process and is not overlooked.
"""

import argparse
import contextlib
import ctypes
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzzing import PNG_MARK
from picture_varieties import VARIETIES
from samples import chunk

from containers import PNG_END, take_apart
from decoding import PictureError, decode

MOST_SECONDS = 20  # of the processor, for one file
MOST_MEMORY = 4 * 2**30  # bytes of address space
HEAP_CHECKER = "libc_malloc_debug.so.0"  # of glibc since 2.34
TURNS = 8  # files that are made from one valid one, itself the first
READ, REFUSED, FAULT, WRONG = 0, 10, 11, 12  # how a process ends


def damaged(content: bytes, header: int, draws: random.Random) -> bytes:
    """Alter a file below its header; the pixels of every other PNG, which are packed again."""
    if content.startswith(PNG_MARK) and draws.random() < 0.5:
        rows = altered(zlib.decompress(content[header : -len(PNG_END) - 4]), 0, draws)
        return content[: header - 8] + chunk(b"IDAT", zlib.compress(rows, 0)) + PNG_END
    return altered(content, header, draws)


def altered(content: bytes, start: int, draws: random.Random) -> bytes:
    """Alter up to 32 places, and leave out or repeat a part now and then."""
    changed = bytearray(content)
    for _ in range(draws.choice((1, 2, 4, 8, 32))):
        place = draws.randrange(start, len(changed))
        piece = draws.choice((b"\0", b"\xff", b"\xff\xd0", draws.randbytes(1), draws.randbytes(8)))
        changed[place : place + len(piece)] = piece
    if draws.random() < 0.2:
        place = draws.randrange(start, len(changed))
        part = changed[place : place + draws.randrange(1, 4096)]
        changed[place : place + len(part)] = part * draws.choice((0, 2, 9))
    return bytes(changed)


def tried(content: bytes, valid: bool) -> int:
    """Decode in a child process; return its exit status, or the signal it died of, negative."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = FAULT
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status = decoded(content, valid)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def decoded(content: bytes, valid: bool) -> int:
    try:
        picture = decode(content)
    except PictureError as fault:
        if valid:
            print(f"a valid file is refused: {fault}", file=sys.stderr)
        return WRONG if valid else REFUSED
    width, height = take_apart(content).size
    sizes = {(-(-width // f), -(-height // f)) for f in (1, 2, 4, 8)}
    right = picture.mode in ("L", "RGB") and {picture.size, picture.size[::-1]} & sizes
    return READ if right else WRONG


def campaign(names: list[str], runs: int, seconds: float, seed: int) -> Counter[str]:
    """Try files of every variety by turns, the first undamaged; count what came of them."""
    outcomes: Counter[str] = Counter()
    begun = time.monotonic()
    for number in range(-(-runs // (len(names) * TURNS))):
        for name in random.Random(seed + number).sample(names, len(names)):
            content, header = VARIETIES[name](random.Random(f"{name} {seed + number}"))
            for turn in range(TURNS):
                if outcomes.total() >= runs or time.monotonic() - begun > seconds:
                    return outcomes
                draws = random.Random(f"{name} {seed + number} {turn}")
                status = tried(damaged(content, header, draws) if turn else content, not turn)
                kind = name.split(",")[0]
                outcome = {READ: "read", REFUSED: "refused"}.get(status, "CRASHED or at fault")
                outcomes[f"{kind}: {outcome}"] += 1
                if status not in (READ, REFUSED):
                    cause = signal.Signals(-status).name if status < 0 else f"status {status}"
                    print(f"{name}, seed {seed + number}, turn {turn}: {cause}", flush=True)
    return outcomes


def with_checked_heap() -> None:
    """Start again with glibc's checks of every block of the heap, if it has them."""
    if "MALLOC_CHECK_" in os.environ:
        return
    with contextlib.suppress(OSError):
        ctypes.CDLL(HEAP_CHECKER)  # raises OSError if there is none
        checks = {"LD_PRELOAD": HEAP_CHECKER, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | checks)


def heap_is_checked() -> bool:
    """Tell if a write of one byte beyond a block ends the process, in one that does just that."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) < 0
    os.close(2)  # what glibc says of it
    block = ctypes.create_string_buffer(5_001)  # large enough to come from malloc
    ctypes.memset(ctypes.addressof(block), 1, 5_002)
    del block
    os._exit(0)


def main() -> int:
    """Run the campaign; exit 1 if a process died, or ended in anything but a promised refusal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000, help="files to try at most (2000)")
    parser.add_argument("--seconds", type=float, default=600, help="time to take at most (600)")
    parser.add_argument("--seed", type=int, default=1, help="another one tries other files (1)")
    parser.add_argument("--only", default="", help="varieties whose name begins so")
    options = parser.parse_args()
    names = [name for name in VARIETIES if name.startswith(options.only)]
    if not names:
        parser.error(f"no variety begins with {options.only!r}: {', '.join(VARIETIES)}")
    with_checked_heap()
    warnings.simplefilter("ignore")  # Pillow's, of the damage that it is shown here
    print(f"writes beyond a block are {'noticed' if heap_is_checked() else 'NOT NOTICED'}")
    outcomes = campaign(names, options.runs, options.seconds, options.seed)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:7,} {outcome}")
    print(f"{outcomes.total():7,} files of {len(names)} varieties")
    return int(any("CRASHED" in outcome for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
