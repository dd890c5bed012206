from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.payload import MOST_COMPACT_ROWS, Encoding, decode_payloads, decode_rows, encode_rows
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema(
    {"host": "tag", "f": "float", "i": "integer", "u": "uinteger", "s": "string", "b": "boolean", "time": "time"}
)

row = st.fixed_dictionaries(
    {"time": st.integers(-(2**63), 2**63 - 1)},
    optional={
        "host": st.text(min_size=1, max_size=3),
        "f": st.floats(allow_nan=False),
        "i": st.integers(-(2**63), 2**63 - 1),
        "u": st.integers(0, 2**64 - 1),
        "s": st.text(max_size=3),
        "b": st.booleans(),
    },
)


@given(st.lists(row, max_size=4), st.sampled_from([1, MOST_COMPACT_ROWS]))
def test_rows_survive_the_log(rows: list[dict[str, Any]], times: int) -> None:
    batch = batch_of(SCHEMA, rows * times)
    encoding, payload = encode_rows(batch)
    assert rows_of(decode_rows(encoding, payload, SCHEMA)) == rows * times


@pytest.mark.parametrize(
    ("count", "encoding"), [(MOST_COMPACT_ROWS, Encoding.COMPACT), (MOST_COMPACT_ROWS + 1, Encoding.IPC)]
)
def test_few_rows_are_compact_and_many_are_arrow(count: int, encoding: Encoding) -> None:
    assert encode_rows(batch_of(SCHEMA, [{"time": i} for i in range(count)]))[0] is encoding


def test_a_newer_schema_reads_null_in_new_columns() -> None:
    for count in (1, MOST_COMPACT_ROWS + 1):
        encoding, payload = encode_rows(batch_of(SCHEMA, [{"host": "a", "time": 1}] * count))
        newer = SCHEMA.with_columns(table_schema({"late": "tag", "n": "integer"}).columns)
        decoded = decode_rows(encoding, payload, newer)
        assert decoded.schema.names == [c.name for c in newer.columns]
        assert rows_of(decoded) == [{"host": "a", "time": 1}] * count


@given(st.lists(st.tuples(st.lists(row, min_size=1, max_size=3), st.sampled_from([1, MOST_COMPACT_ROWS])), max_size=4))
def test_many_payloads_read_as_their_rows_in_order(writes: list[tuple[list[dict[str, Any]], int]]) -> None:
    payloads = []
    for rows, times in writes:
        encoding, data = encode_rows(batch_of(SCHEMA, rows * times))
        payloads.append((encoding, data, SCHEMA.version))
    decoded = [r for batch in decode_payloads(payloads, SCHEMA) for r in rows_of(batch)]
    assert decoded == [r for rows, times in writes for r in rows * times]
    assert len(list(decode_payloads(payloads, SCHEMA))) <= len(payloads)


def test_neighbours_of_different_versions_share_the_newest() -> None:
    old, new = SCHEMA, SCHEMA.with_columns(table_schema({"late": "tag"}).columns)
    batches = [batch_of(old, [{"time": 1}]), batch_of(new, [{"time": 2, "late": "x"}]), batch_of(old, [{"time": 3}])]
    payloads = [(*encode_rows(b), b.num_columns) for b in batches]
    (decoded,) = decode_payloads(payloads, new)
    assert rows_of(decoded) == [{"time": 1}, {"time": 2, "late": "x"}, {"time": 3}]
