"""Ray, started on this machine or joined elsewhere: quiet, and telling nobody."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STORE = 256 * 1024 * 1024  # bytes: only counts and paths lie in Ray's shared memory
# What a cluster's nodes get of the project, besides the packages that are installed on them.
NOT_SENT = [".git", ".venv", "data", "docs", "exports", "models", "results", "tests"]


def start(address: str | None, workers: int) -> None:
    """Join the cluster at an address, or start Ray here with so many cores.

    The workers then find this folder's modules and the project's. Raises ReaderError if no cluster
    answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # faults are told by ours
    paths = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))  # of processes started here
    import ray

    import config
    import quiet

    # Of `max_task_retries`, for which Ray 2.60 has no other parameter.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
    if address:
        folder = Path(HERE.name)
        runtime = {
            "working_dir": str(ROOT),
            "excludes": NOT_SENT,
            "env_vars": {"PYTHONPATH": f".{os.pathsep}deploy/{folder}"},
        }
        quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address=address, runtime_env=runtime, **quietly)
        except ConnectionError:
            raise config.ReaderError(
                f"no Ray cluster answers at {address}: check the address, and that RAY_AUTH_MODE "
                "and RAY_AUTH_TOKEN are those of the cluster"
            ) from None
    else:
        with quiet.notices_aside():  # that it has been told to be quiet
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=STORE,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # a shard that ends its workers does not end the others
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # lost shards are told by ours
