"""Read any number of pictures on all cores of a machine or a cluster, by Ray Data.

    python deploy/ray_cluster/batch_predict.py PICTURES... --output results/predictions

PICTURES are folders, zip, Parquet and TFRecord files, here or at addresses such as
s3://bucket/scans. The result is Parquet files with a row for each picture; one that cannot be read
has its reason in the column `error`. A run that was stopped, in whatever way, goes on when it is
started again with the same words: a shard's file is there whole or not at all, and then is done.
"""

import contextlib
import json
import pickle
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, Path(__file__).resolve().parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import model_copy  # noqa: E402
import plan  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import ray_start  # noqa: E402
from pictures import Columns  # noqa: E402
from scoring import ERRORS, Options  # noqa: E402
from storage import absolute, files_below, is_aside, located, write_whole  # noqa: E402
from tqdm import tqdm  # noqa: E402

import cli  # noqa: E402
import config  # noqa: E402

NAME = "batch_predict"
PLAIN_LINES = 10.0  # seconds between lines where there is no terminal
MOST_BLOCKS = 20_000  # tasks that Ray Data plans; more shards than that share one


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser(f"{NAME}.py", "Read any number of pictures; write Parquet.")
    add = parser.add_argument
    add("pictures", nargs="+", help="folders and files, paths or addresses (s3://, gs://, ...)")
    add("--output", required=True, help="the folder or address to write to")
    add("--model", type=Path, default=settings.model, help="the model file")
    methods = config.PREPROCESSING_METHODS
    add(
        "--preprocessing",
        choices=methods,
        default=config.DEFAULT_PREPROCESSING,
        help="how a picture is brought to MNIST form",
    )
    add("--column", help="of Parquet, or feature of TFRecord, that holds the pictures")
    add("--name-column", help="that holds their names or numbers, which the rows then have too")
    add("--shard", type=_count, default=2_000, help="pictures that are written as one file")
    add("--workers", type=_count, default=config.CORES, help="cores to use")
    add("--attempts", type=_count, default=4, help="at a shard that cannot be read or written")
    add("--address", help="of a running Ray cluster, such as auto (default: this machine alone)")
    return parser


_count = cli.whole_number("workers")


def _work(args: Namespace) -> int:
    begun = time.monotonic()
    args.output = absolute(args.output)
    plan.refuse_inside(args.pictures, args.output)
    made = plan.plan(args.pictures, args.shard)
    filesystem, output = located(args.output)
    model, limits = model_copy.read(args.model), config.settings()
    columns = Columns(args.column, args.name_column)
    settings = {
        "model": model.version,
        "preprocessing": args.preprocessing,
        "shard": args.shard,
        "max_bytes": limits.max_bytes,
        "max_pixels": limits.max_pixels,
    }
    options = Options(
        args.preprocessing, columns, limits.max_bytes, limits.max_pixels, args.attempts
    )
    plan.claim(filesystem, output, made, settings, columns)
    there = plan.done(filesystem, output)
    waiting = [shard for shard in made.shards if shard.number not in there]
    if made.left_out:
        print(f"{made.left_out:,} files in the folders are no pictures and are left out")
    if there:
        print(f"{len(there):,} of {len(made.shards):,} shards are done: going on", flush=True)
    worker = {"model": model, "options": options, "output": args.output}
    faults = _scored(args, waiting, worker) if waiting else []
    there = plan.done(filesystem, output)
    lost = len(made.shards) - len(there) - len(faults)
    if lost > 0:
        faults.append(
            f"{args.output} lacks the results of {lost:,} shards: their workers ended at every "
            "attempt, or wrote to a disk of their own"
        )
    elif not faults:
        _tidy(filesystem, output)
    summary = _summary(filesystem, output, made, settings)
    summary |= {"seconds": round(time.monotonic() - begun, 1), "scored_now": len(waiting)}
    write_whole(filesystem, f"{output}/{plan.SUMMARY}", json.dumps(summary, indent=1).encode())
    print(
        f"{summary['rows']:,} rows in {summary['done']:,} of {summary['shards']:,} shards, "
        f"{summary['errors']:,} pictures not read: {args.output}"
    )
    for fault in faults[:10]:
        print(f"{NAME}: {fault}", file=sys.stderr)
    if faults:
        raise config.ReaderError(
            f"{len(made.shards) - len(there):,} shards could not be read, the others are kept: "
            "mend what is said above and start again with the same words"
        )
    return 0


