"""Every answer keeps to the OpenAPI document; `make test-contract` asks more and longer."""

import threading

import pytest
from contract import KEY, run, server
from flask import Response
from stub_reader import stub_app
from werkzeug.serving import make_server

pytestmark = pytest.mark.slow
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")


def test_every_answer_keeps_to_the_document() -> None:
    with server() as url:
        done = run(url, 4)
    assert done.returncode == 0, done.stdout + done.stderr
    for phase in PHASES:
        assert f"✅ {phase}\n" in done.stdout
    assert "22 selected / 22 total" in done.stdout
    assert "No issues found" in done.stdout


@pytest.mark.parametrize(
    ("answer", "found"),
    [(Response('{"status": "dead"}', content_type="application/json"), "Response violates schema"),
     (Response("", 418), "Undocumented")],
)  # fmt: skip
def test_an_answer_that_does_not_is_found(answer: Response, found: str) -> None:
    app = stub_app(api_key=KEY)
    app.view_functions["healthz"] = lambda: answer
    broken = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=broken.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{broken.server_port}"
        done = run(url, 2, "--include-operation-id", "healthz", "--phases", "fuzzing")
    finally:
        broken.shutdown()
        thread.join()
        broken.server_close()
    assert done.returncode == 1
    assert found in done.stdout
