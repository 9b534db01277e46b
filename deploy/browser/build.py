"""Build the page that needs no server: deploy/browser/dist, for any static file server.

    python deploy/browser/build.py            or: make browser

Beside this folder's sources it takes the pad and the look of the answer from `page/`, ONNX Runtime
from npm as package-lock.json says, and the model file as ONNX, if that gives the model's answers.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

import cli  # noqa: E402
import config  # noqa: E402
import exports  # noqa: E402
import model_files  # noqa: E402
from load_mnist_local import load_mnist  # noqa: E402
from page import read_tab  # noqa: E402

SOURCES, PACKAGES = HERE / "src", HERE / "node_modules"
RUNTIME = {  # of onnxruntime-web's, by names whose type every file server knows
    "ort.wasm.min.mjs": "ort.js",
    "ort-wasm-simd-threaded.mjs": "runtime.js",
    "ort-wasm-simd-threaded.wasm": "runtime.wasm",
}
STYLES = (read_tab.PAD / "pad.css", ROOT / "page" / "answer.css")
WORKER = "sw.js"
# The pad's files are each the body of a function; here they become one that can be imported.
PAD = """export function pad(element, props, server, upload, trigger) {{
element.innerHTML = {template};
{body}
}}

export function answer(element, props) {{
{answer}
}}
"""


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("build.py", "Build the page that needs no server.")
    parser.add_argument("--model", type=Path, default=settings.model, help="the Keras file")
    parser.add_argument("--output", type=Path, default=HERE / "dist", help="the folder to make")
    return parser


def install() -> None:
    """Install what package-lock.json names, unless it is there. Raises ReaderError."""
    kept = PACKAGES / ".package-lock.json"
    if kept.exists() and kept.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return
    if not shutil.which("npm"):
        raise config.ReaderError("npm is not there: install Node.js with npm")
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise config.ReaderError(
            f"npm ci in {cli.shown(HERE)} failed: {done.stderr.strip()[-500:]}"
        )
    os.utime(kept)


def _write_model(model: Path, made: Path, before: Path) -> None:
    """Put the model in its place as ONNX, with its card; that of an earlier build if it is its."""
    for name in ("model.onnx", "model.json"):
        if (before / name).is_file():
            shutil.copyfile(before / name, made / name)
    try:
        if model_files.read_card(made / "model.onnx")["derived_from"] == _digest_of(model):
            return
    except (model_files.ModelError, KeyError):
        pass
    with tempfile.TemporaryDirectory() as scratch:
        source = exports.Source(model, load_mnist())
        place, _ = exports.export(source, exports.FORMS["onnx"], Path(scratch), 1)
        shutil.copyfile(place, made / "model.onnx")
        shutil.copyfile(model_files.card_path(place), made / "model.json")


def _digest_of(model: Path) -> str:
    return str(model_files.read_card(model)["sha256"])


def _pad() -> str:
    parts = {name: (read_tab.PAD / name).read_text("utf-8") for name in read_tab.SCRIPTS}
    return PAD.format(
        template=json.dumps((read_tab.PAD / "pad.html").read_text("utf-8")),
        body="\n".join(parts.values()),
        answer=(read_tab.PAD / "answer.js").read_text("utf-8"),
    )


def _write_worker(made: Path) -> None:
    """Name all files of the build, and the digest of them all, in the service worker."""
    files = sorted(path for path in made.rglob("*") if path.is_file() and path.name != WORKER)
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(made).as_posix().encode() + b"\0" + path.read_bytes())
    worker = made / WORKER
    names = ["./", *(path.relative_to(made).as_posix() for path in files)]
    text = worker.read_text("utf-8").replace("VERSION_OF_THE_BUILD", digest.hexdigest()[:16])
    worker.write_text(text.replace('["FILES_OF_THE_BUILD"]', json.dumps(names)), "utf-8")


def build(model: Path, output: Path) -> None:
    """Make the folder, aside and then renamed. Raises ReaderError."""
    missing = exports.FORMS["onnx"].missing()
    if missing:
        raise config.ReaderError(f"the page's model needs {missing}: make browser installs them")
    install()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".browser-") as scratch:
        made = Path(scratch) / output.name
        shutil.copytree(SOURCES, made)
        for style in STYLES:
            shutil.copyfile(style, made / style.name)
        (made / "pad.js").write_text(_pad(), "utf-8")
        (made / "ort").mkdir()
        for name, plain in RUNTIME.items():
            shutil.copyfile(PACKAGES / "onnxruntime-web" / "dist" / name, made / "ort" / plain)
        _write_model(model, made, output)
        _write_worker(made)
        if output.exists():
            output.rename(Path(scratch) / "before")
        made.rename(output)


def _work(args: Namespace) -> int:
    build(args.model, args.output)
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{cli.shown(args.output)}  {size / 1e6:.1f} MB")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Build the page; return the exit status."""
    return cli.run("build", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
