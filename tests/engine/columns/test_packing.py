from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.packing import groups, pack
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema({"host": "tag", "time": "time", "usage": "float"})

counts = st.lists(st.integers(1, 200_000), max_size=30)


@given(counts)
def test_each_batch_has_more_than_twice_the_rows_of_the_next(rows: list[int]) -> None:
    found = groups(rows, whole=False)
    ends = [0, *accumulate(found)]
    sizes = [sum(rows[start:end]) for start, end in pairwise(ends)]
    assert ends[-1] == len(rows)
    assert all(one > 2 * next_ for one, next_ in pairwise(sizes))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([5_000, 10], [2], id="few-rows-are-one-batch"),
        pytest.param([1_000_000, 10], [1, 1], id="no-large-copy-for-a-few-rows"),
        pytest.param([1_000_000, 400_000, 100_000], [3], id="much-came"),
    ],
)
def test_what_does_not_grow_becomes_one_batch(rows: list[int], expected: list[int]) -> None:
    assert groups(rows, whole=True) == expected


row = st.fixed_dictionaries(
    {"time": st.integers(0, 9)},
    optional={"host": st.sampled_from(["x", "y", ""]), "usage": st.floats(allow_nan=False)},
)


@given(st.lists(st.lists(row, min_size=1, max_size=4), max_size=8), st.booleans())
def test_the_rows_stay_in_their_order(parts: list[list[dict[str, Any]]], whole: bool) -> None:
    older = table_schema({"host": "tag", "time": "time"})
    narrow = [[{k: v for k, v in r.items() if k != "usage"} for r in rows] for rows in parts[:2]]
    batches = [batch_of(older, rows) for rows in narrow] + [batch_of(SCHEMA, rows) for rows in parts[2:]]
    packed = pack(batches, SCHEMA, whole=whole)
    assert [r for batch in packed for r in rows_of(batch)] == [r for rows in [*narrow, *parts[2:]] for r in rows]
    assert len(packed) <= 1 or not whole
