"""`python test_model_confidence.py`: one table, told, written and drawn alike."""

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import config
import paper
import test_model_confidence as confidence
from classifier import Classifier
from load_mnist_local import Split
from outputs import Outputs

PICTURES = config.ROOT / "tests" / "pictures"
BLACK = np.ones((28, 28, 1), np.float32)


def sure_of_one(images: np.ndarray) -> Outputs:
    """Answer every image with 1, 80% sure."""
    answer = np.full(10, 0.2 / 9, np.float32)
    answer[1] = 0.8
    return Outputs(np.tile(answer, (len(images), 1)))


def judging_by_ink(images: np.ndarray) -> Outputs:
    """Answer the same, and that what has more ink is more of a digit."""
    return Outputs(sure_of_one(images).probabilities, images.mean(axis=(1, 2, 3)))


CARD = {"name": "sure of one", "sha256": ""}
CLASSIFIER, JUDGE = Classifier(sure_of_one, CARD), Classifier(judging_by_ink, CARD)


def test_a_refused_picture_counts_as_wrong_but_not_in_confidence() -> None:
    pictures = [(1, BLACK), (1, BLACK), (2, BLACK), (1, None)]
    found = confidence.measure("mine", "enhanced", pictures, CLASSIFIER)
    assert (found.count, found.refused) == (4, 1)
    assert found.accuracy == pytest.approx(2 / 4)
    assert found.mean_confidence == pytest.approx(0.8)
    assert found.low_confidence == 0
    assert found.calibration_error == pytest.approx(0.8 - 2 / 3)


def test_when_all_are_refused_nothing_is_right_and_nothing_else_is_measured() -> None:
    found = confidence.measure("mine", "basic", [(1, None), (2, None)], CLASSIFIER)
    assert (found.accuracy, found.refused) == (0, 2)
    assert found.mean_confidence is found.low_confidence is found.calibration_error is None


def test_pictures_of_no_digit_have_confidence_but_no_accuracy() -> None:
    found = confidence.measure("mine", "basic", [(None, BLACK), (None, None)], CLASSIFIER)
    assert found.accuracy is found.calibration_error is None
    assert found.mean_confidence == pytest.approx(0.8)
    assert (found.count, found.refused) == (2, 1)


Pictures = list[tuple[int | None, np.ndarray | None]]


def inked(label: int | None, *shares: float) -> Pictures:
    """Return pictures of one label, each grey by its share of ink."""
    return [(label, share * BLACK) for share in shares]


@pytest.mark.parametrize(
    ("label", "misjudged"),
    [(1, 1 / 4), (None, 3 / 4)],
    ids=["a digit taken for none", "no digit taken for one"],
)
def test_what_is_digit_takes_for_the_other_is_counted(label: int | None, misjudged: float) -> None:
    pictures = [*inked(label, 0.49, 0.5, 0.6, 1.0), (label, None)]  # a refused one counts not
    found = confidence.measure("mine", "basic", pictures, JUDGE)
    assert found.misjudged == pytest.approx(misjudged)
    assert confidence.measure("mine", "basic", pictures, CLASSIFIER).misjudged is None
    assert confidence.measure("mine", "basic", [(label, None)], JUDGE).misjudged is None


