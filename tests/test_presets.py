"""The recipes: each can be trained, from what the others leave."""

import graphlib

import config
import presets


def test_every_teacher_can_be_trained_before_those_that_it_teaches() -> None:
    needed = {
        name: {*preset.teachers, *([preset.start] if preset.start else [])}
        - {config.MODEL_PATH.stem}
        for name, preset in presets.PRESETS.items()
    }
    assert set().union(*needed.values()) <= set(needed)
    graphlib.TopologicalSorter(needed).prepare()  # raises CycleError
