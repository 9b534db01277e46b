"""Exit codes and messages of a script: 0, 1 and 2 with one line, 130; never a traceback."""

import argparse
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, free_port

import cli
import config


def build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("reader.py", "Read.")
    parser.add_argument("--port", type=cli.whole_number("port"), default=settings.port, help="port")
    return parser


def run(work: Callable[[argparse.Namespace], int], *flags: str) -> int:
    return cli.run("reader", build_parser, work, flags)


def run_script(*flags: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "load_mnist_local.py"), *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environ,
    )


@pytest.mark.parametrize("status", [0, 1])
def test_the_works_status_is_the_scripts(status: int) -> None:
    assert run(lambda args: status) == status


def test_flags_override_the_environment_and_that_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def work(args: argparse.Namespace) -> int:
        seen.append(args.port)
        return 0

    run(work)
    monkeypatch.setenv("MNIST_PORT", "8080")
    run(work)
    run(work, "--port", "9090")
    assert seen == [5000, 8080, 9090]


def test_a_fault_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def work(args: argparse.Namespace) -> int:
        raise config.ReaderError("the ink is dry: dip the pen")

    assert run(work) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "reader: the ink is dry: dip the pen\n")


def test_a_bad_variable_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_WORKERS", "many")
    assert run(lambda args: 0) == 2
    message = capsys.readouterr().err
    assert message.startswith("reader: MNIST_WORKERS is 'many'")
    assert message.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", ""])
def test_a_bad_flag_is_status_2_and_says_what_would_be_right(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda args: 0, f"--port={text}")
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "--port" in message
    assert "a whole number from 1 to 65535" in message
    assert "Traceback" not in message


def test_ctrl_c_is_status_130_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def work(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run(work) == 130
    assert capsys.readouterr().err == "\nreader: stopped\n"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "plot.png"), "plot.png"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
        (OSError("encoder error -2 when writing image file"), "encoder error"),  # Pillow's kind
    ],
)
def test_a_fault_of_the_system_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], fault: OSError, words: str
) -> None:
    def work(args: argparse.Namespace) -> int:
        raise fault

    assert run(work) == 1
    message = capsys.readouterr().err
    assert message.startswith("reader: ")
    assert words in message
    assert message.count("\n") == 1


def test_a_path_is_shown_as_a_person_would_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.shown(tmp_path / "docs" / "a.png") == cli.shown(Path("docs/a.png")) == "docs/a.png"
    assert cli.shown(tmp_path.parent) == str(tmp_path.parent)


def test_an_unforeseen_fault_is_not_hidden() -> None:
    def work(args: argparse.Namespace) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work)


def test_help_shows_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda args: 0, "--help")
    assert caught.value.code == 0
    assert "(default: 5000)" in capsys.readouterr().out


def test_a_script_reports_a_missing_folder_in_one_line(tmp_path: Path) -> None:
    done = run_script("--data-dir", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nowhere" in done.stderr


def test_a_script_reports_wrong_usage_with_status_2() -> None:
    done = run_script("--no-such-flag")
    assert done.returncode == 2
    assert "unrecognized arguments: --no-such-flag" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_reports_a_bad_variable_with_status_2() -> None:
    done = run_script(MNIST_PORT="5000x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "MNIST_PORT" in done.stderr


def test_a_free_port_is_fit() -> None:
    cli.check_port("127.0.0.1", free_port())


def test_a_busy_port_is_named_with_another_to_try() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(config.ReaderError) as caught:
            cli.check_port("127.0.0.1", port)
    message = str(caught.value)
    assert f"127.0.0.1:{port} is in use" in message
    assert f"--port {port % 65_535 + 1}" in message
    assert "\n" not in message


def test_a_busy_port_5000_speaks_of_macos() -> None:
    busy = OSError(errno.EADDRINUSE, "in use")
    assert str(cli.cannot_listen("::1", 5001, busy)).startswith("[::1]:5001 is in use")
    assert "AirPlay" in str(cli.cannot_listen("127.0.0.1", 5000, busy))
    assert "AirPlay" not in str(cli.cannot_listen("127.0.0.1", 5001, busy))


@pytest.mark.parametrize("host", ["203.0.113.1", "..", "x" * 70])
def test_a_host_that_cannot_be_listened_on_is_one_clear_fault(host: str) -> None:
    with pytest.raises(config.ReaderError, match="--host") as caught:
        cli.check_port(host, free_port())
    assert "\n" not in str(caught.value)
