"""How rows are divided into files and row groups."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.storage.slices import SliceLimits, plan_files

LIMITS = SliceLimits(file_rows=10, group_rows=4, gap_ns=100, worth_rows=2)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50) | st.integers(1000, 1050), max_size=60))
def test_each_row_is_in_one_group_and_groups_follow_each_other(times: list[int]) -> None:
    files = plan_files(np.array(times, dtype=np.int64), 8.0, LIMITS)
    groups = [group for file in files for group in file]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(groups))
    counts = [sum(first <= time <= last for time in times) for first, last in groups]
    assert sum(counts) == len(times)
    for (first, last), count in zip(groups, counts, strict=True):
        assert count > 0
        assert count <= LIMITS.group_rows or first == last or count <= max(times.count(time) for time in times) + 4


@pytest.mark.parametrize(
    ("times", "row_bytes", "expected"),
    [
        pytest.param([], 8.0, [], id="nothing"),
        pytest.param([3, 1, 2], 8.0, [[(1, 3)]], id="one-group"),
        pytest.param([1, 2, 3, 4, 5, 6], 8.0, [[(1, 3), (4, 6)]], id="even-groups"),
        pytest.param(list(range(12)), 8.0, [[(0, 2), (3, 5)], [(6, 8), (9, 11)]], id="even-files"),
        pytest.param([1, 2, 1000, 1001], 8.0, [[(1, 2)], [(1000, 1001)]], id="far-apart"),
        pytest.param([1, 1000, 1001], 8.0, [[(1, 1001)]], id="not-worth-a-file"),
        pytest.param([7] * 9, 8.0, [[(7, 7)]], id="one-time"),
        pytest.param([1, 2, 3, 4], 8.0 * 2**20, [[(1, 2), (3, 4)]], id="heavy-rows"),
    ],
)
def test_how_rows_are_divided(times: list[int], row_bytes: float, expected: list[list[tuple[int, int]]]) -> None:
    assert plan_files(np.array(times, dtype=np.int64), row_bytes, LIMITS) == expected
