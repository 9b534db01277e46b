"""The batch job and damaged files: each is a row with its reason, and all else is read."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_server import EIGHT
from conftest import ROOT

import config

pa = pytest.importorskip("pyarrow", reason="the batch job's parts need PyArrow")
from ray_job import COLUMNS, FEW, records, rows_of, scorer, zipped  # noqa: E402

MOST = config.Settings.max_bytes
import batch_pictures  # noqa: E402
import isolated  # noqa: E402
import pictures  # noqa: E402
import plan  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import storage  # noqa: E402
import tfrecords  # noqa: E402
from pictures import TFRECORD, Part, Picture  # noqa: E402
from watched_file import DamagedFile, Watched  # noqa: E402


def parquet(groups: int = 1) -> bytes:
    """Return the few pictures as Parquet, as often as there are to be row groups."""
    file = io.BytesIO()
    table = pa.table({"name": list(FEW), "image": list(FEW.values())})
    with pq.ParquetWriter(file, table.schema) as writer:
        for _ in range(groups):
            writer.write_table(table)
    return file.getvalue()


def read(file: Path) -> list[Picture]:
    """Plan and read one file."""
    shards = plan.plan([str(file)], 2).shards
    return [each for shard in shards for each in pictures.read(shard.part, COLUMNS, MOST)]


DAMAGED = {
    "cut.zip": zipped(FEW)[:-30],
    "words.zip": b"words",
    "none.zip": b"",
    "cut.parquet": parquet()[:-30],
    "foot.parquet": parquet()[:-40] + b"\xff" * 32 + parquet()[-8:],
    "words.parquet": b"words",
    "cut.tfrecord": records({"a": EIGHT})[:-9],
    "cut.tfrecord.gz": b"\x1f\x8b\x08words",
}


def test_a_damaged_file_is_a_row_and_all_else_is_read(tmp_path: Path) -> None:
    folder, output = tmp_path / "given", tmp_path / "out"
    folder.mkdir()
    for name, content in DAMAGED.items():
        (folder / name).write_bytes(content)
    good = {"a.zip": zipped(FEW), "z.parquet": parquet(), "z.tfrecord": records(FEW)}
    for name, content in good.items():
        (folder / name).write_bytes(content)
    job = plan.plan([str(folder)], 10)
    filesystem, path = storage.located(str(output))
    plan.claim(filesystem, path, job, {"model": "m"}, COLUMNS)
    told = [scorer(output).score(shard) for shard in job.shards]
    assert [each["fault"] for each in told] == [""] * len(job.shards)
    rows = rows_of(output)
    faults = {Path(row["source"]).name: row["error"] for row in rows if row["error"]}
    assert sorted(faults) == sorted(DAMAGED)
    assert all("damaged" in fault or "cannot be read" in fault for fault in faults.values())
    read_from = [Path(row["source"]).name for row in rows if not row["error"]]
    assert sorted(read_from) == sorted([*good] * len(FEW))
    assert plan.done(filesystem, path) == set(range(len(job.shards)))
    plan.claim(filesystem, path, plan.plan([str(folder)], 10), {"model": "m"}, COLUMNS)


def test_a_file_that_was_damaged_and_is_whole_now_is_another_input(tmp_path: Path) -> None:
    """Also where its size and time are the same: it would be cut into other shards."""
    whole = zipped(FEW)
    file = tmp_path / "a.zip"
    digests = []
    for content in (whole, b"x" * len(whole)):
        file.write_bytes(content)
        os.utime(file, (1, 1))
        digests.append(plan.plan([str(file)], 10).digest)
    assert digests[0] != digests[1]


def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path: Path) -> None:
    content = bytearray(parquet(groups=3))
    second = pq.read_metadata(io.BytesIO(content)).row_group(1).column(1)
    start = second.dictionary_page_offset or second.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    (tmp_path / "a.parquet").write_bytes(content)
    found = read(tmp_path / "a.parquet")
    assert [(each.index, bool(each.fault)) for each in found] == [
        *((number, False) for number in (0, 1, 2)),
        (3, True),
        *((number, False) for number in (6, 7, 8)),
    ]
    assert "row 3 and the rest of 3 rows" in found[3].fault


def test_a_row_whose_name_is_no_text_is_a_row(tmp_path: Path) -> None:
    names = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    pq.write_table(pa.table({"name": names, "image": [EIGHT, EIGHT]}), tmp_path / "a.parquet")
    first, second = read(tmp_path / "a.parquet")
    assert (first.name, first.content) == ("a", EIGHT)
    assert "the row cannot be read" in second.fault


def test_a_damaged_entry_of_a_zip_is_a_row(tmp_path: Path) -> None:
    packed = zipped({"a.png": bytes(5_000) + EIGHT, "b.png": EIGHT}, zipfile.ZIP_DEFLATED)
    content = bytearray(packed)
    content[45:60] = b"\xff" * 15
    (tmp_path / "a.zip").write_bytes(content)
    first, second = read(tmp_path / "a.zip")
    assert "damaged" in first.fault
    assert second.content == EIGHT


class Unreachable(io.BytesIO):
    """A file whose place does not answer."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError("no route")


