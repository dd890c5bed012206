"""Ranges of times against sets of times."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.storage.ranges import (
    EVERYTHING,
    Range,
    Ranges,
    common,
    covers,
    inside,
    joined,
    of_windows,
    overlap,
    touches,
    without,
)

LIMIT = 30
bound = st.integers(0, LIMIT)
ranges = st.lists(st.tuples(bound, bound).map(lambda pair: (min(pair), max(pair))), max_size=5)


def times(found: list[Range] | Ranges) -> set[int]:
    return {time for first, last in found for time in range(first, last + 1)}


@given(ranges, ranges, bound, bound)
def test_they_are_sets_of_times(some: list[Range], others: list[Range], one: int, two: int) -> None:
    first, last = min(one, two), max(one, two)
    a, b = joined(some), joined(others)
    assert times(a) == times(some)
    assert all(x[1] + 1 < y[0] for x, y in itertools.pairwise(a))
    assert times(overlap(a, first, last)) == times(some) & set(range(first, last + 1))
    assert times(common(a, b)) == times(some) & times(others)
    assert times(without(a, b)) == times(some) - times(others)
    assert touches(a, first, last) == bool(times(some) & set(range(first, last + 1)))
    assert covers(a, first, last) == (set(range(first, last + 1)) <= times(some))
    every = np.arange(-1, LIMIT + 2)
    assert set(every[inside(every, a)].tolist()) == times(some)


def test_the_ends_of_time_are_in_their_windows() -> None:
    ends = np.array([-(2**63), 0, 2**63 - 1])
    window_ns = 600 * 10**9
    assert inside(ends, EVERYTHING).all()
    assert inside(ends, of_windows([time // window_ns * window_ns for time in ends.tolist()], window_ns)).all()
