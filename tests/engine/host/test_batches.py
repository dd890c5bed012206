import gc
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.payload import MOST_COMPACT_ROWS
from engine.columns.rows import table_rows
from engine.host.batches import MOST_MAPPED_FILES, PAYLOADS_AT_ONCE, PayloadFiles, table_batches
from engine.host.protocol import PayloadRef
from tests.support.plugins import table_batch

COLUMNS = {"f": "float", "time": "time", "t": "tag", "u": "uinteger", "s": "string", "b": "boolean", "late": "integer"}

rows_of_all_columns = st.fixed_dictionaries(
    {"time": st.integers(-(2**60), 2**60)},
    optional={
        "f": st.floats(allow_nan=False),
        "t": st.text(min_size=1, max_size=3),
        "u": st.integers(0, 2**64 - 1),
        "s": st.text(max_size=3),
        "b": st.booleans(),
        "late": st.integers(-(2**63), 2**63 - 1),
    },
)


@given(st.lists(st.lists(rows_of_all_columns, min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_rows_come_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[list[dict[str, Any]]], big: bool
) -> None:
    if big:
        payloads = [rows * MOST_COMPACT_ROWS * 10 for rows in payloads]
    batch = table_batch(tmp_path_factory.mktemp("p"), COLUMNS, *payloads)
    found = table_batches([batch], PayloadFiles())
    expected = [{name: row.get(name) for name in COLUMNS} for rows in payloads for row in rows]
    assert found == [{"table_name": "cpu", "rows": expected}]
    types = [{name: type(value) for name, value in row.items()} for row in found[0]["rows"]]
    assert types == [{name: type(value) for name, value in row.items()} for row in expected]


@pytest.mark.parametrize("count", [1, MOST_COMPACT_ROWS + 1])
def test_tags_come_first_and_time_last(tmp_path: Path, count: int) -> None:
    """B3.3."""
    columns = {"f1": "float", "time": "time", "t1": "tag", "f2": "float", "t2": "tag"}
    batch = table_batch(tmp_path, columns, [{"time": 1, "t2": "x"}] * count)
    assert list(table_batches([batch], PayloadFiles())[0]["rows"][0]) == ["t1", "t2", "f1", "f2", "time"]


def test_payload_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123456789")
    files = PayloadFiles()
    first = files.payload(PayloadRef(str(path), 2, 3, 1, 1, 1))
    path.unlink()
    assert bytes(first) == b"234"
    assert bytes(files.payload(PayloadRef(str(path), 9, 1, 1, 1, 1))) == b"9"


def test_file_that_grew_is_mapped_anew(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"01")
    files = PayloadFiles()
    assert bytes(files.payload(PayloadRef(str(path), 0, 2, 1, 1, 1))) == b"01"
    with path.open("ab") as file:
        file.write(b"23")
    assert bytes(files.payload(PayloadRef(str(path), 2, 2, 1, 1, 1))) == b"23"


def test_payload_past_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"01")
    with pytest.raises(ValueError, match="has 2 bytes, the payload ends at 3"):
        PayloadFiles().payload(PayloadRef(str(path), 1, 2, 1, 1, 1))


def test_only_a_few_files_stay_mapped(tmp_path: Path) -> None:
    files = PayloadFiles()
    for number in range(MOST_MAPPED_FILES + 3):
        path = tmp_path / str(number)
        path.write_bytes(b"0")
        files.payload(PayloadRef(str(path), 0, 1, 1, 1, 1))
    maps = Path("/proc/self/maps").read_text()
    assert maps.count(str(tmp_path)) == MOST_MAPPED_FILES


@given(st.lists(st.lists(rows_of_all_columns, min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_columns_hold_what_the_rows_hold(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[list[dict[str, Any]]], big: bool
) -> None:
    if big:
        payloads[-1] *= MOST_COMPACT_ROWS * 2
    batch = table_batch(tmp_path_factory.mktemp("p"), COLUMNS, *payloads)
    (found,) = table_batches([batch], PayloadFiles())
    table = found.to_arrow()
    assert table_rows(table) == found["rows"]
    assert {f.name: str(f.type) for f in table.schema} == {
        "t": "dictionary<values=string, indices=int32, ordered=0>",
        "f": "double",
        "u": "uint64",
        "s": "string",
        "b": "bool",
        "late": "int64",
        "time": "timestamp[ns]",
    }
    assert table.schema.names == list(found["rows"][0])
    assert len({str(chunk.dictionary) for chunk in table["t"].chunks}) == 1


def test_columns_of_a_large_batch_lie_in_the_mapped_file(tmp_path: Path) -> None:
    rows = [{"f": float(i), "time": i} for i in range(1000)]
    batch = table_batch(tmp_path, {"f": "float", "time": "time"}, rows)
    before = pa.total_allocated_bytes()
    table = table_batches([batch], PayloadFiles())[0].to_arrow()
    assert pa.total_allocated_bytes() - before < 1000
    assert table["f"].to_pylist() == [row["f"] for row in rows]


def test_columns_outlive_the_batch_and_the_file(tmp_path: Path) -> None:
    batch = table_batch(tmp_path, {"t": "tag", "time": "time"}, [{"t": "x", "time": i} for i in range(100)])
    table = table_batches([batch], PayloadFiles())[0].to_arrow()
    for path in tmp_path.iterdir():
        path.unlink()
    gc.collect()
    assert table["t"].to_pylist() == ["x"] * 100


@pytest.mark.parametrize("count", [10, MOST_COMPACT_ROWS + 10])
def test_part_of_a_payload_gives_only_its_rows(tmp_path: Path, count: int) -> None:
    rows = [{"f": float(i), "time": i} for i in range(count)]
    batch = table_batch(tmp_path, {"f": "float", "time": "time"}, rows, rows)
    first, second = batch.payloads
    part = msgspec.structs.replace(first, first_row=4, row_count=3)
    (found,) = table_batches([msgspec.structs.replace(batch, payloads=[part, second])], PayloadFiles())
    assert found["rows"] == rows[4:7] + rows
    assert table_rows(found.to_arrow()) == rows[4:7] + rows


def test_many_small_payloads_keep_their_order_and_their_missing_columns(tmp_path: Path) -> None:
    writes = [[{"f": float(i), "time": i} | ({"t": "x"} if i % 3 else {})] for i in range(2 * PAYLOADS_AT_ONCE + 1)]
    batch = table_batch(tmp_path, {"f": "float", "time": "time", "t": "tag"}, *writes)
    (found,) = table_batches([batch], PayloadFiles())
    assert found["rows"] == [{"t": row.get("t"), "f": row["f"], "time": row["time"]} for (row,) in writes]
