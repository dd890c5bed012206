"""Objects: queries over files that are not on this machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import ObjectStoreAway
from engine.query.ports import TableSnapshot
from engine.storage.objects import AbsentFile
from tests.support.tables import MemoryTables, QueryBench, query_table_schema, rows_batch

SCHEMA = query_table_schema({"host": "tag", "usage": "float", "more": "integer", "time": "time"})
FILE_SCHEMA = pa.schema([field for field in SCHEMA if field.name != "more"])
S = 10**9


class Elsewhere(MemoryTables):
    """One table whose files are elsewhere; file n has the rows of the seconds from 10n to 10n + 9."""

    def __init__(self, root: Path, files: int, **more: Any) -> None:
        super().__init__()
        self.add("cpu", SCHEMA, **more)
        self.fetched: list[int] = []
        self.most_at_once = 0
        self.excluded: dict[int, tuple[tuple[int, int], ...]] = {}
        self.is_away = False
        self.lost: set[int] = set()
        self._held = 0
        self._files = []
        for n in range(files):
            rows = [{"host": "ab"[i % 2], "usage": float(i), "time": i * S} for i in range(10 * n, 10 * n + 10)]
            pq.write_table(pa.Table.from_batches([rows_batch(FILE_SCHEMA, rows)]), root / f"{n}.parquet")
            self._files.append(root / f"{n}.parquet")

    def open(self, name: str) -> TableSnapshot | None:
        found = super().open(name)
        assert found is not None
        absent = [
            AbsentFile(10 * n * S, (10 * n + 9) * S, self._holder(n), self.excluded.get(n, ()))
            for n in range(len(self._files))
        ]
        return TableSnapshot(found.schema, found.folders, found.batches, found.release, absent=tuple(absent))

    def _holder(self, number: int) -> Any:
        return lambda: self._hold(number)

    def _hold(self, number: int) -> AbstractContextManager[Path | None]:
        @contextmanager
        def held() -> Iterator[Path | None]:
            if self.is_away:
                raise ObjectStoreAway("s3://b/n: nobody answers")
            self.fetched.append(number)
            self._held += 1
            self.most_at_once = max(self.most_at_once, self._held)
            yield None if number in self.lost else self._files[number]
            self._held -= 1

        return held()


@pytest.fixture
def tables(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path, 20)


def test_all_rows_are_read_two_files_at_a_time(tables: Elsewhere) -> None:
    bench = QueryBench(tables)
    assert bench.values("SELECT count(*) FROM cpu") == [200]
    assert sorted(tables.fetched) == list(range(20))
    assert tables.most_at_once <= 2
    assert bench.values("SELECT usage FROM cpu ORDER BY time DESC LIMIT 3") == [199.0, 198.0, 197.0]
    assert bench.values("SELECT count(*) FROM (SELECT usage FROM cpu UNION ALL SELECT usage FROM cpu)") == [400]


@pytest.mark.parametrize(
    ("condition", "files", "count"),
    [
        ("time >= '1970-01-01T00:01:00Z' AND time < '1970-01-01T00:01:10Z'", {6}, 10),
        ("time BETWEEN '1970-01-01T00:00:05Z' AND '1970-01-01T00:00:14Z' AND host = 'a'", {0, 1}, 5),
        ("time = '1970-01-01T00:03:00Z'", {18}, 1),
        ("time > now() - INTERVAL '1 hour'", set(), 0),
        ("host = 'b' AND usage < 3", set(range(20)), 1),
        ("more > 3", set(range(20)), 0),
        ("host LIKE 'a%' AND time < '1970-01-01T00:00:10Z'", {0}, 5),
    ],
)
def test_only_files_of_the_wanted_times_are_fetched(
    condition: str, files: set[int], count: int, tables: Elsewhere
) -> None:
    assert QueryBench(tables).values(f"SELECT count(*) FROM cpu WHERE {condition}") == [count]
    assert set(tables.fetched) == files


def test_times_that_are_left_out_are_left_out(tables: Elsewhere) -> None:
    tables.excluded = {3: ((30 * S, 34 * S), (38 * S, 38 * S)), 4: ((0, 100 * S),)}
    bench = QueryBench(tables)
    assert bench.values("SELECT count(*) FROM cpu") == [184]
    assert bench.values("SELECT usage FROM cpu WHERE usage >= 30 AND usage < 50 ORDER BY 1") == [35.0, 36.0, 37.0, 39.0]


def test_they_are_one_table_with_rows_in_memory(tmp_path: Path) -> None:
    batch = rows_batch(SCHEMA, [{"host": "c", "usage": 1.0, "more": 7, "time": 999 * S}])
    bench = QueryBench(Elsewhere(tmp_path, 2, batches=[batch]))
    assert bench.rows("SELECT * FROM cpu ORDER BY time DESC LIMIT 2") == [
        {"host": "c", "usage": 1.0, "more": 7, "time": 999 * S},
        {"host": "b", "usage": 19.0, "time": 19 * S},
    ]
    assert bench.table("SELECT * FROM cpu").schema.equals(SCHEMA, check_metadata=True)
    assert bench.rows("SELECT host, count(*) AS n FROM cpu GROUP BY host ORDER BY host") == [
        {"host": "a", "n": 10},
        {"host": "b", "n": 10},
        {"host": "c", "n": 1},
    ]


def test_a_lost_file_leaves_the_others(tables: Elsewhere) -> None:
    tables.lost = {0, 7}
    assert QueryBench(tables).values("SELECT count(*) FROM cpu") == [180]


def test_a_store_that_is_away_is_told(tables: Elsewhere) -> None:
    tables.is_away = True
    with pytest.raises(ObjectStoreAway, match="s3://b/n: nobody answers"):
        QueryBench(tables).values("SELECT count(*) FROM cpu")
