"""What every script's `main` shares: defaults from the environment, faults to exit codes."""

import argparse
import errno
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

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
    except OSError as fault:  # a full disk, a folder that may not be written
        print(
            f"{name}: {fault.filename or 'the system'}: {fault.strerror or fault}", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt as stop:
        print(f"\n{name}: {str(stop) or 'stopped'}", file=sys.stderr)
        return 130


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the default to every help, except where it is that nothing is given."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default is False or action.default == []
        return action.help if nothing else super()._get_help_string(action)


def parser(name: str, description: str) -> Parser:
    """Return a parser whose `--help` shows the defaults."""
    return Parser(prog=name, description=description, formatter_class=_Defaults)


def shown(path: Path) -> str:
    """Return a path as a person would write it: relative, if it is below the current folder."""
    path, here = path.absolute(), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def whole_number(setting: str) -> Callable[[str], int]:
    """Return an argparse type: a whole number within the limits of that setting."""
    parse = config.whole_number("the value", setting)

    def checked(text: str) -> int:
        try:
            return parse(text)
        except config.ConfigError as fault:
            raise argparse.ArgumentTypeError(str(fault)) from None

    return checked


def text(setting: str) -> Callable[[str], str]:
    """Return an argparse type: a text of the form of that setting."""

    def checked(text: str) -> str:
        try:
            config.check_text("the value", setting, text, text)
        except config.ConfigError as fault:
            raise argparse.ArgumentTypeError(str(fault)) from None
        return text

    return checked


def authority(host: str, port: int) -> str:
    """Return host and port as a URL has them: an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_port(host: str, port: int) -> None:
    """Raise ReaderError, saying what to do, unless the address can be listened on."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":  # there it would allow what should be found out
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except UnicodeError:  # what Python makes of a name that no host can have
        raise config.ReaderError(f"{host!r} cannot be a host: choose another with --host") from None
    except OSError as fault:
        raise cannot_listen(host, port, fault) from None


def cannot_listen(host: str, port: int, fault: OSError) -> config.ReaderError:
    """Return the error that tells a person why a server cannot listen, and what to do."""
    where = authority(host, port)
    if fault.errno == errno.EADDRINUSE:
        hint = " (on macOS, AirPlay Receiver holds port 5000)" if port == 5000 else ""
        return config.ReaderError(
            f"{where} is in use by another program: stop it, or choose another port "
            f"with --port {port % 65_535 + 1}{hint}"
        )
    return config.ReaderError(
        f"cannot listen on {where} ({fault.strerror or fault}): choose another address "
        "with --host and --port"
    )