def _scored(args: Namespace, waiting: list[plan.Shard], worker: dict[str, Any]) -> list[str]:
    """Score shards by Ray Data's pool of workers, showing progress; return what went wrong.

    worker: what each is made with. Nothing in it is a path of this machine but `--output`.
    """
    ray_start.start(args.address, args.workers)
    import ray
    from pool import ScorerActor

    given = [{"shard": pickle.dumps(shard)} for shard in waiting]
    blocks = min(len(given), MOST_BLOCKS)
    scored = ray.data.from_items(given, override_num_blocks=blocks).map_batches(
        ScorerActor,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(args.workers, len(given))),
        num_cpus=1,
        fn_constructor_kwargs=worker,
        max_task_retries=args.attempts - 1,  # by default a shard that ends its worker never ends
    )
    try:
        return list(_watched(scored.iter_rows(), waiting))
    except ray.exceptions.RayError as fault:
        raise config.ReaderError(
            f"Ray lost its workers ({str(fault).strip().splitlines()[-1]}): what is done is kept, "
            "start again with the same words"
        ) from None
    finally:
        ray.shutdown()


def _watched(rows: Iterator[dict[str, Any]], waiting: list[plan.Shard]) -> Iterator[str]:
    """Show how far the shards are as they come; yield the faults."""
    counts = [shard.pictures for shard in waiting]
    total = None if None in counts else sum(filter(None, counts))
    terminal = sys.stderr.isatty()
    begun = told = time.monotonic()
    pictures = shards = 0
    with tqdm(total=total, unit="img", unit_scale=True, disable=not terminal) as bar:
        for row in rows:
            pictures, shards = pictures + int(row["rows"]), shards + 1
            bar.update(int(row["rows"]))
            if row["fault"]:
                yield str(row["fault"])
            now = time.monotonic()
            if not terminal and (now - told > PLAIN_LINES or shards == len(waiting)):
                told = now
                rate = pictures / (now - begun)
                left = (now - begun) / shards * (len(waiting) - shards)
                print(
                    f"{pictures:,} pictures, {shards:,} of {len(waiting):,} shards  "
                    f"{rate:,.0f} img/s  {int(left) // 60}:{int(left) % 60:02d} left",
                    flush=True,
                )


def _tidy(filesystem: Any, output: str) -> None:
    """Remove what killed runs were writing. A run beside this one has no use for its own now."""
    for info in files_below(filesystem, output):
        if is_aside(str(info.path)):
            with contextlib.suppress(FileNotFoundError):
                filesystem.delete_file(info.path)


def _summary(
    filesystem: Any, output: str, made: plan.Plan, settings: dict[str, Any]
) -> dict[str, Any]:
    """Count what lies in the output, by the files' own numbers."""
    rows = errors = 0
    there = plan.done(filesystem, output)
    for number in there:
        path = plan.result_path(output, number)
        try:
            with filesystem.open_input_file(path) as file:
                metadata = pq.read_metadata(file)
            rows += metadata.num_rows
            errors += int(metadata.metadata[ERRORS])
        except (OSError, ValueError, KeyError, TypeError):
            raise config.ReaderError(
                f"{path} is not a whole result: delete it and start again with the same words"
            ) from None
    counts = {"rows": rows, "errors": errors, "done": len(there), "shards": len(made.shards)}
    return settings | counts | {"pictures": made.pictures}


def main(argv: Sequence[str] | None = None) -> int:
    """Read the pictures; return the exit status."""
    return cli.run(NAME, _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
