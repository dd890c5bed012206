"""Many compact payloads at once are the same rows as one by one."""

from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.columns import payload
from engine.columns.compact import FEWEST, decode_alike, read_template
from engine.columns.payload import Encoding, decode_payloads, decode_rows, encode_values
from engine.model.schema import Column, ColumnType, TableSchema

TYPES = {
    ColumnType.TAG: st.sampled_from(["a", "b", "h10", "ü", "", "x" * 40, None]),
    ColumnType.FLOAT: st.floats(allow_nan=False) | st.none(),
    ColumnType.INTEGER: st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200) | st.none(),
    ColumnType.UINTEGER: st.integers(0, 2**64 - 1) | st.none(),
    ColumnType.BOOLEAN: st.booleans() | st.none(),
    ColumnType.STRING: st.text(max_size=40) | st.none(),
    ColumnType.TIME: st.integers(-(2**62), 2**62) | st.integers(0, 300),
}
SCHEMA = TableSchema(1, 2, "t", tuple(Column(f"c{i}", kind) for i, kind in enumerate(TYPES)))


@st.composite
def compact_payloads(draw: st.DrawFn) -> list[bytes]:
    def one() -> bytes:
        rows = draw(st.integers(1, 3))
        return encode_values([[draw(values) for _ in range(rows)] for values in TYPES.values()])[1]

    few = [one() for _ in range(draw(st.integers(1, 6)))]
    return [few[n % len(few)] for n in draw(st.lists(st.integers(0, 5), min_size=payload.LEAST_ALIKE, max_size=250))]


@settings(max_examples=150)
@given(compact_payloads())
def test_many_payloads_are_the_rows_of_each(payloads: list[bytes]) -> None:
    (joined,) = decode_payloads([(Encoding.COMPACT, data, SCHEMA.version) for data in payloads], SCHEMA)
    one_by_one = pa.Table.from_batches([decode_rows(Encoding.COMPACT, data, SCHEMA) for data in payloads])
    expected = one_by_one.unify_dictionaries().combine_chunks()
    assert joined.schema == expected.schema
    for name in joined.schema.names:
        assert values_of(joined.column(name)) == values_of(expected.column(name)), name


def values_of(column: Any) -> list[Any]:
    plain = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    found: list[Any] = plain.to_pylist()
    return found


def test_columns_that_came_later_are_null() -> None:
    old = [encode_values([["a"], [float(n)]])[1] for n in range(100)]
    new = [encode_values([["a"], [1.5], [n]])[1] for n in range(100)]
    (joined,) = decode_payloads(
        [(Encoding.COMPACT, d, v) for d, v in zip(old + new, [2] * 100 + [3] * 100, strict=True)], SCHEMA
    )
    assert joined.column(2).to_pylist() == [None] * 100 + list(range(100))


def test_what_is_like_nothing_else_is_left_over() -> None:
    alike = [encode_values([["a"], [float(n)]])[1] for n in range(1000)]
    odd = msgspec.msgpack.encode([["a"], [{}], ["123456"]])
    assert len(odd) == len(alike[0])
    parts, left = decode_alike([*alike, odd])
    assert [len(part.payloads) for part in parts] == [1000]
    assert left == [1000]


def test_shapes_that_few_payloads_share_are_left_over() -> None:
    def group(shape: int) -> bytes:
        """Return forty rows whose small and larger numbers stand in another order for each shape."""
        return encode_values([["a"] * 40, [200 if shape >> place & 1 else 100 for place in range(40)]])[1]

    few = [group(1 << place) for place in range(40) for _ in range(FEWEST - 1)]
    many = [group(3)] * FEWEST
    assert decode_alike(few) == ([], list(range(len(few))))
    parts, left = decode_alike([*many, *few[:FEWEST]])
    assert {len(part.payloads) for part in parts} == {FEWEST}
    assert left == list(range(FEWEST, 2 * FEWEST))


def test_rows_keep_their_order_where_no_payload_is_like_many_others() -> None:
    payloads = [encode_values([["a" * (n * 7 % 50)], [float(n)]])[1] for n in range(payload.LEAST_ALIKE * 2)]
    assert decode_alike(payloads) == ([], list(range(len(payloads))))
    (joined,) = decode_payloads([(Encoding.COMPACT, data, 2) for data in payloads], SCHEMA)
    assert joined.column(1).to_pylist() == [float(n) for n in range(len(payloads))]


def test_a_payload_of_an_unknown_shape_has_no_template() -> None:
    known = encode_values([["a", "b"], [1, None]])[1]
    template = read_template(known)
    assert template is not None
    assert template.rows == 2
    for damaged in (b"", b"\x91", known[:-1], known + b"\x00", msgspec.msgpack.encode([{"a": 1}]), b"\x92\x91\x01\x90"):
        assert read_template(damaged) is None
