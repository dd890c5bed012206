from hypothesis import given
from hypothesis import strategies as st

from engine.columns.chunks import WindowedRows
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema({"v": "integer", "time": "time"})


@given(st.lists(st.integers(-50, 50)))
def test_each_row_lands_in_its_window_in_order(times: list[int]) -> None:
    rows = [{"v": i, "time": t} for i, t in enumerate(times)]
    sorted_rows = WindowedRows(batch_of(SCHEMA, rows), 10)
    parts = [(w, p) for w in sorted_rows.windows for p in sorted_rows.rows_in({w})]
    expected = {start: [r for r in rows if r["time"] // 10 * 10 == start] for start in {t // 10 * 10 for t in times}}
    assert {start: rows_of(part) for start, part in parts} == expected
    assert len(parts) == len(expected)
