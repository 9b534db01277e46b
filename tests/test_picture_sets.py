"""A user's own pictures: every layout that people make is read, every fault named, none escapes."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import picture_sets
from picture_sets import LabelledPicture, PictureSetError, read_pictures

Files = dict[str, bytes]
Write = Callable[[Files], Path]
TWO = {"a.png": b"eight", "b.png": b"three"}  # contents are handed on, not looked at
TWO_READ = [LabelledPicture("a.png", 8, b"eight"), LabelledPicture("b.png", 3, b"three")]


def write_folder(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    folder.mkdir(exist_ok=True)
    return folder


def write_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(params=["folder", "zip"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Give a function that puts files in a folder or in a zip file, and returns its path."""
    if request.param == "zip":
        return lambda files: write_zip(tmp_path / "mine.zip", files)
    return lambda files: write_folder(tmp_path / "mine", files)


@pytest.mark.parametrize(
    "labels",
    [
        b"file,label\na.png,8\nb.png,3\n",
        b"label,source,file\r\n8,me,a.png\r\n3,you,b.png\r\n",
        b"\xef\xbb\xbffile;label\na.png;8\nb.png; 3\n",  # as a spreadsheet saves it
    ],
)
def test_labels_in_a_csv_file(write: Write, labels: bytes) -> None:
    found = read_pictures(write({"labels.csv": labels, **TWO, "unlisted.png": b"?"}))
    assert list(found) == TWO_READ
    assert (len(found), found.name) == (2, "mine")
    assert list(found) == TWO_READ, "a second reading"


def test_names_in_subfolders_with_either_slash(write: Write) -> None:
    labels = b"file,label\nmy/a.png,8\nmy\\b.png,3\n"
    found = read_pictures(write({"labels.csv": labels, "my/a.png": b"1", "my/b.png": b"2"}))
    assert [picture.content for picture in found] == [b"1", b"2"]


def test_labels_by_folder(write: Write) -> None:
    files = {
        "3/x.png": b"three",
        "8/ann/y.png": b"eight",
        "none/z.png": b"a letter",
        "8/.DS_Store": b"left by macOS",
        "8/Thumbs.db": b"left by Windows",
        "other/q.png": b"of no label",
        "readme.txt": b"",
    }
    assert list(read_pictures(write(files))) == [
        LabelledPicture("3/x.png", 3, b"three"),
        LabelledPicture("8/ann/y.png", 8, b"eight"),
        LabelledPicture("none/z.png", None, b"a letter"),
    ]


def test_none_is_the_label_of_what_is_no_digit(write: Write) -> None:
    found = read_pictures(write({"labels.csv": b"file,label\na.png,none\n", "a.png": b"A"}))
    assert [picture.label for picture in found] == [None]


@pytest.mark.parametrize("layout", ["labels.csv", "folders"])
def test_a_zip_of_one_folder_as_file_managers_make_it(tmp_path: Path, layout: str) -> None:
    files = {"labels.csv": b"file,label\na.png,8\nb.png,3\n", **TWO}
    if layout == "folders":
        files = {"8/a.png": b"eight", "3/b.png": b"three"}
    wrapped = {f"my digits/{name}": content for name, content in files.items()}
    found = read_pictures(write_zip(tmp_path / "z.zip", wrapped | {"__MACOSX/._a.png": b"junk"}))
    assert sorted(found.labels) == sorted(
        read_pictures(write_zip(tmp_path / "y.zip", files)).labels
    )
    assert {picture.content for picture in found} == {b"eight", b"three"}


def test_a_zip_with_the_folder_of_one_digit(tmp_path: Path) -> None:
    found = read_pictures(write_zip(tmp_path / "z.zip", {"8/a.png": b"", "8/b.png": b""}))
    assert found.labels == [("8/a.png", 8), ("8/b.png", 8)]


