"""Stored rows, numbered in the order of time."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.disk import RealDisk
from engine.errors import ManifestCorrupt
from engine.model.backfill import Span
from engine.model.schema import Column, ColumnType, TableSchema
from engine.paths import NodePaths
from engine.storage import history
from engine.storage.history import Histories, History
from tests.support.batches import rows_of
from tests.support.stores import FedStore

CPU = TableSchema(
    1, 11, "cpu", (Column("host", ColumnType.TAG), Column("v", ColumnType.FLOAT), Column("time", ColumnType.TIME))
)

ALL = Span()

_rows = st.fixed_dictionaries(
    {"host": st.sampled_from(["a", "b", "c", "d"]), "v": st.floats(0, 9), "time": st.integers(0, 450)}
)


def pinned(store: FedStore, folder: Path, span: Span = ALL) -> tuple[Histories, History]:
    paths = NodePaths(folder, "node")
    histories = Histories(RealDisk(), paths.backfills, store.store.objects.held)
    return histories, histories.pin(7, store.store.intact_files(CPU.table_id), span)


def read(rows: History, first: int, last: int) -> list[dict[str, Any]]:
    return [row for _, batch in rows.read(first, last, lambda table_id: CPU) for row in rows_of(batch)]


def key(row: dict[str, Any]) -> tuple[int, str]:
    return row["time"], row["host"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(_rows, min_size=1, max_size=15), min_size=1, max_size=5),
    st.integers(0, 450) | st.none(),
    st.integers(0, 450) | st.none(),
    st.integers(1, 12),
    st.integers(2, 30),
)
def test_any_batches_are_the_stored_rows_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[list[dict[str, Any]]],
    start: int | None,
    end: int | None,
    batch: int,
    page: int,
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = FedStore(folder)
    store.create(CPU)
    model: dict[tuple[int, str], dict[str, Any]] = {}
    for rows in writes:
        store.write(CPU, rows)
        store.snapshot()
        model |= {key(row): row for row in rows}
    span = Span(start, end)
    expected = [row for _, row in sorted(model.items()) if span.holds(row["time"], row["time"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "PAGE_ROWS", page)
        patch.setattr(history, "PIECE_ROWS", page // 2)
        histories, found = pinned(store, folder, span)
        assert found.rows == len(expected)
        again = histories.open(7)
        got = [
            r
            for first in range(1, found.rows + 1, batch)
            for r in read(again, first, min(first + batch - 1, found.rows))
        ]
        assert [key(row) for row in got] == [key(row) for row in expected]
        assert [row["v"] for row in got] == [row["v"] for row in expected]


def test_pinned_rows_stay_as_they_were(tmp_path: Path) -> None:
    store = FedStore(tmp_path)
    store.create(CPU)
    store.write(CPU, [{"host": "a", "v": 1.0, "time": 5}])
    store.snapshot()
    histories, found = pinned(store, tmp_path)
    store.write(CPU, [{"host": "a", "v": 2.0, "time": 5}, {"host": "b", "v": 3.0, "time": 6}])
    store.snapshot()
    assert [row["v"] for row in read(found, 1, 1)] == [1.0]
    histories.remove(7)
    histories.remove(7)
    assert found.rows == 1


def test_a_table_that_is_gone_has_no_rows(tmp_path: Path) -> None:
    store = FedStore(tmp_path)
    store.create(CPU)
    store.write(CPU, [{"host": "a", "v": 1.0, "time": 5}])
    store.snapshot()
    _, found = pinned(store, tmp_path)
    assert found.read(1, 1, lambda table_id: None) == []


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    store = FedStore(tmp_path)
    store.create(CPU)
    store.write(CPU, [{"host": "a", "v": 1.0, "time": 5}])
    store.snapshot()
    histories, found = pinned(store, tmp_path)
    folder = NodePaths(tmp_path, "node").backfills / "7"
    next(folder.glob("*.parquet")).unlink()
    with pytest.raises(ManifestCorrupt, match=r"^a Parquet file of a backfill cannot be read: .*parquet"):
        read(found, 1, 1)
    (folder / "plan").write_bytes((folder / "plan").read_bytes()[:-1] + b"x")
    with pytest.raises(ManifestCorrupt, match=r"plan is damaged"):
        histories.open(7)
    with pytest.raises(ManifestCorrupt, match=r"plan is missing"):
        histories.open(8)


def test_others_are_cleaned_up(tmp_path: Path) -> None:
    store = FedStore(tmp_path)
    histories, _ = pinned(store, tmp_path)
    histories.keep_only([7])
    assert histories.open(7).rows == 0
    histories.keep_only([])
    assert list(NodePaths(tmp_path, "node").backfills.iterdir()) == []


def test_the_plan_is_byte_for_byte_what_it_was(tmp_path: Path) -> None:
    """The golden file changes only together with ``history.VERSION``."""
    store = FedStore(tmp_path)
    store.create(CPU)
    store.write(CPU, [{"host": "a", "v": 1.0, "time": 5}, {"host": "b", "v": 2.0, "time": 205}])
    store.snapshot()
    pinned(store, tmp_path, Span(None, 300))
    plan = (NodePaths(tmp_path, "node").backfills / "7" / "plan").read_bytes()
    # Without the checksum, and without those of Parquet files in their names, which depend on the Parquet library.
    data = (plan[:8] + re.sub(rb"\.[0-9a-f]{8}\.parquet", b".00000000.parquet", plan[12:])).hex()
    golden = Path(__file__).parents[2] / "golden" / f"backfill-plan-{history.VERSION}.hex"
    if not golden.exists():
        golden.write_text(f"{data}\n")
        pytest.fail(f"{golden} was made anew: review it")
    assert data == golden.read_text().strip()
