"""A new version beside the running one, given more and more of the traffic, then kept or undone.

    python deploy/pipeline/canary.py --stable http://127.0.0.1:5000 --canary http://127.0.0.1:5001
        --set-weight "./weight {percent}" --promote ./promote --roll-back ./undo

Both must answer. They are asked one hundred pictures whose digits are known; then the canary gets
each share of the traffic in turn, and what both count at `/metrics` is compared, with pictures
asked beside. What is beyond a limit, a command that fails, or Ctrl-C rolls back. Exit status: 0
promoted, 1 rolled back, 3 the roll-back itself failed. A key is read from MNIST_API_KEY.
"""

import argparse
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "deploy" / "smoke"):
    sys.path.insert(0, str(folder))

from hundred import Picture, pictures  # noqa: E402
from watching import Asked, Counts, Server  # noqa: E402

STEPS = (5, 25, 50)
PROBES = 10  # pictures asked of each between two looks
LEAST = 40  # asked of each before a share or a quantile of them says anything
MISSES = 2  # looks in a row at which `/metrics` does not answer: it is gone
COMMAND_SECONDS = 900


@dataclass(frozen=True)
class Limits:
    """What a canary may be worse by than the stable server.

    fewer_right: of the hundred pictures. failed: share of requests. slower: times the stable
    one's 95th percentile, and `slack` seconds beside. no_digit: share of pictures.
    """

    fewer_right: int = 2
    failed: float = 0.01
    slower: float = 2.0
    slack: float = 0.05
    no_digit: float = 0.1


class Failed(Exception):
    """The canary may not stay; the message says why."""


class Interrupted(Exception):
    """Somebody has asked this program to end."""


@dataclass
class Window:
    """What one server did during a step: its counts, and the pictures it was asked."""

    counts: Counts = field(default_factory=Counts)
    asked: list[Asked] = field(default_factory=list)

    @property
    def failed(self) -> float:
        """The share of failures: of all requests that it counted, or of the pictures asked."""
        counted = self.counts.failed / max(self.counts.requests, 1)
        unanswered = sum(each.digit is None for each in self.asked) / max(len(self.asked), 1)
        return max(counted, unanswered)

    @property
    def counted_seconds(self) -> float:
        return self.counts.quantile(0.95)

    @property
    def asked_seconds(self) -> float:
        seconds = [each.seconds for each in self.asked]
        return (
            statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else 0.0
        )

    @property
    def no_digit(self) -> float:
        return self.counts.no_digit / max(self.counts.pictures, 1)


def compare(canary: Window, stable: Window, limits: Limits) -> None:
    """Raise Failed with the first figure of a step by which the canary is beyond its limits."""
    if canary.failed > stable.failed + limits.failed:
        raise Failed(
            f"{100 * canary.failed:.1f}% of its requests fail, {100 * stable.failed:.1f}% of the "
            f"stable one's, and {100 * limits.failed:.1f} points more are allowed"
        )
    for what, own, other in (
        ("by its own count", canary.counted_seconds, stable.counted_seconds),
        ("as asked from here", canary.asked_seconds, stable.asked_seconds),
    ):
        most = limits.slower * other + limits.slack
        if own > most:
            raise Failed(
                f"it answers 95% within {1000 * own:.0f} ms {what}, the stable one within "
                f"{1000 * other:.0f}, and at most {1000 * most:.0f} are allowed"
            )
    if canary.no_digit > stable.no_digit + limits.no_digit:
        raise Failed(
            f"it takes {100 * canary.no_digit:.1f}% of its pictures for no digit, the stable one "
            f"{100 * stable.no_digit:.1f}%, and {100 * limits.no_digit:.0f} points more are allowed"
        )


def check_answers(canary: Server, stable: Server, limits: Limits) -> None:
    """Ask both the pictures whose digits are known. Raises Failed if the canary reads fewer."""
    known = pictures()
    right = [sum(server.ask(picture).right for picture in known) for server in (canary, stable)]
    print(
        f"canary: reads {right[0]} of {len(known)} pictures, the stable one {right[1]}", flush=True
    )
    if right[0] < right[1] - limits.fewer_right:
        raise Failed(
            f"it reads {right[0]} of {len(known)} pictures, the stable one {right[1]}, and at most "
            f"{limits.fewer_right} fewer are allowed"
        )


