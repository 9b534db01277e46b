"""A worker of Ray Data's pool."""

import pickle
from typing import Any

import numpy as np
from scoring import Scorer


class ScorerActor:
    """Scores the shards that Ray Data hands it. Given as `Scorer` is."""

    def __init__(self, **given: Any) -> None:
        self.scorer = Scorer(**given)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Score pickled shards; return their numbers, rows, errors and faults as columns."""
        told = [self.scorer.score(pickle.loads(shard)) for shard in batch["shard"]]
        return {name: np.array([each[name] for each in told]) for name in told[0]}
