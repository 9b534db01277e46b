"""The floor plan holds: arrows go down, nothing works when imported, and rooms stay small."""

import ast
import graphlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

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
MOST_LINES_A_FILE, MOST_LINES_A_FUNCTION = 400, 60
MOST_SECONDS_TO_IMPORT_ALL = 2.0  # of the processor

PYTHON_FILES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not any(part.startswith(".") or part == "node_modules" for part in path.parts)
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return named(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


MODULES = {
    module_of(path): path
    for path in PYTHON_FILES
    if path.parent == ROOT or path.parent.name in ("api", "page")
}


def imports(path: Path) -> list[str]:
    """Return the project's modules that a file imports, inside functions too, sorted."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{named(path)}: import by the module's full name"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(names & set(MODULES))


IMPORTS = {module: imports(path) for module, path in MODULES.items()}
SCRIPTS = {
    module: path
    for module, path in MODULES.items()
    if path.parent == ROOT and 'if __name__ == "__main__":' in path.read_text("utf-8")
}


def test_the_house_is_found() -> None:
    """So that the tests below cannot pass for want of anything to look at."""
    assert {"config", "utils", "classifier", "api.app", "page.layout"} <= set(MODULES)
    assert {"flask_deploy", "train_model", "load_mnist_local"} <= set(SCRIPTS)
    assert {"config", "decoding"} <= set(IMPORTS["utils"])
    assert "api.reading" in IMPORTS["api.app"]


def test_arrows_go_down_only() -> None:
    """Else there are modules that import each other, and CycleError names them."""
    graphlib.TopologicalSorter(IMPORTS).prepare()


def test_no_room_imports_a_script() -> None:
    """Except the data's, which is a room that can also be run."""
    scripts = set(SCRIPTS) - {"load_mnist_local"}
    wrong = {module: scripts & set(imported) for module, imported in IMPORTS.items()}
    assert {module: imported for module, imported in wrong.items() if imported} == {}


def test_serving_never_reaches_training() -> None:
    waiting = {module for module in MODULES if module.split(".")[0] in SERVING}
    reached: set[str] = set()
    while waiting:
        reached |= waiting
        waiting = {other for module in waiting for other in IMPORTS[module]} - reached
    assert len(reached) > len(SERVING)
    assert not reached & TRAINING
    assert set(MODULES) >= TRAINING


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_a_main_that_cli_runs(script: str) -> None:
    functions = {
        node.name: node
        for node in parsed(SCRIPTS[script]).body
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


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What importing all rooms costs and does, the lowest first, in a process of its own."""
    folder = tmp_path_factory.mktemp("imported")
    upwards = graphlib.TopologicalSorter(IMPORTS).static_order()
    light = [module for module in upwards if module not in WITH_TENSORFLOW]
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED_IMPORTS, str(ROOT), *light],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=100,
        check=True,
        env=os.environ | {"HOME": str(folder)},
    )
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    seen: dict[str, Any] = json.loads(done.stdout)  # fails if an import prints anything
    assert set(seen["rooms"]) == set(MODULES) - set(WITH_TENSORFLOW)
    return seen


def test_importing_does_nothing(imported: dict[str, Any]) -> None:
    for room, seen in imported["rooms"].items():
        assert seen["touched"] == [], room
        assert not [name for name in HEAVY if name in seen["modules"]], room


def test_importing_is_quick(imported: dict[str, Any]) -> None:
    assert imported["seconds"] < MOST_SECONDS_TO_IMPORT_ALL


def test_files_and_functions_can_be_seen_whole() -> None:
    for path in PYTHON_FILES:
        assert path.read_text("utf-8").count("\n") <= MOST_LINES_A_FILE, named(path)
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= MOST_LINES_A_FUNCTION, f"{named(path)}: {node.name}, {length}"


def test_every_file_says_what_it_is_for() -> None:
    assert [named(path) for path in PYTHON_FILES if not ast.get_docstring(parsed(path))] == []
