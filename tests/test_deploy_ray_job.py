"""The batch job from its command line to its results, its worker on "another machine"."""

import dataclasses
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES

import config
import model_files

pytest.importorskip("pyarrow", reason="the batch job's parts need PyArrow")
from ray_job import COLUMNS, rows_of

SHIPPED = config.MODEL_PATH
import batch_predict  # noqa: E402
import model_copy  # noqa: E402
import plan  # noqa: E402
import ray_start  # noqa: E402
import storage  # noqa: E402


@pytest.mark.parametrize("content", [b"words", b"\xff", b"[]", b"[" * 100_000, b""])
def test_a_manifest_that_is_none_is_said_in_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / plan.MANIFEST).write_bytes(content)
    filesystem, output = storage.located(str(tmp_path))
    with pytest.raises(storage.StorageError, match="not a manifest of this program: give") as said:
        plan.claim(filesystem, output, plan.plan([str(PICTURES)], 99), {"model": "m"}, COLUMNS)
    assert "\n" not in str(said.value)


class Elsewhere:
    """Stands in for Ray: hands what it is given, pickled, to a worker on "another machine"."""

    def __init__(self, leave: Any, lost: int | None) -> None:
        self.leave, self.lost = leave, lost
        self.data = SimpleNamespace(from_items=self.from_items, ActorPoolStrategy=lambda **_: None)
        self.exceptions = SimpleNamespace(RayError=RuntimeError)

    def from_items(self, items: list[dict[str, Any]], **_: Any) -> "Elsewhere":
        self.items = items
        return self

    def map_batches(self, kind: Any, **options: Any) -> "Elsewhere":
        assert (
            options["max_task_retries"] == 3
        )  # a shard that ends its worker is not tried for ever
        self.worker = pickle.dumps((kind, options["fn_constructor_kwargs"]))
        return self

    def iter_rows(self) -> Any:
        self.leave()
        kind, arguments = pickle.loads(self.worker)
        worker = kind(**arguments)
        for number, item in enumerate(self.items):
            if number == self.lost:
                continue
            answer = worker({"shard": np.array([item["shard"]], object)})
            yield {name: values[0] for name, values in answer.items()}

    def shutdown(self) -> None:
        pass


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the job, whose worker has neither the model's folder nor the driver's."""
    folder, node = tmp_path / "own", tmp_path / "node"
    folder.mkdir()
    node.mkdir()
    for file in SHIPPED.parent.glob("mnist_cnn.*"):
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)

    def leave() -> None:
        folder.rename(tmp_path / "away")
        monkeypatch.chdir(node)

    def run(*places: Path | str, lost: int | None = None) -> int:
        if not folder.exists():
            (tmp_path / "away").rename(folder)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setitem(sys.modules, "ray", Elsewhere(leave, lost))
        monkeypatch.setattr(ray_start, "start", lambda *_: None)
        words = [str(place) for place in places]
        words += ["--output", str(tmp_path / "out"), "--model", "own/mnist_cnn.keras"]
        return batch_predict.main(words)

    return run


def test_a_worker_needs_no_file_of_the_machine_that_started_the_job(
    job: Any, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for name in ("eight.png", "two.png"):
        (given / name).write_bytes((PICTURES / name).read_bytes())
    assert job("given") == 0
    version = model_files.read_card(SHIPPED)["sha256"][:12]
    assert [(row["digit"], row["model"]) for row in rows_of(tmp_path / "out")] == [
        (8, version),
        (2, version),
    ]


def test_another_file_than_the_model_s_is_refused_on_the_node() -> None:
    copy = model_copy.read(SHIPPED)
    files = copy.files | {copy.name: copy.files[copy.name] + b"0"}
    with pytest.raises(model_files.ModelError, match="is not the file its card describes"):
        dataclasses.replace(copy, files=files).load()


def test_limits_of_the_environment_reach_the_workers_and_bind_what_was_begun(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    large, many = tmp_path / "large.bmp", tmp_path / "many.png"
    large.write_bytes(EIGHT + b"0")
    many.write_bytes(EIGHT)
    monkeypatch.setenv("MNIST_MAX_PIXELS", "100")
    monkeypatch.setenv("MNIST_MAX_BYTES", str(len(EIGHT)))
    assert job(large, many) == 0
    first, second = (row["error"] for row in rows_of(tmp_path / "out"))
    assert f"more than {len(EIGHT):,} bytes" in first
    assert "78,400 pixels: at most 100 are accepted" in second
    monkeypatch.delenv("MNIST_MAX_PIXELS")
    assert job(large, many) == 1
    assert "max_pixels 100, now 50000000" in capsys.readouterr().err


def test_a_shard_that_was_lost_is_told_and_read_by_the_next_start(
    job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a result that was damaged meanwhile is named."""
    assert job(PICTURES / "eight.png", lost=0) == 1
    assert "lacks the results of 1 shards" in capsys.readouterr().err
    assert job(PICTURES / "eight.png") == 0
    (part,) = (tmp_path / "out").glob("part-*")
    part.write_bytes(part.read_bytes()[:-9])
    capsys.readouterr()
    assert job(PICTURES / "eight.png") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "part-000000.parquet is not a whole result: delete it" in line
