"""The recipes: trainable, of growing cost, and within what leaves a digit its meaning."""

import pytest

import presets


def test_the_presets_are_trainable_and_grow() -> None:
    assert list(presets.PRESETS)[:3] == ["smoke", "quick", "standard"]
    assert presets.DEFAULT_PRESET == "quick"
    for preset in presets.PRESETS.values():
        assert preset.epochs > 0
        assert all(width > 0 for width in preset.filters[:4])
        assert preset.batch_size <= (preset.train_images or 55_000)
        assert 0 < preset.learning_rate < 1
        assert 0 <= preset.weight_decay < 1
        assert 0 <= preset.dropout < 1
        assert 0 <= preset.label_smoothing < 1
    smoke, quick, standard = list(presets.PRESETS.values())[:3]
    assert smoke.train_images is not None
    assert quick.train_images is standard.train_images is None
    assert smoke.epochs < quick.epochs < standard.epochs


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_augmentation_stays_within_what_leaves_a_digit_its_meaning(preset: str) -> None:
    amount = presets.PRESETS[preset].augmentation
    assert 0 <= amount.rotation <= 30  # a 6 turned further is a 9
    assert 0 <= amount.shift <= 4  # the box leaves 4 pixels of margin
    assert 0 <= amount.scale <= 0.5
    assert 0 <= amount.shear <= 0.5
    assert 0 <= amount.perspective < 1
    for share in (amount.thickness, 2 * amount.added_strokes, 2 * amount.rough):
        assert 0 <= share <= 1
