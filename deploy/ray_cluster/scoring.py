"""One shard scored: its pictures decoded, brought to MNIST form, read, and written as Parquet."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pictures
import plan
import pyarrow as pa
import pyarrow.parquet as pq
from isolated import Isolated, Prepared
from model_copy import ModelCopy
from pictures import Columns, Picture
from storage import StorageError, located, write_whole

import config

TOGETHER = 256  # pictures whose rows are made at a time, or fewer
TOGETHER_BYTES = 2**25  # of large ones: as many as have these
ERRORS = b"errors"  # in a result's metadata: how many of its rows have one
SCHEMA = pa.schema(
    [
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("index", pa.int64(), nullable=False),  # in its source; with it, a row's key
        pa.field("name", pa.string()),  # of the zip file's entry, or in the named column
        pa.field("digit", pa.int8()),
        pa.field("confidence", pa.float32()),
        pa.field("probabilities", pa.list_(pa.float32(), config.CLASSES)),
        pa.field("is_digit", pa.float32()),
        pa.field("preprocessing", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("model", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("error", pa.string()),  # why the picture was not read; all figures are then null
    ]
)


Prepare = Callable[[list[bytes]], list[Prepared]]


@dataclass(frozen=True)
class Options:
    """How shards are read and scored: `max_bytes` and `max_pixels` of one picture.

    attempts: at a shard whose place does not answer; pause: seconds before the second, doubled for
    each further one.
    """

    method: str
    columns: Columns
    max_bytes: int
    max_pixels: int
    attempts: int = 4
    pause: float = 1.0


class Scorer:
    """Scores shards with one loaded model. A worker of Ray Data's pool holds one."""

    def __init__(
        self,
        model: ModelCopy,
        options: Options,
        output: str,
        prepare: Prepare | None = None,
    ) -> None:
        """Load the model. prepare: what decodes pictures, by default a process of its own."""
        self.classifier = model.load()
        self.options = options
        self.filesystem, self.output = located(output)
        self.prepare = prepare or Isolated(options.method, options.max_pixels).prepare

    def score(self, shard: plan.Shard) -> dict[str, Any]:
        """Score a shard and write its result; return its number, rows, errors, and its fault.

        What does not answer is asked again; a shard that fails for good has a fault.
        """
        for attempt in range(self.options.attempts):
            try:
                rows, errors = self._written(shard)
                return {"shard": shard.number, "rows": rows, "errors": errors, "fault": ""}
            except StorageError as fault:  # of the file itself: it would be so again
                reason = str(fault)
                break
            except (OSError, pa.ArrowException) as fault:
                reason = f"{', '.join(shard.part.paths[:1])}: {fault}"
                if attempt + 1 < self.options.attempts:
                    time.sleep(self.options.pause * 2**attempt)
            except Exception as fault:  # whatever it is, the other shards go on
                reason = f"{', '.join(shard.part.paths[:1])}: {type(fault).__name__}: {fault}"
                break
        return {"shard": shard.number, "rows": 0, "errors": 0, "fault": reason}

    def _written(self, shard: plan.Shard) -> tuple[int, int]:
        batches = list(self._batches(shard))
        table = pa.Table.from_batches(batches, SCHEMA)
        errors = table.num_rows - table["error"].null_count
        kept = table.replace_schema_metadata({ERRORS: str(errors).encode()})
        content = io.BytesIO()
        pq.write_table(kept, content, compression="zstd")
        path = plan.result_path(self.output, shard.number)
        write_whole(self.filesystem, path, content.getvalue())
        return table.num_rows, errors

    def _batches(self, shard: plan.Shard) -> Iterator[pa.RecordBatch]:
        found = pictures.read(shard.part, self.options.columns, self.options.max_bytes)
        for some in batched_pictures(found):
            yield self._rows(some)

    def _rows(self, some: list[Picture]) -> pa.RecordBatch:
        """Return the rows of some pictures, in their order."""
        prepared = iter(self.prepare([picture.content for picture in some if not picture.fault]))
        images, faults = [], []
        for picture in some:
            image, fault = (None, picture.fault) if picture.fault else next(prepared)
            faults.append(fault or None)
            if image is not None:
                images.append(image)
        shape = (len(images), config.IMAGE_SIZE, config.IMAGE_SIZE, 1)
        said = self.classifier.outputs(np.array(images, np.float32).reshape(shape))
        read = np.array([fault is None for fault in faults])

        def spread(values: np.ndarray) -> pa.Array:
            """Put the values of the pictures that were read in their places."""
            all_of_them = np.zeros(len(some), values.dtype)
            all_of_them[read] = values
            return pa.array(all_of_them, mask=~read)

        shares = np.zeros((len(some), config.CLASSES), np.float32)
        shares[read] = said.probabilities
        unread = pa.array(~read)
        lists = pa.FixedSizeListArray.from_arrays(shares.ravel(), config.CLASSES, mask=unread)
        judged = pa.nulls(len(some), pa.float32())
        if said.is_digit is not None:
            judged = spread(said.is_digit.astype(np.float32))
        columns = {
            "source": pa.array([picture.source for picture in some]).dictionary_encode(),
            "index": pa.array([picture.index for picture in some], pa.int64()),
            "name": pa.array([picture.name or None for picture in some], pa.string()),
            "digit": spread(said.probabilities.argmax(axis=1).astype(np.int8)),
            "confidence": spread(said.probabilities.max(axis=1)),
            "probabilities": lists,
            "is_digit": judged,
            "preprocessing": pa.array([self.options.method] * len(some)).dictionary_encode(),
            "model": pa.array([self.classifier.version] * len(some)).dictionary_encode(),
            "error": pa.array(faults, pa.string()),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def batched_pictures(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    """Yield pictures in lists of `TOGETHER`, or fewer if these have `TOGETHER_BYTES`."""
    some: list[Picture] = []
    size = 0
    for picture in pictures:
        some.append(picture)
        size += len(picture.content)
        if len(some) == TOGETHER or size >= TOGETHER_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some
