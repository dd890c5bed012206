import random
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from engine.columns.types import TAG_TYPE
from engine.errors import InvalidRequest
from engine.host.arrow_message import decode_columns, encode_columns
from engine.host.protocol import ArrowRows
from engine.model.schema import ColumnType

TIMES = pa.array([1, 2], pa.timestamp("ns"))
HOSTS = pa.array(["a", None]).cast(TAG_TYPE)


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_columns_come_back() -> None:
    given = batch(host=HOSTS, v=[1.5, None], time=TIMES)
    kinds, found = decode_columns(encode_columns("m", given))
    assert kinds == {"host": ColumnType.TAG, "v": ColumnType.FLOAT, "time": ColumnType.TIME}
    assert found == given


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(ArrowRows("m", 2, b""), "cannot be read", id="nothing"),
        pytest.param(ArrowRows("m", 2, b"\xff\xff\xff\xff" * 9), "cannot be read", id="no-arrow"),
        pytest.param(
            encode_columns("m", batch(v=pa.array([1, 2], pa.int8()), time=TIMES)), "cannot be read", id="type"
        ),
        pytest.param(encode_columns("", batch(v=[1, 2], time=TIMES)), "not as they were announced", id="no-table"),
        pytest.param(encode_columns("m", batch(time=TIMES)), "not as they were announced", id="no-field"),
        pytest.param(encode_columns("m", batch(v=[1, 2], at=TIMES)), "not as they were announced", id="time-elsewhere"),
        pytest.param(encode_columns("m", batch(v=[1, 2], a=TIMES, time=TIMES)), "not as", id="two-times"),
        pytest.param(encode_columns("m", batch(v=[1, 2], time=[1, 2], at=TIMES)), "not as", id="time-is-no-time"),
        pytest.param(ArrowRows("m", 3, encode_columns("m", batch(v=[1, 2])).stream), "not as", id="other-count"),
        pytest.param(
            encode_columns("m", batch(v=[1, 2], time=pa.array([1, None], pa.timestamp("ns")))),
            "without time",
            id="null-time",
        ),
    ],
)
def test_what_is_not_as_announced_is_refused(rows: ArrowRows, expected: str) -> None:
    with pytest.raises(InvalidRequest, match=expected):
        decode_columns(rows)


def test_damaged_message_never_harms_the_reader() -> None:
    """A plugin host runs anybody's code, and the server reads what comes from there."""
    good = encode_columns("m", batch(host=pa.array(["a", "b"] * 20).cast(TAG_TYPE), s=["x", "yz"] * 20, v=[1.5] * 40))
    dice = random.Random(7)
    for _ in range(3000):
        damaged = bytearray(good.stream)
        for _ in range(dice.randrange(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            _, found = decode_columns(msgspec.structs.replace(good, stream=bytes(damaged)))
        except InvalidRequest:
            continue
        assert [column.to_pylist() for column in found.columns]