FAULTS = {
    "no labels": ({"a.png": b""}, "no labelled pictures.*labels.csv.*file,label.*folders.*0 to 9"),
    "empty": ({}, "no labelled pictures"),
    "missing": ({"labels.csv": b"file,label\na.png,8\n"}, "'a.png', which is not in there"),
    "no such digit": ({"labels.csv": b"file,label\na.png,12\n", **TWO}, "line 2: .*'12'.*0 to 9"),
    "no label": ({"labels.csv": b"file,label\na.png,8\nb.png\n", **TWO}, "line 3: .*None"),
    "other columns": ({"labels.csv": b"name,digit\na.png,8\n", **TWO}, "'name,digit'.*file,label"),
    "no rows": ({"labels.csv": b"file,label\n", **TWO}, "0 rows"),
    "no text": ({"labels.csv": b"file,label\n\xff\xfe\n", **TWO}, "not a CSV file in UTF-8"),
    "a folder": ({"labels.csv": b"file,label\nmy,8\n", "my/a.png": b""}, "'my', which is not"),
    "a null": ({"labels.csv": b"file,label\na\x00b,8\n", **TWO}, "labels.csv of"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(write: Write, fault: str) -> None:
    files, message = FAULTS[fault]
    path = write(files)
    with pytest.raises(PictureSetError, match=message) as raised:
        read_pictures(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PictureSetError, match="nowhere does not exist: give a folder or a zip"):
        read_pictures(tmp_path / "nowhere")


OUTSIDE = (
    "../secret.png",
    "my/../../secret.png",
    "{root}/secret.png",
    "..\\secret.png",
    "link.png",
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_is_read(write: Write, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    labels = f"file,label\n{name.format(root=tmp_path)},8\n".encode()
    path = write({"labels.csv": labels, "my/a.png": b""})
    if path.is_dir():
        (path / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(PictureSetError, match="which is not in there"):
        read_pictures(path)


def test_links_out_of_a_digit_folder_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = write_folder(tmp_path / "mine", {"8/a.png": b"eight"})
    (folder / "8" / "link.png").symlink_to(tmp_path / "secret.png")
    assert [picture.content for picture in read_pictures(folder)] == [b"eight"]


def test_a_zip_writes_nothing_to_disk(tmp_path: Path) -> None:
    files = {"labels.csv": b"file,label\n../../up.png,8\n", "../../up.png": b"climbing"}
    (tmp_path / "a" / "b").mkdir(parents=True)
    archive = write_zip(tmp_path / "a" / "b" / "z.zip", files)
    before = sorted(tmp_path.rglob("*"))
    assert [picture.content for picture in read_pictures(archive)] == [b"climbing"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.png", "labels.csv"])
def test_a_file_above_the_limit(write: Write, name: str) -> None:
    files = {"labels.csv": b"file,label\na.png,8\n", "a.png": b""}
    files[name] = bytes(picture_sets.LARGEST + 1)
    with pytest.raises(PictureSetError, match=rf"{name} of .* has 16,777,217 bytes"):
        read_pictures(write(files))


def test_a_file_that_is_no_zip_and_one_cut_short(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.zip", {"8/a.png": b"eight" * 100}).read_bytes()
    for content in (b"", b"not a zip", whole[:-10], whole[: len(whole) // 2]):
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(PictureSetError, match=r"bad\.zip is not a whole zip file"):
            read_pictures(tmp_path / "bad.zip")


def test_a_damaged_and_an_encrypted_picture_in_a_zip(tmp_path: Path) -> None:
    content = write_zip(tmp_path / "z.zip", {"8/a.png": bytes(range(256)) * 8}).read_bytes()
    damaged, encrypted = bytearray(content), bytearray(content)
    damaged[60] ^= 0xFF
    encrypted[6] |= 1  # general purpose flags, of the entry
    encrypted[content.index(b"PK\x01\x02") + 8] |= 1  # and of the directory
    for altered, message in ((damaged, "cannot be unpacked"), (encrypted, "encrypted")):
        (tmp_path / "altered.zip").write_bytes(altered)
        found = read_pictures(tmp_path / "altered.zip")
        with pytest.raises(PictureSetError, match=rf"8/a\.png of .*{message}"):
            list(found)


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30))
def test_whatever_name_is_listed_only_files_inside_are_read(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("any") / "mine"
    quoted = '"' + name.replace('"', '""') + '"'
    write_folder(folder, {"labels.csv": f"file,label\n{quoted},8\n".encode(), "a.png": b"inside"})
    archive = write_zip(
        folder.with_suffix(".zip"),
        {file.name: file.read_bytes() for file in folder.iterdir()},
    )
    for path in (folder, archive):
        try:
            contents = [picture.content for picture in read_pictures(path)]
        except PictureSetError:
            continue
        labels = (folder / "labels.csv").read_bytes()
        assert contents in ([b"inside"], [labels])
