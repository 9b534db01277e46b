"""The floor plan holds: arrows go down, nothing works when imported, and rooms stay small."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

# A room may import rooms of lower levels only. A new room is given its level here.
LEVELS = (
    ("config", "containers", "image_filters", "letters", "outputs", "quiet", "strokes"),
    ("cli", "decoding", "ink_parts", "metrics", "model_files", "negatives", "presets"),
    ("checkpoints", "flat_paper", "keras_runtime", "model", "onnx_runtime"),
    ("enhanced", "litert_runtime"),
    ("utils", "classifier"),
    (
        "load_mnist_local",
        "answers",
        "attribution",
        "decoding_process",
        "paper",
        "picture_sets",
        "plot_words",
        "plots",
    ),
    ("trust_plots",),
    ("augment",),
    ("training_pool",),
    ("lessons",),
    ("training_loop",),
    ("calibration", "evaluation", "promotion"),
    ("parity",),
    ("exports",),
    ("api", "page"),
    ("train_model", "test_model_confidence", "export_model", "flask_deploy", "gradio_interface"),
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
TRAINING = {
    "presets",
    "augment",
    "letters",
    "strokes",
    "negatives",
    "training_pool",
    "lessons",
    "checkpoints",
    "promotion",
    "training_loop",
    "calibration",
    "evaluation",
    "parity",
    "exports",
    "load_mnist_local",
    "train_model",
    "export_model",
}
SERVING = ("flask_deploy", "gradio_interface", "classifier", "answers", "api", "page")
HEAVY = ("tensorflow", "keras", "gradio", "matplotlib")
MOST_LINES_A_FILE, MOST_LINES_A_FUNCTION = 330, 60
MOST_SECONDS_TO_IMPORT_ALL = 2.0  # of the processor

PYTHON_FILES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not any(part.startswith(".") or part == "node_modules" for part in path.parts)
)
ROOMS = [
    path for path in PYTHON_FILES if path.parent == ROOT or path.parent.name in ("api", "page")
]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(path: Path) -> str:
    """Return the name under which LEVELS knows a file: itself, or its package."""
    return module_of(path).split(".")[0]


def imports(path: Path) -> set[str]:
    """Return the top-level names of all that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or room_of(path)).split(".")[0])
    return found


def is_script(path: Path) -> bool:
    return path.parent == ROOT and 'if __name__ == "__main__":' in path.read_text("utf-8")


HOUSE = {room_of(path) for path in ROOMS}
SCRIPTS = [path for path in ROOMS if is_script(path)]


def test_the_house_is_found() -> None:
    """So that the tests below cannot pass for want of anything to look at."""
    assert {"config", "utils", "classifier", "load_mnist_local"} <= HOUSE
    assert "load_mnist_local" in {room_of(path) for path in SCRIPTS}
    assert "config" in imports(ROOT / "utils.py")


@pytest.mark.parametrize("path", ROOMS, ids=named)
def test_arrows_go_down_only(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} has no level yet: add it to LEVELS"
    for other in (imports(path) & HOUSE) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{room} may not import {other}"


@pytest.mark.parametrize("path", ROOMS, ids=named)
def test_no_room_imports_a_script(path: Path) -> None:
    """Except the data's, which is a room that can also be run."""
    scripts = {room_of(script) for script in SCRIPTS} - {"load_mnist_local", room_of(path)}
    assert not imports(path) & scripts


@pytest.mark.parametrize("room", SERVING)
def test_serving_never_reaches_training(room: str) -> None:
    reached, waiting = set(), {room} & HOUSE
    while waiting:
        reached |= waiting
        files = [path for path in ROOMS if room_of(path) in waiting]
        waiting = {other for path in files for other in imports(path) & HOUSE} - reached
    assert not reached & TRAINING


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_has_a_main_that_cli_runs(path: Path) -> None:
    functions = {
        node.name: node
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    main = functions["main"]
    assert [argument.arg for argument in main.args.args] == ["argv"]
    assert isinstance(main.returns, ast.Name)
    assert main.returns.id == "int"
    assert "cli.run(" in ast.unparse(main)


# Imports rooms in turn; prints for each what it touches and which modules are there after it,
# and the processor time of all.
WATCHED_IMPORTS = """
import importlib, json, os, sys, time
sys.path.insert(0, sys.argv[1])
touched = []
def watch(event, args):
    if event == "open" and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(args[0]) != os.devnull:
            touched.append(f"writes {args[0]}")
    elif event == "os.putenv" and b"OPENBLAS" in args[0]:
        pass  # numpy does that, and takes it back
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.chdir", "os.putenv", "os.fork",
                   "subprocess.Popen", "os.system", "socket.bind", "socket.connect",
                   "_thread.start_new_thread"):
        touched.append(f"{event} {args}")
sys.addaudithook(watch)
found, begun = {}, time.process_time()
for room in sys.argv[2:]:
    before = len(touched)
    importlib.import_module(room)
    found[room] = {"touched": touched[before:], "modules": list(sys.modules)}
print(json.dumps({"seconds": time.process_time() - begun, "rooms": found}))
"""
WITH_TENSORFLOW = ("augment", "lessons", "training_loop", "calibration")
LIGHT_ROOMS = [path for path in ROOMS if room_of(path) not in WITH_TENSORFLOW]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What importing all rooms costs and does, the lowest first, in a process of its own."""
    folder = tmp_path_factory.mktemp("imported")
    upwards = sorted(LIGHT_ROOMS, key=lambda path: LEVEL.get(room_of(path), len(LEVELS)))
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED_IMPORTS, str(ROOT), *map(module_of, upwards)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=100,
        check=True,
        env=os.environ | {"HOME": str(folder)},
    )
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    found: dict[str, Any] = json.loads(done.stdout)  # fails if an import prints anything
    return found


@pytest.mark.parametrize("path", LIGHT_ROOMS, ids=named)
def test_importing_does_nothing(path: Path, imported: dict[str, Any]) -> None:
    found = imported["rooms"][module_of(path)]
    assert found["touched"] == []
    assert not [name for name in HEAVY if name in found["modules"]]


def test_importing_is_quick(imported: dict[str, Any]) -> None:
    assert imported["seconds"] < MOST_SECONDS_TO_IMPORT_ALL


@pytest.mark.parametrize("path", PYTHON_FILES, ids=named)
def test_files_and_functions_can_be_seen_whole(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= MOST_LINES_A_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MOST_LINES_A_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=named)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
