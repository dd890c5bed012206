from collections.abc import Sequence
from typing import TypeVar, cast

import pyarrow as pa
import pytest

from engine.catalog.state import CatalogState, Database
from engine.model.backfill import BackfillStatus, Span
from engine.system_tables.backfills import backfills
from engine.system_tables.ports import SystemSources

T = TypeVar("T")

HOME = Database(1, "home")
GOING = BackfillStatus(5, "t", Span(None, None), False, 10_000, 0, 0, 1_000)
ENDED = {"backfill_id": 5, "trigger_name": "t", "state": "done", "began": 1_000, "time": 2_000, "database_name": "home"}


class Sources:
    """One backfill, which ends after the given number of looks."""

    def __init__(self, ends_after: int) -> None:
        self._looks_left = ends_after

    def catalog(self) -> CatalogState:
        return cast(CatalogState, None)

    def backfills(self, database: Database) -> list[BackfillStatus]:
        return self._look([GOING], [])

    def internal_rows(self, table: str, database: str | None, columns: Sequence[str] | None = None) -> pa.Table | None:
        return self._look(None, pa.Table.from_pylist([ENDED]))

    def _look(self, before: T, after: T) -> T:
        self._looks_left -= 1
        return before if self._looks_left >= 0 else after


@pytest.mark.parametrize(("ends_after", "state"), [(0, "done"), (1, "done"), (2, "running")])
def test_backfill_that_ends_while_it_is_looked_at_is_shown_once(ends_after: int, state: str) -> None:
    shown = backfills(cast(SystemSources, Sources(ends_after)), HOME)
    assert shown.select(["backfill_id", "state"]).to_pylist() == [{"backfill_id": 5, "state": state}]
