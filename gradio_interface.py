"""Serve the drawing page: draw a digit or open a picture, see what the network reads.

    python gradio_interface.py            then open http://127.0.0.1:7860
    python gradio_interface.py --api-url http://127.0.0.1:5000     a running API reads for it

The page's parts lie in `page/`. It also answers `gradio_client`, at the endpoints /predict and
/batch.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cli
import config
from classifier import Classifier
from page import uploads
from page.api_server import ApiServer
from page.reader import Reader
from page.remote import RemoteReader
from page.request_limits import RequestLimits

SWEEP_EVERY = 5.0  # seconds
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def prepare_environment(host: str, uploads: Path) -> None:
    """Set what Gradio reads on import: no telemetry, no hub, uploads in a folder of ours."""
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(uploads))
    # Gradio calls its own server once as it starts; a proxy would not find it.
    for name in ("no_proxy", "NO_PROXY"):
        direct = [os.environ.get(name, ""), "127.0.0.1", "localhost", host]
        os.environ[name] = ",".join(filter(None, direct))


def serve(
    reader_in: Callable[[Path], Reader], settings: config.Settings, browse: bool = False
) -> None:
    """Serve the page on `settings.host` and `settings.page_port` until SIGTERM or Ctrl-C.

    reader_in: returns what reads the pictures that are uploaded to a folder. browse: open the
    page in the browser. Pictures sent to it are deleted at the end.
    """
    with tempfile.TemporaryDirectory(prefix="digit-page-") as folder:
        prepare_environment(settings.host, Path(folder))
        from starlette.middleware import Middleware

        from page import layout

        blocks = layout.build(reader_in(Path(folder)))
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda signum, frame: stop.set())
        try:
            blocks.launch(
                server_name=settings.host,
                server_port=settings.page_port,
                inbrowser=browse,
                max_file_size=settings.max_bytes,
                app_kwargs={"middleware": [Middleware(RequestLimits, settings=settings)]},
                theme=layout.theme(),
                css_paths=layout.STYLES,
                footer_links=[],  # page/program_view.py says how programs use it
                prevent_thread_lock=True,
                inline=False,
                quiet=True,
                # Each of these would otherwise follow the environment.
                share=False,
                ssr_mode=False,
                mcp_server=False,
                run_history=False,
                enable_monitoring=False,
                root_path=os.environ.get("GRADIO_ROOT_PATH", ""),
            )
        except OSError as fault:
            raise cli.cannot_listen(settings.host, settings.page_port, fault) from None
        try:
            print(f"page on {blocks.local_url} (Ctrl-C ends it)", flush=True)
            _sweep_until(stop, Path(folder), settings)
        finally:
            blocks.close(verbose=False)


def _sweep_until(stop: threading.Event, folder: Path, settings: config.Settings) -> None:
    """Keep the folder of uploads from growing, until told to stop."""
    due = 0.0
    while not stop.wait(0.5):  # on Windows a wait without an end cannot be interrupted
        if time.monotonic() < due:
            continue
        begun = time.monotonic()
        uploads.sweep(folder, uploads.BATCHES * settings.page_bytes)
        due = time.monotonic() + max(SWEEP_EVERY, 20 * (time.monotonic() - begun))


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("gradio_interface.py", "Serve the drawing page.")
    add = parser.add_argument
    add("--host", default=settings.host, help="address to listen on")
    add(
        "--port",
        type=cli.whole_number("page_port"),
        default=settings.page_port,
        help="port to listen on",
    )
    add("--model", type=Path, default=settings.model, help="the model file")
    add(
        "--api-url",
        type=cli.text("api_url"),
        default=settings.api_url or None,
        help="a running API that reads in place of the model file, such as http://127.0.0.1:5000",
    )
    add("--browser", action="store_true", help="open the page in the browser")
    return parser


def _work(args: Namespace) -> int:
    settings = replace(
        config.settings(),
        host=args.host,
        page_port=args.port,
        model=args.model,
        api_url=args.api_url or "",
    )
    cli.check_port(args.host, args.port)
    serve(_asking(settings) if settings.api_url else _loaded(settings), settings, args.browser)
    return 0


def _loaded(settings: config.Settings) -> Callable[[Path], Reader]:
    """Load the model file; return what makes a reader with it."""
    classifier = Classifier.load(settings.model)
    print(f"model {classifier.name} {classifier.version} loaded", flush=True)
    return lambda uploads: Reader(classifier, settings, uploads)


def _asking(settings: config.Settings) -> Callable[[Path], Reader]:
    """Return what makes a reader that asks the API; the API may start later than the page."""
    server = ApiServer(settings.api_url, settings.api_key, settings.max_seconds)

    def reader(uploads: Path) -> Reader:
        reader = RemoteReader(server, settings, uploads)
        try:
            card = reader.card()
            print(f"model {card['name']} {card['sha256'][:12]} of {server.url} answers", flush=True)
        except config.ReaderError as fault:
            print(f"{server.url}: {fault}; asked again at every picture", flush=True)
        return reader

    return reader


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    return cli.run("gradio_interface", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
