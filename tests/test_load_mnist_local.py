"""The data: read whole and verified, or refused with the file, what was found and expected."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import config
import load_mnist_local as mnist_data
from load_mnist_local import DataError, Mnist

FILES = config.DATA_FILES
SPLIT = "6d717ef3ab6f8e44"  # of the SHA-256 of the indices held out


def packed(part: str) -> Path:
    return config.DATA_DIR / f"{FILES[part].name}.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the data folder, to be spoilt."""
    for part in FILES:
        shutil.copy(packed(part), tmp_path)
    return tmp_path


def refusal(folder: Path, part: str, *expected: str) -> str:
    """Return the message with which a file is refused, after checking that it names it."""
    with pytest.raises(DataError) as caught:
        mnist_data.read_idx(folder, FILES[part])
    message = str(caught.value)
    assert str(folder / FILES[part].name) in message
    assert "\n" not in message
    assert "git checkout -- data" in message
    for word in ("expected", *expected):
        assert word in message
    return message


def test_the_splits_have_their_sizes_and_are_in_mnist_form(mnist: Mnist) -> None:
    for split, size in ((mnist.train, 55_000), (mnist.validation, 5_000), (mnist.test, 10_000)):
        assert len(split) == size
        assert split.images.shape == (size, 28, 28, 1)
        assert split.images.dtype == np.float32
        assert (split.images.min(), split.images.max()) == (0.0, 1.0)
        assert split.labels.shape == (size,)
        assert split.labels.dtype == np.int64
        assert np.unique(split.labels).tolist() == list(range(10))
    # Ink is 1: paper is most of a page.
    assert 0.1 < mnist.test.images.mean() < 0.2
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_train_and_validation_are_the_60000_images_each_once(mnist: Mnist) -> None:
    images = mnist_data.to_images(mnist_data.read_idx(config.DATA_DIR, FILES["train_images"]))
    labels = mnist_data.read_idx(config.DATA_DIR, FILES["train_labels"])
    held_out = mnist_data.validation_indices(labels)
    rest = np.setdiff1d(np.arange(60_000), held_out)
    assert len(held_out) + len(rest) == 60_000
    np.testing.assert_array_equal(mnist.validation.images, images[held_out])
    np.testing.assert_array_equal(mnist.validation.labels, labels[held_out])
    np.testing.assert_array_equal(mnist.train.images, images[rest])
    np.testing.assert_array_equal(mnist.train.labels, labels[rest])


def test_the_split_never_changes_on_any_machine() -> None:
    labels = mnist_data.read_idx(config.DATA_DIR, FILES["train_labels"])
    first, second = (mnist_data.validation_indices(labels) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    # Were it to change, images that a shipped model was trained on would judge the next one.
    assert hashlib.sha256(first.astype("<i8").tobytes()).hexdigest()[:16] == SPLIT


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=300),
    st.floats(0, 1),
)
def test_every_class_is_held_out_in_its_share(labels: list[int], part: float) -> None:
    array = np.array(labels)
    size = round(part * len(labels))
    chosen = mnist_data.validation_indices(array, size)
    assert len(np.unique(chosen)) == len(chosen) == size
    shares = np.bincount(array, minlength=10) * size / len(labels)
    assert np.abs(np.bincount(array[chosen], minlength=10) - shares).max(initial=0) < 1


@pytest.mark.parametrize("part", FILES)
def test_a_plain_file_is_read_like_a_gzipped_one(tmp_path: Path, part: str) -> None:
    (tmp_path / FILES[part].name).write_bytes(gzip.decompress(packed(part).read_bytes()))
    plain, gzipped = (mnist_data.read_idx(f, FILES[part]) for f in (tmp_path, config.DATA_DIR))
    assert plain.shape == FILES[part].shape
    np.testing.assert_array_equal(plain, gzipped)


@pytest.mark.parametrize("part", FILES)
def test_a_missing_file_is_named(folder: Path, part: str) -> None:
    (folder / packed(part).name).unlink()
    refusal(folder, part, "is missing", f"{FILES[part].name}.gz", str(folder))


