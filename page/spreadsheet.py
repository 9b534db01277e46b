"""The rows of a batch as a CSV file (RFC 4180), in UTF-8."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import config
import utils
from page.batch import Row

NAME = "digits.csv"
COLUMNS = ("file", "digit", "confidence", "is_digit", "words", "fault")
SHARES = [f"p{digit}" for digit in range(config.CLASSES)]
# With these a spreadsheet begins a formula (OWASP, CSV injection); the last are as wide as a
# Chinese letter and read the same.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write(rows: Sequence[Row], folder: Path) -> Path:
    """Write the rows to a file in a folder, whole or not at all; return it."""
    with utils.atomic_path(folder / NAME) as aside:
        aside.write_bytes(as_csv(rows).encode())
    return folder / NAME


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a line of names first; shares are in [0, 1]."""
    text = io.StringIO()
    writer = csv.writer(text)  # RFC 4180: commas, doubled quotation marks, CRLF
    writer.writerow([*COLUMNS, *SHARES])
    for row in rows:
        writer.writerow([harmless(row.name), *_figures(row)])
    return text.getvalue()


def _figures(row: Row) -> list[Any]:
    if row.answer is None:
        return ["", "", "", "", harmless(row.fault), *[""] * config.CLASSES]
    answer = row.answer
    shares = [answer["confidence"], answer.get("is_digit", ""), *answer["probabilities"]]
    confidence, is_digit, *probabilities = [
        share if share == "" else f"{share:.6f}" for share in shares
    ]
    return [answer["digit"], confidence, is_digit, row.words, "", *probabilities]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: such a one gets an apostrophe."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
