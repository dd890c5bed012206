from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.packing import FANOUT, groups, pack
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema({"host": "tag", "time": "time", "usage": "float"})

counts = st.lists(st.integers(1, 200_000), max_size=30)


@given(counts)
def test_behind_each_batch_are_few_rows(rows: list[int]) -> None:
    found = groups(rows)
    ends = [0, *accumulate(found)]
    sizes = [sum(rows[start:end]) for start, end in pairwise(ends)]
    assert ends[-1] == len(rows)
    assert all(sum(sizes[place + 1 :]) < (FANOUT - 1) * size for place, size in enumerate(sizes))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([5] * (FANOUT - 1), [1] * (FANOUT - 1), id="not-yet"),
        pytest.param([5] * FANOUT, [FANOUT], id="so-many-are-one"),
        pytest.param([1_000_000, 10], [1, 1], id="no-large-copy-for-a-few-rows"),
        pytest.param([10, 1_000_000], [2], id="a-few-before-many"),
        pytest.param([1_000_000, 3, 16], [1, 2], id="only-what-is-small"),
    ],
)
def test_neighbours_that_together_are_many_become_one(rows: list[int], expected: list[int]) -> None:
    assert groups(rows) == expected


@pytest.mark.parametrize("came", [100, 1_000])
def test_rows_are_copied_a_few_times_however_many_come(came: int) -> None:
    batches: list[int] = []
    copied = 0
    for _ in range(came):
        batches.append(1_000)
        ends = [0, *accumulate(groups(batches))]
        parts = [batches[start:end] for start, end in pairwise(ends)]
        copied += sum(sum(part) for part in parts if len(part) > 1)
        batches = [sum(part) for part in parts]
    assert copied < 3 * sum(batches)
    assert len(batches) < 20


row = st.fixed_dictionaries(
    {"time": st.integers(0, 9)},
    optional={"host": st.sampled_from(["x", "y", ""]), "usage": st.floats(allow_nan=False)},
)


@given(st.lists(st.lists(row, min_size=1, max_size=4), max_size=8))
def test_the_rows_stay_in_their_order(parts: list[list[dict[str, Any]]]) -> None:
    older = table_schema({"host": "tag", "time": "time"})
    narrow = [[{k: v for k, v in r.items() if k != "usage"} for r in rows] for rows in parts[:2]]
    batches = [batch_of(older, rows) for rows in narrow] + [batch_of(SCHEMA, rows) for rows in parts[2:]]
    packed = pack(batches, SCHEMA)
    assert [r for batch in packed for r in rows_of(batch)] == [r for rows in [*narrow, *parts[2:]] for r in rows]
    assert len(packed) == len(groups([batch.num_rows for batch in batches]))
