"""README.md does what it shows: its commands are run, and what they print is compared."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import free_port
from test_make import page, start, wait_for

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ELLIPSIS = "…"


def blocks(language: str) -> list[str]:
    """Return the contents of the README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def console_steps() -> list[tuple[str, str]]:
    """Return every command of the console blocks with the output that is shown for it."""
    steps = []
    for block in blocks("console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            steps.append((command, shown))
    return steps


def pattern(shown: str) -> str:
    """Return the regular expression of an output in which … stands for anything in its line."""
    return r"[^\n]*".join(re.escape(part) for part in shown.strip().split(ELLIPSIS))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """`make run`, which serves both, on free ports, and which of these stand for which."""
    if os.name != "posix" or not shutil.which("make"):
        pytest.skip("needs make and POSIX signals")
    api, page_port = free_port(), free_port()
    process = start(MNIST_PORT=str(api), MNIST_PAGE_PORT=str(page_port))
    assert "digit reader" in wait_for(api, process)
    assert "gradio" in wait_for(page_port, process).lower()
    yield process, {"5000": str(api), "7860": str(page_port)}
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def ports(running: tuple["subprocess.Popen[str]", dict[str, str]]) -> dict[str, str]:
    return running[1]


def on_free_ports(text: str, ports: dict[str, str]) -> str:
    for default, port in ports.items():
        text = text.replace(f"127.0.0.1:{default}", f"127.0.0.1:{port}")
    return text


@pytest.mark.slow
@pytest.mark.parametrize(("command", "shown"), console_steps())
def test_a_command_prints_what_the_readme_shows(
    command: str, shown: str, ports: dict[str, str]
) -> None:
    words = shlex.split(on_free_ports(command, ports))
    if words[0] == "python":
        words[0] = sys.executable
    elif not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not on this machine")
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(pattern(shown), done.stdout.strip()), done.stdout


@pytest.mark.slow
def test_the_python_client_works_as_shown(ports: dict[str, str]) -> None:
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", on_free_ports(program, ports)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (shown,) = re.findall(r"# (.+)$", program.strip())
    assert done.stdout.splitlines()[-1] == shown


@pytest.mark.slow
def test_ctrl_c_ends_both_servers(
    running: tuple["subprocess.Popen[str]", dict[str, str]],
) -> None:
    process, ports = running
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=100)
    assert "Traceback" not in printed
    for port in ports.values():
        assert f"http://127.0.0.1:{port}" in printed
        with pytest.raises(OSError):
            page(int(port))


def test_every_command_names_things_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for block in blocks("sh"):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] == ["make"]:
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
            elif words[:1] == ["python"] and words[1].endswith(".py"):
                assert (ROOT / words[1]).is_file(), line


def test_every_file_it_links_to_is_there() -> None:
    papers = [*ROOT.glob("*.md"), ROOT / "models" / "README.md", ROOT / "data" / "README.md"]
    for paper in papers:
        for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", paper.read_text("utf-8")):
            link = "".join(target)
            if not link.startswith("http"):
                assert (paper.parent / link).exists(), f"{paper.name} links to {link}"