def test_a_missing_folder_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        mnist_data.load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize("part", FILES)
def test_a_truncated_gzip_file_is_refused(folder: Path, part: str) -> None:
    file = folder / packed(part).name
    file.write_bytes(file.read_bytes()[:-1000])
    refusal(folder, part, "cannot be unpacked", "whole gzip file")


@pytest.mark.parametrize("content", [b"", b"not gzip at all", b"\x1f\x8b", bytes(range(64))])
def test_what_is_not_gzip_is_refused(folder: Path, content: bytes) -> None:
    (folder / packed("test_labels").name).write_bytes(content)
    refusal(folder, "test_labels")


@pytest.mark.parametrize(
    ("part", "given_in_its_place", "found", "expected"),
    [
        ("train_images", "train_labels", "60000 unsigned bytes", "60000x28x28 unsigned bytes"),
        ("train_labels", "train_images", "60000x28x28 unsigned bytes", "60000 unsigned bytes"),
        ("train_images", "test_images", "10000x28x28 unsigned bytes", "60000x28x28"),
        ("test_labels", "train_labels", "60000 unsigned bytes", "10000 unsigned bytes"),
    ],
)
def test_swapped_files_are_told_apart(
    folder: Path, part: str, given_in_its_place: str, found: str, expected: str
) -> None:
    shutil.copy(packed(given_in_its_place), folder / packed(part).name)
    message = refusal(folder, part, f"is not {FILES[part].name}")
    assert f"its header is {found}, expected {expected}" in message


def altered(content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (altered, ("was altered", FILES["test_labels"].sha256)),
        (lambda content: content[:-1], ("10,007 bytes", "10,008")),
        (lambda content: content + b"\0", ("10,009 bytes", "10,008")),
        (lambda content: content[:6], ("no IDX header",)),
        (lambda content: b"", ("no IDX header (empty)",)),
        (lambda content: content[:3] + b"\3" + content[4:], ("its header is",)),
        (lambda content: content[:3] + b"\xff" + content[4:9], ("cut short",)),
        (lambda content: content[:2] + b"\x0d" + content[3:], ("type 0x0d",)),
    ],
)
@pytest.mark.parametrize("gzipped", [True, False])
def test_altered_contents_are_refused(
    folder: Path, change: Callable[[bytes], bytes], words: tuple[str, ...], gzipped: bool
) -> None:
    file = folder / packed("test_labels").name
    content = change(gzip.decompress(file.read_bytes()))
    if gzipped:
        file.write_bytes(gzip.compress(content))
    else:
        file.unlink()
        (folder / FILES["test_labels"].name).write_bytes(content)
    refusal(folder, "test_labels", *words)


@given(st.data())
@settings(max_examples=50)
def test_damage_anywhere_never_yields_other_labels(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(packed("test_labels").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    folder = tmp_path_factory.mktemp("damaged")
    (folder / packed("test_labels").name).write_bytes(content)
    try:
        labels = mnist_data.read_idx(folder, FILES["test_labels"])
    except DataError:
        return
    # The header of a gzip file holds a date and a system, which are of no account.
    assert (
        hashlib.sha256(labels.tobytes()).digest()
        == hashlib.sha256(
            mnist_data.read_idx(config.DATA_DIR, FILES["test_labels"]).tobytes()
        ).digest()
    )


def test_any_spoilt_file_stops_the_whole(folder: Path) -> None:
    shutil.copy(packed("train_labels"), folder / packed("test_labels").name)
    with pytest.raises(DataError, match="t10k-labels"):
        mnist_data.load_mnist(folder)


def test_the_script_prints_a_summary_and_draws_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tmp_path / "new" / "samples.png"
    assert mnist_data.main(["--samples", str(samples)]) == 0
    shown = capsys.readouterr().out
    for name, size in (("train", 55_000), ("validation", 5_000), ("test", 10_000)):
        row = next(line.split() for line in shown.splitlines() if line.startswith(name + " "))
        assert int(row[1]) == size == sum(map(int, row[2:]))
    assert str(samples) in shown
    with Image.open(samples) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape == (10 * 56, 20 * 56)
    assert pixels.mean() > 200  # dark on light, as one reads


def test_the_script_reads_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path))
    assert mnist_data.main([]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "samples.png"
    assert mnist_data.main(["--samples", str(target)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("load_mnist_local: ")
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1
