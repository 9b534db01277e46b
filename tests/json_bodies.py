"""Any JSON, and JSON that is nearly right, for the tests that nothing sent makes a server fail."""

import copy
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 1, 28, 2**31, 2**63])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["images", "pictures", "probabilities", "FP32", "BYTES", "b64", "\ud800"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "inputs", "images", "b64", "name", "data", "x"]), inner
        )
    ),
    max_leaves=8,
)


def nearly(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return good bodies with one value, wherever in them, replaced by anything or left out."""
    return st.builds(
        lambda place, instead, gone: _changed(good, place, instead, gone),
        st.sampled_from(list(_places(good))),
        ANYTHING,
        st.booleans(),
    )


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys)[:3]:
        yield (key,)
        yield from ((key, *rest) for rest in _places(value[key]))


def _changed(good: dict[str, Any], place: tuple[Any, ...], instead: Any, gone: bool) -> Any:
    changed = copy.deepcopy(good)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    if gone:
        del holder[place[-1]]
    else:
        holder[place[-1]] = instead
    return changed
