"""What `make fuzz` holds the decoder to, here by the whole corpus and a few hundred inputs."""

import io
from collections.abc import Iterator
from pathlib import Path

import fuzzing
import pytest
from fuzzing import CORPUS, check, damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from containers import SIGNATURES, kind_of, take_apart
from decoding import READERS

SEEDS = sorted(CORPUS.iterdir())
MOST_CORPUS = 200_000  # bytes


@pytest.fixture(autouse=True, scope="module")
def metadata_stay_unread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in fuzzing.NEVER:
            patch.setattr(owner, name, fuzzing.refuse)
        yield


quietly = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


def test_the_corpus_is_small_and_has_every_kind() -> None:
    contents = [path.read_bytes() for path in SEEDS]
    assert sum(map(len, contents)) < MOST_CORPUS
    assert {kind_of(content) for content in contents} == {*SIGNATURES, None}
    assert any(content.startswith(fuzzing.TEXT) for content in contents)


@quietly
@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_every_file_of_the_corpus_does_as_its_name_says(path: Path) -> None:
    assert path.name.startswith("read-" if check(path.read_bytes()) else "refused-")


@pytest.mark.parametrize(
    "path", [path for path in SEEDS if path.name.startswith("read-") and path.suffix != ".url"]
)
def test_the_size_is_told_without_decoding(path: Path) -> None:
    """What a request would cost is judged by it, and Pillow allocates no more."""
    parts = take_apart(path.read_bytes())
    assert parts.size == READERS[parts.kind](io.BytesIO(parts.content)).size


@quietly
@settings(max_examples=400)
@given(
    st.sampled_from(SEEDS),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), min_size=1, max_size=4),
    st.floats(0.3, 1),
)
def test_a_damaged_file_of_the_corpus_is_read_or_refused(
    path: Path, below: bool, changes: list[tuple[float, bytes]], kept: float
) -> None:
    def alter(piece: bytes) -> bytes:
        for share, value in changes:
            place = int(share * len(piece))
            piece = piece[:place] + value + piece[place + len(value) :]
        return piece[: int(len(piece) * kept) + 1] if kept < 0.6 else piece

    check(damaged(path.read_bytes(), alter, below))


def test_damage_gets_past_the_checksums_of_a_png() -> None:
    """Else all of it would be refused at the first chunk, and nothing deeper would be tried."""

    def other_pixel(piece: bytes) -> bytes:
        return piece[:70] + b"\x55" + piece[71:]

    whole = (CORPUS / "read-L.png").read_bytes()
    altered = damaged(whole, other_pixel, below=True)
    assert altered != whole
    assert fuzzing.decode(altered).tobytes() != fuzzing.decode(whole).tobytes()
    wider = damaged(whole, lambda piece: piece[:19] + b"\x20" + piece[20:], below=False)
    assert fuzzing.decode(wider).width == 32