@pytest.mark.parametrize("opened", [pictures.opened_zip, pictures.opened_parquet])
def test_a_place_that_does_not_answer_is_no_damage(opened: Callable[..., Any]) -> None:
    """Otherwise a moment's outage would be written down as the file's own fault, for ever."""
    with pytest.raises(OSError, match="no route"):
        opened(Watched(Unreachable(b"x" * 100)), "a")
    with pytest.raises(DamagedFile, match="not a whole"):
        opened(Watched(io.BytesIO(b"x" * 100)), "a")


def test_a_place_that_is_not_on_the_node_is_no_fault_of_its_files(tmp_path: Path) -> None:
    file = tmp_path / "given" / "a.png"
    file.parent.mkdir()
    file.write_bytes(EIGHT)
    (shard,) = plan.plan([str(file.parent)], 10).shards
    file.parent.rename(tmp_path / "elsewhere")
    assert "is not on this node" in scorer(tmp_path / "out").score(shard)["fault"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("at", [3, 9])
def test_a_tfrecord_of_unknown_length_ends_its_file(tmp_path: Path, at: int) -> None:
    damaged = bytearray(records({"b": EIGHT, "c": EIGHT}))
    damaged[at] ^= 1
    (tmp_path / "a.tfrecord").write_bytes(records({"a": EIGHT}) + damaged)
    first, second = read(tmp_path / "a.tfrecord")
    assert first.content == EIGHT
    assert "the file is damaged, what follows cannot be read" in second.fault


@pytest.mark.parametrize("at", [30, -2])
def test_a_damaged_tfrecord_of_known_length_costs_itself_only(tmp_path: Path, at: int) -> None:
    damaged = bytearray(records({"b": EIGHT}))
    damaged[at] ^= 1
    content = records({"a": EIGHT}) + damaged + records({"c": EIGHT})
    (tmp_path / "a.tfrecord").write_bytes(content)
    found = read(tmp_path / "a.tfrecord")
    assert [(each.index, each.name, bool(each.fault)) for each in found] == [
        (0, "a", False),
        (1, "", True),
        (2, "c", False),
    ]


def test_a_tfrecord_that_is_too_large_is_passed_over() -> None:
    content = records({"large": EIGHT + bytes(99), "a": EIGHT})
    (nothing, fault), (record, none) = tfrecords.records(io.BytesIO(content), len(EIGHT) + 60)
    assert (nothing, none) == (b"", "")
    assert f"at most {len(EIGHT) + 60:,} are accepted" in fault
    assert tfrecords.bytes_features(record)["image"] == EIGHT
    with pytest.raises(tfrecords.RecordError, match="record 0 is cut short"):
        list(tfrecords.records(io.BytesIO(content[:200]), 10))


def test_a_record_that_is_no_example_is_a_row(tmp_path: Path) -> None:
    other = batch_pictures.example({"label": b"8"})
    not_text = other.replace(b"label", b"l\xffbel")
    content = b"".join(batch_pictures.record(each) for each in (b"\xff\xff", other, not_text))
    (tmp_path / "a.tfrecord").write_bytes(content + records({"a": EIGHT}))
    part = Part(str(tmp_path), TFRECORD, (f"{tmp_path}/a.tfrecord",))
    found = list(pictures.read(part, COLUMNS, MOST))
    assert "no tf.train.Example" in found[0].fault
    assert "those of bytes are label" in found[1].fault
    assert "no tf.train.Example" in found[2].fault
    assert found[3].content == EIGHT


ENDING = """
import os, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import isolated, utils
real, once = utils.decode, Path({once!r})

def decode(content, most):
    if content == b"always" or (content == b"once" and not once.exists()):
        once.touch()
        os._exit(139)
    return real({eight!r} if content == b"once" else content, most)

utils.decode = decode
isolated.serve(sys.argv[1], int(sys.argv[2]))
"""


def test_a_picture_that_ends_its_process_twice_is_given_up_and_no_other(tmp_path: Path) -> None:
    script = tmp_path / "ending.py"
    folder, once = str(ROOT / "deploy" / "ray_cluster"), str(tmp_path / "once")
    script.write_text(ENDING.format(folder=folder, once=once, eight=EIGHT))
    process = isolated.Isolated("enhanced", config.Settings.max_pixels, script)
    try:
        prepared = process.prepare([EIGHT, b"once", b"always", b"words", EIGHT])
    finally:
        process.close()
    faults = [fault for _, fault in prepared]
    assert faults[0] == faults[1] == faults[4] == ""
    assert faults[2] == isolated.CRASHED
    assert "not a picture" in faults[3]
    shapes = [None if image is None else image.shape for image, _ in prepared]
    assert shapes == [(28, 28, 1), (28, 28, 1), None, None, (28, 28, 1)]
