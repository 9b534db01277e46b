"""A worker of Ray Data's pool."""

import pickle
from typing import Any

import numpy as np
from scoring import Scorer


class ScorerActor:
    """Scores the shards that Ray Data hands it. Made as `Scorer` is."""

    def __init__(self, **arguments: Any) -> None:
        self.scorer = Scorer(**arguments)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Score pickled shards; return their numbers, rows, errors and faults as columns."""
        reports = [self.scorer.score(pickle.loads(shard)) for shard in batch["shard"]]
        return {name: np.array([report[name] for report in reports]) for name in reports[0]}
