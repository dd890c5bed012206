from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.keys import KeySet, hash_keys
from tests.support.batches import batch_of, table_schema

SCHEMA = table_schema({"host": "tag", "region": "tag", "time": "time"})

row = st.fixed_dictionaries(
    {"time": st.integers(-(2**62), 2**62) | st.integers(0, 2)},
    optional={"host": st.sampled_from(["x", "y", ""]), "region": st.sampled_from(["x", "y"])},
)


def key(r: dict[str, Any]) -> tuple[Any, ...]:
    return (r.get("host"), r.get("region"), r["time"])


@given(st.lists(st.lists(row, max_size=8), max_size=6))
def test_a_key_set_tells_repeats_as_a_python_set_does(batches: list[list[dict[str, Any]]]) -> None:
    keys, seen = KeySet(), set[Any]()
    for rows in batches:
        repeats = len({key(r) for r in rows}) < len(rows) or any(key(r) in seen for r in rows)
        assert keys.add(hash_keys(batch_of(SCHEMA, rows), SCHEMA.tags)) == repeats
        seen |= {key(r) for r in rows}


def test_a_row_from_before_a_tag_existed_equals_one_that_leaves_it_out() -> None:
    before = table_schema({"host": "tag", "time": "time"})
    rows = [{"host": "a", "time": 1}]
    old = hash_keys(batch_of(before, rows), before.tags)
    assert np.array_equal(old, hash_keys(batch_of(SCHEMA, rows), SCHEMA.tags))


def test_equal_texts_in_different_tags_are_different_keys() -> None:
    rows = [{"host": "a", "time": 1}, {"region": "a", "time": 1}]
    hashes = hash_keys(batch_of(SCHEMA, rows), SCHEMA.tags)
    assert hashes[0] != hashes[1]
