import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.progress import Progress

HIGHEST = 40

ranges = st.tuples(st.integers(-3, HIGHEST), st.integers(0, 6)).map(lambda r: (r[0], r[0] + r[1]))


def model(low: int, added: list[tuple[int, int]]) -> set[int]:
    """The same as a plain set of integers."""
    return set(range(-10, low + 1)) | {position for first, last in added for position in range(first, last + 1)}


@given(st.integers(0, 10), st.lists(ranges, max_size=12))
def test_ranges_added_one_by_one_are_the_union_of_their_positions(low, added):
    progress = Progress(low)
    for first, last in added:
        progress = progress.add(first, last)
    expected = model(low, added)
    assert {p for p in range(-10, HIGHEST + 10) if progress.contains(p)} == expected
    assert progress == Progress.of(low, added)


@given(st.integers(0, 10), st.lists(ranges, max_size=12))
def test_there_is_one_form_for_each_set_of_positions(low, added):
    progress = Progress.of(low, added)
    edges = [progress.low]
    for first, last in progress.finished:
        assert first > edges[-1] + 1
        assert last >= first
        edges.append(last)
    assert Progress.of(progress.low, progress.finished) == progress
    assert Progress.of(low, reversed(added)) == progress


@given(st.integers(0, 10), st.lists(ranges, max_size=12), st.integers(0, HIGHEST + 10))
def test_gaps_are_what_is_not_finished(low, added, until):
    progress = Progress.of(low, added)
    gaps = [position for first, last in progress.gaps(until) for position in range(first, last + 1)]
    assert gaps == sorted(set(range(until + 1)) - model(low, added))
    assert all(first <= last for first, last in progress.gaps(until))


def test_asynchronous_runs_may_end_in_any_order():
    progress = Progress(10).add(16, 20)
    assert progress == Progress(10, ((16, 20),))
    assert list(progress.gaps(25)) == [(11, 15), (21, 25)]
    assert progress.add(11, 15) == Progress(20)


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(ValueError, match="from 5 to 4"):
        Progress(0).add(5, 4)
