"""What every script's `main` shares: defaults from the environment, faults to exit codes."""

import argparse
import sys
from collections.abc import Callable, Sequence

import config

Parser = argparse.ArgumentParser


def run(
    name: str,
    build_parser: Callable[[config.Settings], Parser],
    work: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
) -> int:
    """Parse `argv` and do the work; return the exit status.

    0 success, 1 a failure with one clear line on stderr, 2 wrong usage (a flag or an
    environment variable), 130 interrupted by Ctrl-C.
    """
    try:
        parser = build_parser(config.settings())
        return work(parser.parse_args(argv))
    except config.ConfigError as fault:
        print(f"{name}: {fault}", file=sys.stderr)
        return 2
    except config.ReaderError as fault:
        print(f"{name}: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        return 130


def parser(name: str, description: str) -> Parser:
    """Return a parser whose `--help` shows every default."""
    return Parser(
        prog=name,
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
