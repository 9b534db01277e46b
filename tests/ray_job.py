"""What the tests of the batch job share: files of pictures, and a scorer without Ray."""

import io
import sys
import zipfile
from functools import cache, partial
from pathlib import Path
from typing import Any

from api_server import PICTURES
from conftest import ROOT

import config

sys.path[:0] = [str(ROOT / "deploy" / "ray_cluster"), str(ROOT / "benchmarks")]
import batch_pictures  # noqa: E402
import isolated  # noqa: E402
import model_copy  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import scoring  # noqa: E402
from pictures import Columns  # noqa: E402

COLUMNS = Columns(name="name")
FEW = {f"{word}.png": (PICTURES / f"{word}.png").read_bytes() for word in ("two", "five", "eight")}


def records(contents: dict[str, bytes]) -> bytes:
    return b"".join(
        batch_pictures.record(batch_pictures.example({"name": name.encode(), "image": content}))
        for name, content in contents.items()
    )


def zipped(contents: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


@cache
def model() -> model_copy.ModelCopy:
    return model_copy.read(config.MODEL_PATH)


def scorer(output: Path | str, **options: Any) -> scoring.Scorer:
    """Return a scorer that decodes in this process, which is sooner started."""
    given: dict[str, Any] = {"method": "enhanced", "columns": COLUMNS, "attempts": 3, "pause": 0.0}
    given |= {"max_bytes": config.Settings.max_bytes, "max_pixels": config.Settings.max_pixels}
    settings = scoring.Options(**given | options)
    prepare = partial(isolated.prepare, method=settings.method, max_pixels=settings.max_pixels)
    return scoring.Scorer(
        model(), settings, str(output), lambda contents: [prepare(each) for each in contents]
    )


def rows_of(output: Path) -> list[dict[str, Any]]:
    parts = sorted(output.glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]