def watch(canary: Server, stable: Server, seconds: float, every: float, limits: Limits) -> None:
    """Look at both for so many seconds. Raises Failed as soon as the canary is beyond a limit."""
    servers = (canary, stable)
    windows, begun = [Window(), Window()], [server.counts() for server in servers]
    known, misses, turn = pictures(), [0, 0], 0
    end = time.monotonic() + seconds
    while True:
        for window, server in zip(windows, servers, strict=True):
            window.asked += [server.ask(each) for each in _some(known, turn)]
        turn += 1
        for place, server in enumerate(servers):
            now = server.counts()
            misses[place] = misses[place] + 1 if now is None else 0
            before = begun[place]
            if now is not None and before is not None:
                windows[place].counts = now - before
            elif before is None:
                begun[place] = now
        if misses[0] >= MISSES:
            raise Failed("it does not answer any more")
        if windows[0].counts.requests < 0:
            raise Failed("it has started anew while it was watched")
        if len(windows[0].asked) >= LEAST:
            compare(windows[0], windows[1], limits)
            if time.monotonic() >= end and not misses[0]:
                break
        time.sleep(every)
    one, other = windows
    print(
        f"canary: {one.counts.requests:.0f} requests beside {other.counts.requests:.0f}, failed "
        f"{100 * one.failed:.1f}% beside {100 * other.failed:.1f}%, 95% within "
        f"{1000 * one.counted_seconds:.0f} ms beside {1000 * other.counted_seconds:.0f}",
        flush=True,
    )


def _some(known: Sequence[Picture], turn: int) -> list[Picture]:
    """Return the next pictures, so that in ten turns all have been asked."""
    return [known[(turn + PROBES * place) % len(known)] for place in range(PROBES)]


def command(text: str, percent: int | None = None) -> None:
    """Run a command, {percent} and {rest} filled in. Raises Failed if it does not succeed."""
    if percent is not None:
        text = text.replace("{percent}", str(percent)).replace("{rest}", str(100 - percent))
    print(f"canary: {text}", flush=True)
    try:
        status = subprocess.run(shlex.split(text), timeout=COMMAND_SECONDS).returncode
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise Failed(f"`{text}` cannot be run: {fault}") from None
    if status:
        raise Failed(f"`{text}` ended with status {status}")


def wait_until_ready(server: Server, name: str, seconds: float) -> None:
    """Wait for a server to be ready. Raises Failed if it is not in that time."""
    end = time.monotonic() + seconds
    while not server.ready():
        if time.monotonic() >= end:
            raise Failed(f"{name} at {server.address} is not ready after {seconds:.0f} s")
        time.sleep(0.2)


def release(args: argparse.Namespace) -> int:
    """Lead the canary through its steps; return the exit status."""
    canary, stable, limits = Server(args.canary), Server(args.stable), _limits(args)
    try:
        wait_until_ready(stable, "the stable server", args.ready_seconds)
        wait_until_ready(canary, "the canary", args.ready_seconds)
        check_answers(canary, stable, limits)
        for percent in args.steps:
            command(args.set_weight, percent)
            watch(canary, stable, args.seconds, args.every, limits)
        command(args.promote)
    except (Failed, Interrupted, KeyboardInterrupt) as fault:
        why = str(fault) if isinstance(fault, Failed) else "this program was stopped"
        print(f"canary: rolled back: {why}", file=sys.stderr, flush=True)
        return _roll_back(args.roll_back)
    print("canary: promoted")
    return 0


def _roll_back(text: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # half a roll-back would be worse than either
    try:
        command(text)
    except Failed as fault:
        print(f"canary: THE ROLL-BACK FAILED, do it by hand: {fault}", file=sys.stderr)
        return 3
    return 1


def _limits(args: argparse.Namespace) -> Limits:
    return Limits(**{name: getattr(args, name) for name in Limits.__dataclass_fields__})


def _steps(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and 0 < int(part) <= 100 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not percentages such as 5,25,50")
    return [int(part) for part in parts]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags."""
    made = argparse.ArgumentParser(
        "canary.py",
        description="Lead a new version beside the running one, and keep it or undo it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, words = made.add_argument, "the command that "
    add("--stable", required=True, metavar="URL", help="one server of the running version")
    add("--canary", required=True, metavar="URL", help="one server of the new version")
    add("--set-weight", required=True, help=f"{words} gives it {{percent}}, {{rest}} to the other")
    add("--promote", required=True, help=f"{words} makes it the running version")
    add("--roll-back", required=True, help=f"{words} takes all traffic from it and removes it")
    add("--steps", type=_steps, default=list(STEPS), help="its shares of the traffic, in percent")
    add("--seconds", type=float, default=300, help="for which it is watched at each step")
    add("--every", type=float, default=5, help="seconds between two looks")
    add("--ready-seconds", type=float, default=120, help="within which both must be ready")
    for name, most in vars(Limits()).items():
        add(
            f"--{name.replace('_', '-')}", type=type(most), default=most, help="a limit, see Limits"
        )
    return made


def _stop(*ignored: object) -> None:
    raise Interrupted


def main(argv: Sequence[str] | None = None) -> int:
    """Promote or roll back; return the exit status."""
    args = parser().parse_args(argv)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, _stop)  # a cancelled job sends it
    try:
        return release(args)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
