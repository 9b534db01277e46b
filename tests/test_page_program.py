"""What the page says of its use by programs: its code is run as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_window import Server, mnist_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


@pytest.fixture
def code(page_server: Server, open_page: Callable[..., "Page"]) -> list[str]:
    """The code on the page, as somebody copies it: Python, and commands."""
    page = open_page()
    page.get_by_text("Use it from a program").click()
    texts = page.locator(".program pre").all_inner_texts()
    assert all(page_server.url in text for text in texts)
    return texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with eight.png, which shows a digit whose label is in label.txt, and more.zip."""
    content, label = mnist_picture(0)
    (tmp_path / "eight.png").write_bytes(content)
    (tmp_path / "label.txt").write_text(str(label))
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("packed.png", content)
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_python_code_reads_a_picture_and_a_batch(code: list[str], folder: Path) -> None:
    label = (folder / "label.txt").read_text()
    one, batch = run([sys.executable, "-c", code[0]], folder).splitlines()
    assert f"'digit': {label}" in one
    assert re.findall(r"'file': '[^']*', 'digit': (\d)", batch) == [label, label]


@pytest.mark.skipif(not shutil.which("curl") or os.name != "posix", reason="needs curl")
def test_the_commands_read_a_picture(code: list[str], folder: Path) -> None:
    upload, ask, fetch = re.findall(r"^curl (?:[^\n]*\\\n)*[^\n]*", code[1], re.MULTILINE)
    (path,) = json.loads(run(["sh", "-c", upload], folder))
    event = json.loads(run(["sh", "-c", ask.replace("PATH", path)], folder))["event_id"]
    told = run(["sh", "-c", fetch.replace("EVENT", event)], folder)
    assert f'"digit": {(folder / "label.txt").read_text()}' in told
