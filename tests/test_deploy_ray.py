"""The batch job without Ray: what it finds and plans, reads, scores, writes, and goes on with."""

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES

import config

pa = pytest.importorskip("pyarrow", reason="the batch job's parts need PyArrow")
from ray_job import COLUMNS, FEW, records, rows_of, scorer, zipped  # noqa: E402

MOST = config.Settings.max_bytes
import batch_pictures  # noqa: E402
import fsspec  # noqa: E402
import pictures  # noqa: E402
import plan  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import storage  # noqa: E402
import tfrecords  # noqa: E402
from pictures import FILES, PARQUET, TFRECORD, ZIP, Columns  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in files of every kind, and what is left out."""
    made = tmp_path / "given"
    (made / "loose" / "deep").mkdir(parents=True)
    (made / "loose" / "deep" / "a.PNG").write_bytes(EIGHT)
    (made / "loose" / "b.png").write_bytes(FEW["two.png"])
    (made / "loose" / ".hidden.png").write_bytes(EIGHT)
    (made / "loose" / "notes.txt").write_text("no picture")
    (made / "c.zip").write_bytes(zipped(FEW | {"__MACOSX/._x": b"", "d/": b""}))
    names, contents = list(FEW), list(FEW.values())
    pq.write_table(pa.table({"name": names, "image": contents}), made / "d.parquet")
    (made / "e.tfrecord").write_bytes(records(FEW))
    (made / "f.tfrecord.gz").write_bytes(gzip.compress(records(FEW)))
    return made


def test_everything_is_found_and_read_once(folder: Path, tmp_path: Path) -> None:
    made = plan.plan([str(folder)], 2)
    kinds = [shard.part.kind for shard in made.shards]
    assert kinds == [ZIP, ZIP, PARQUET, TFRECORD, TFRECORD, FILES]
    assert made.left_out == 2
    assert made.pictures is None  # a TFRecord file does not say how many it holds
    output = tmp_path / "out"
    told = [scorer(output).score(shard) for shard in made.shards]
    assert [each["fault"] for each in told] == [""] * 6
    assert sum(each["rows"] for each in told) == 14
    rows = rows_of(output)
    assert len({(row["source"], row["index"]) for row in rows}) == 14
    expected = {"two": 2, "five": 5, "eight": 8, "a": 8, "b": 2}
    for row in rows:
        assert row["digit"] == expected[Path(row["name"]).stem]
        assert row["error"] is None
        assert row["probabilities"][row["digit"]] == pytest.approx(row["confidence"])
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert row["preprocessing"] == "enhanced"
        assert len(row["model"]) == 12
        assert 0.5 < row["is_digit"] <= 1


def test_a_picture_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    blank = io.BytesIO()
    batch_pictures.Image.new("L", (30, 30), 255).save(blank, "PNG")
    contents = {"good": EIGHT, "cut": EIGHT[:200], "none": b"words", "blank": blank.getvalue()}
    (tmp_path / "a.zip").write_bytes(zipped(contents))
    output = tmp_path / "out"
    (shard,) = plan.plan([str(tmp_path / "a.zip")], 10).shards
    assert scorer(output).score(shard)["errors"] == 3
    good, cut, none, blank_row = rows_of(output)
    assert good["digit"] == 8
    assert "damaged or cut short" in cut["error"]
    assert "not a picture" in none["error"]
    assert "no ink" in blank_row["error"]
    for row in (cut, none, blank_row):
        assert row["digit"] is row["probabilities"] is row["is_digit"] is row["confidence"] is None


def test_what_is_too_large_is_a_row_and_never_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a": EIGHT, "b": EIGHT + b"0"}))
    (tmp_path / "b.png").write_bytes(EIGHT + b"0")
    found = [
        picture
        for shard in plan.plan([str(tmp_path)], 10).shards
        for picture in pictures.read(shard.part, COLUMNS, len(EIGHT))
    ]
    assert [bool(picture.fault) for picture in found] == [False, True, True]


def test_parquet_is_cut_between_row_groups_and_read_from_its_own(tmp_path: Path) -> None:
    contents = [struct.pack("<I", number) for number in range(25)]
    table = pa.table({"image": contents, "number": list(range(25))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    shards = plan.plan([str(tmp_path / "a.parquet")], 6).shards
    assert [(s.part.first, s.part.count) for s in shards] == [(0, 8), (8, 8), (16, 8), (24, 1)]
    found = [
        picture
        for shard in shards
        for picture in pictures.read(shard.part, Columns(name="number"), MOST)
    ]
    assert [picture.content for picture in found] == contents
    assert [picture.index for picture in found] == list(range(25))
    assert [picture.name for picture in found] == [str(number) for number in range(25)]


def test_pictures_are_found_in_a_structure_and_a_column_that_is_not_there_is_said(
    tmp_path: Path,
) -> None:
    rows = [{"bytes": EIGHT, "path": "a.png"}, {"bytes": None, "path": "b.png"}]
    pq.write_table(pa.table({"image": rows, "label": [8, 2]}), tmp_path / "a.parquet")
    (shard,) = plan.plan([str(tmp_path)], 10).shards
    first, second = pictures.read(shard.part, Columns(), MOST)
    assert first.content == EIGHT
    assert "holds no picture" in second.fault
    told = scorer(tmp_path / "out", columns=Columns(image="photo")).score(shard)
    assert "no column 'photo': it has image, label" in told["fault"]
    pq.write_table(pa.table({"a": [b"1"], "b": [b"2"]}), tmp_path / "two.parquet")
    with pytest.raises(storage.StorageError, match="a, b: name the one of the pictures"):
        pictures.image_column(pq.read_schema(tmp_path / "two.parquet"), "two.parquet")


def test_any_filesystem_of_fsspec_is_read_and_written() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/given/{name}": content for name, content in FEW.items()})
    try:
        made = plan.plan(["memory://given"], 2)
        filesystem, output = storage.located("memory://out")
        plan.claim(filesystem, output, made, {"model": "m"}, COLUMNS)
        told = [scorer("memory://out").score(shard) for shard in made.shards]
        assert [each["rows"] for each in told] == [2, 1]
        assert plan.done(filesystem, output) == {0, 1}
        plan.claim(filesystem, output, made, {"model": "m"}, COLUMNS)
    finally:
        memory.store.clear()


def test_a_place_that_does_not_answer_is_asked_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shard, *_) = plan.plan([str(folder)], 2).shards
    real, failures = pictures.read, iter([OSError("no route"), OSError("no route")])

    def read(*given: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*given)

    monkeypatch.setattr(pictures, "read", read)
    assert scorer(tmp_path / "out").score(shard)["rows"] == 2
    failures = iter([OSError("no route")] * 9)
    told = scorer(tmp_path / "other").score(shard)
    assert (told["rows"], "no route" in told["fault"]) == (0, True)
    assert not (tmp_path / "other").exists()


def test_a_plan_is_the_same_until_an_input_changes(folder: Path) -> None:
    first = plan.plan([str(folder)], 2)
    assert plan.plan([str(folder)], 2) == first
    (folder / "loose" / "b.png").write_bytes(EIGHT)
    assert plan.plan([str(folder)], 2).digest != first.digest


def test_an_output_of_other_words_is_refused(folder: Path, tmp_path: Path) -> None:
    made, settings = plan.plan([str(folder)], 2), {"model": "m", "preprocessing": "enhanced"}
    filesystem, output = storage.located(str(tmp_path / "out"))
    plan.claim(filesystem, output, made, settings, COLUMNS)
    before = (tmp_path / "out" / plan.MANIFEST).read_bytes()
    plan.claim(filesystem, output, made, settings, COLUMNS)
    with pytest.raises(storage.StorageError, match="model 'm', now 'n'"):
        plan.claim(filesystem, output, made, settings | {"model": "n"}, COLUMNS)
    with pytest.raises(storage.StorageError, match="shards 6, now 5"):
        plan.claim(filesystem, output, plan.plan([str(folder)], 3), settings, COLUMNS)
    assert (tmp_path / "out" / plan.MANIFEST).read_bytes() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    filesystem, output = storage.located(str(tmp_path / "full"))
    with pytest.raises(storage.StorageError, match="give an empty folder"):
        plan.claim(filesystem, output, made, settings, COLUMNS)


def test_a_result_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem, path = storage.located(str(tmp_path / "out" / "part-000000.parquet"))
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        storage.write_whole(filesystem, path, b"content")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "does not exist"),
        ("empty", "there are no pictures"),
        ("nothing://x", "cannot be reached"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    given = place if "://" in place else str(tmp_path / place)
    with pytest.raises(storage.StorageError, match=said):
        plan.plan([given], 10)


def test_the_example_of_every_kind_is_what_the_maker_writes(tmp_path: Path) -> None:
    """The maker of a million pictures, on a few: names are numbers and digits."""
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 8:20, 12:16] = 255
    name, content = batch_pictures.picture(0, images, np.array([1]))
    assert name == "0000000_1"
    assert batch_pictures.Image.open(io.BytesIO(content)).size == (280, 280)
    example = batch_pictures.example({"name": b"x" * 300, "image": content})
    assert tfrecords.bytes_features(example) == {"name": b"x" * 300, "image": content}


def test_a_shard_of_another_size_is_refused(tmp_path: Path) -> None:
    """As many shards of another size would double some rows and lose others."""
    given = tmp_path / "given"
    given.mkdir()
    for number in range(10):
        (given / f"{number}.png").write_bytes(EIGHT)
    filesystem, output = storage.located(str(tmp_path / "out"))
    settings = {"model": "m", "shard": 6}
    plan.claim(filesystem, output, plan.plan([str(given)], 6), settings, COLUMNS)
    with pytest.raises(storage.StorageError, match="shard 6, now 5"):
        again = plan.plan([str(given)], 5)
        plan.claim(filesystem, output, again, settings | {"shard": 5}, COLUMNS)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(EIGHT)
    (tmp_path / "b.png").write_bytes(EIGHT)
    assert plan.plan([str(tmp_path), str(tmp_path / "a.png")], 10).pictures == 2


def test_what_a_killed_run_was_writing_is_known_from_a_persons_files(tmp_path: Path) -> None:
    made = plan.plan([str(PICTURES / "eight.png")], 10)
    (tmp_path / f"._manifest.json.{'0' * 32}").write_text("{")
    filesystem, output = storage.located(str(tmp_path))
    plan.claim(filesystem, output, made, {"model": "m"}, COLUMNS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".env").write_text("mine")
    with pytest.raises(storage.StorageError, match="give an empty folder"):
        plan.claim(filesystem, f"{output}/other", made, {"model": "m"}, COLUMNS)
    assert not storage.is_aside(f"{output}/other/.env")