def test_the_table_and_the_csv_have_a_dash_and_a_gap_where_is_digit_is_not_said(
    tmp_path: Path,
) -> None:
    pictures = inked(1, 0.4, 0.6)
    rows = [confidence.measure("a", "basic", pictures, each) for each in (JUDGE, CLASSIFIER)]
    place = confidence.HEADINGS.index("misjudged") + 2  # after the names of set and method
    cells = [confidence.table_line(row, 1).split()[place] for row in rows]
    assert cells == ["50.00%", "-"]
    confidence.write_csv(rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8") as file:
        assert [row["misjudged"] for row in csv.DictReader(file)] == ["0.500000", ""]


def test_sets_of_no_digit_are_told_from_the_test_digits_by_the_same_method() -> None:
    def rows(judge: Classifier) -> list[confidence.Comparison]:
        def row(name: str, method: str, pictures: Pictures) -> confidence.Comparison:
            return confidence.measure(name, method, pictures, judge)

        return [
            row(confidence.TEST_SET, "basic", inked(1, 0.4, 0.8)),
            row(confidence.TEST_SET, "enhanced", inked(1, 0.9)),
            row("moved", "basic", inked(1, 0.0)),
            row("mine, no digit", "basic", inked(None, 0.4, 0.6)),
            row("mine, no digit", "enhanced", inked(None, 0.4, 0.6)),
            row("yours, no digit", "basic", [(None, None)]),
            row("all refused", "basic", [(1, None)]),
        ]

    lines = [line.split() for line in confidence.separation_lines(rows(JUDGE), 20)]
    assert lines == [
        ["mine,", "no", "digit", "basic", "0.6250"],
        ["mine,", "no", "digit", "enhanced", "1.0000"],
    ]
    assert confidence.separation_lines(rows(CLASSIFIER), 20) == []


def test_every_condition_gets_the_same_digits_and_a_seed_the_same_pictures() -> None:
    rng = np.random.default_rng(1)
    images = (rng.random((30, 28, 28, 1)) < 0.2).astype(np.float32)
    digits = Split(images, rng.integers(0, 10, 30))

    def contents(seed: int) -> dict[str, list[tuple[int | None, bytes]]]:
        return {
            source.name: [
                (label, np.asarray(picture()).tobytes()) for label, picture in source.pictures
            ]
            for source in confidence.composed_sources(digits, 5, seed)
        }

    first = contents(1)
    assert list(first) == list(paper.CONDITIONS)
    assert len({tuple(label for label, _ in pictures) for pictures in first.values()}) == 1
    assert first == contents(1) != contents(2)
    everything = confidence.composed_sources(digits, 0, 1)
    assert {len(source.pictures) for source in everything} == {30}
    assert [source.name for source in confidence.composed_sources(digits, 5, 1, ["moved"])] == [
        "moved"
    ]


FAULTS = {
    "no such folder": (["--pictures", "nowhere"], 1, "nowhere does not exist"),
    "no labels": (["--pictures", str(config.ROOT / "models")], 1, "no labelled pictures"),
    "no model": (["--model", "nowhere.keras", "--images", "1"], 1, "nowhere.keras"),
    "output to a file": (["--output-dir", str(config.ROOT / "LICENSE")], 1, "--output-dir"),
    "no data": (["--data-dir", "nowhere", "--output-dir", "docs"], 1, "is missing"),
    "below zero": (["--images", "-1"], 2, "'-1' is not a whole number"),
    "no number": (["--seed", "x"], 2, "'x' is not a whole number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_gives_one_clear_line(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags, status, message = FAULTS[fault]
    try:
        found = confidence.main(flags)
    except SystemExit as leaving:  # argparse
        found = int(leaving.code or 0)
    out, err = capsys.readouterr()
    assert found == status
    (*usage, line) = err.splitlines()
    assert message in line
    assert bool(usage) == (status == 2)
    assert not usage or usage[0].startswith("usage: ")
    assert out == ""


def own_pictures(folder: Path) -> tuple[Path, Path]:
    """Make a folder with labels.csv, with a blank page and a broken file, and a zip by digit."""
    folder.mkdir()
    listed = {"three.png": "3", "eight_shaded.jpg": "8", "blank.png": "5", "palette.png": "none"}
    for name in listed:
        (folder / name).write_bytes((PICTURES / name).read_bytes())
    (folder / "broken.png").write_bytes((PICTURES / "six.png").read_bytes()[:500])
    lines = [f"{name},{label}" for name, label in (listed | {"broken.png": "6"}).items()]
    (folder / "labels.csv").write_text("\n".join(["file,label", *lines]), "utf-8")
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.write(PICTURES / "eight.png", "8/eight.png")
        file.write(PICTURES / "nine.png", "9/nine.png")
    return folder, archive


def as_told(text: str) -> list[tuple[str, ...]]:
    """Return the cells of the printed rows."""
    lines = text.split("\n\n")[0].splitlines()[1:]
    cells = 8 + 12 * len(confidence.HEADINGS)
    return [(line[:-cells].strip(), *line[-cells:].split()) for line in lines]


def agree(told: tuple[str, ...], written: dict[str, str]) -> bool:
    """Compare a printed row with one of the CSV file; shares are printed to 0.01%."""
    name, method, number, *shares, refused = told
    exact = [written[c] for c in ("pictures", "method", "number", "refused")]
    columns = (
        "accuracy",
        "mean_confidence",
        "below_50_percent",
        "calibration_error",
        "misjudged",
    )
    return exact == [name, method, number, refused] and all(
        not written[column]
        if share == "-"
        else abs(float(share.rstrip("%")) - 100 * float(written[column])) < 0.0051
        for share, column in zip(shares, columns, strict=True)
    )


@pytest.mark.slow
def test_the_script_as_a_person_runs_it(tmp_path: Path) -> None:
    folder, archive = own_pictures(tmp_path / "mine")
    command = [sys.executable, "test_model_confidence.py", "--images", "12", "--output-dir"]
    command += [str(tmp_path / "out"), "--pictures", str(folder), "--pictures", str(archive)]
    done = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    with (tmp_path / "out" / "confidence_comparison.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = as_told(done.stdout)
    assert len(told) == len(rows)
    for line, row in zip(told, rows, strict=True):
        assert agree(line, row), (line, row)
    methods = {(row["pictures"], row["method"]): row for row in rows}
    assert {name for name, _ in methods} == {
        *paper.CONDITIONS,
        "mine",
        "mine, no digit",
        str(archive),
    }
    assert ("test set", "none") in methods
    for (name, method), row in methods.items():
        if name in paper.CONDITIONS:
            assert row["number"] == "12"
        assert method == "none" or {(name, "basic"), (name, "enhanced")} <= methods.keys()
    assert float(methods["test set", "none"]["accuracy"]) > 0.7

    mine = methods["mine", "enhanced"]  # two digits, a blank page and a broken file
    assert (mine["number"], mine["refused"]) == ("4", "2")
    assert float(mine["accuracy"]) <= 0.5
    assert methods["mine, no digit", "enhanced"]["accuracy"] == ""
    judged = {row["misjudged"] != "" for row in rows if row["number"] != row["refused"]}
    assert judged == {"AUROC" in done.stdout}  # as the shipped model says is_digit or not
    assert methods[str(archive), "enhanced"]["number"] == "2"
    with Image.open(tmp_path / "out" / "confidence_comparison.png") as picture:
        assert picture.format == "PNG"
        assert picture.height > 600
    assert len(list((tmp_path / "out").iterdir())) == 2
