import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.storage.settling import MOST_LOOKS, MOST_WAITING_ROWS, Settling, Waiting, decide_settling
from tests.support.batches import table_schema
from tests.support.stores import FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "b": "integer", "time": "time"})
WRITES = 60


@pytest.mark.parametrize(
    ("rows", "before", "due"),
    [
        pytest.param(5, None, False, id="more-may-come"),
        pytest.param(5, Waiting(5), True, id="no-more-came"),
        pytest.param(6, Waiting(5), False, id="more-came"),
        pytest.param(MOST_WAITING_ROWS, None, True, id="too-many-wait"),
        pytest.param(6, Waiting(5, MOST_LOOKS - 1), True, id="they-wait-too-long"),
        pytest.param(0, None, True, id="somebody-did-it"),
    ],
)
def test_when_new_rows_are_sorted_in(rows: int, before: Waiting | None, due: bool) -> None:
    found, left = decide_settling({7: rows}, {} if before is None else {7: before})
    assert found == ([7] if due else [])
    assert left == ({} if due else {7: Waiting(rows, 1 if before is None else before.looks + 1)})


def test_a_table_that_was_deleted_does_not_wait(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"host": "x", "time": 1}])
    fed.delete(SCHEMA)
    settling = Settling(fed.store)
    settling.tick()
    assert fed.store.waiting_rows() == {}


def test_what_was_sorted_in_does_not_wait(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    settling = Settling(fed.store)
    fed.write(SCHEMA, [{"host": "x", "time": 1}])
    settling.tick()
    assert fed.store.waiting_rows() == {SCHEMA.table_id: 1}, "more may come"
    settling.tick()
    assert fed.store.waiting_rows() == {}
    assert fed.rows(SCHEMA) == [{"host": "x", "time": 1}]


row = st.fixed_dictionaries(
    {"time": st.integers(0, 250), "host": st.sampled_from(["x", "y", "z"])},
    optional={"a": st.floats(allow_nan=False), "b": st.integers(0, 9)},
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(row, min_size=1, max_size=3), min_size=WRITES, max_size=WRITES), st.booleans())
def test_each_view_is_what_was_written_up_to_some_moment_of_it(writes: list[Any], with_snapshots: bool) -> None:
    models: list[dict[Any, dict[str, Any]]] = [{}]
    for rows in writes:
        models.append({key: dict(known) for key, known in models[-1].items()})
        for r in rows:
            models[-1].setdefault((r["host"], r["time"]), {}).update(r)
    with TemporaryDirectory() as folder:
        fed = FedStore(Path(folder))
        fed.create(SCHEMA)
        settling = Settling(fed.store)
        written = 0

        def write() -> None:
            nonlocal written
            for rows in writes:
                fed.write(SCHEMA, rows)
                written += 1

        def look() -> None:
            least = 0
            while least < WRITES:
                least = written
                rows = fed.rows(SCHEMA)
                found = {(r["host"], r["time"]): r for r in rows}
                assert len(found) == len(rows), "a key is there twice"
                assert found in models[least : written + 2], "a row too many, too few, or old"

        others = [settling.tick, fed.snapshot] if with_snapshots else [settling.tick]
        _together([write, look, look], others)


def _together(calls: list[Callable[[], None]], again: list[Callable[[], None]]) -> None:
    """Call each of ``calls`` in a thread of its own, and meanwhile those of ``again`` over and over; raise what they raise."""
    failures: list[BaseException] = []
    ended = threading.Event()

    def run(call: Callable[[], None], repeats: bool) -> None:
        try:
            call()
            while repeats and not ended.is_set():
                call()
        except BaseException as failure:  # noqa: BLE001 - raised below
            failures.append(failure)

    first = [threading.Thread(target=run, args=(call, False)) for call in calls]
    second = [threading.Thread(target=run, args=(call, True)) for call in again]
    for thread in first + second:
        thread.start()
    for thread in first:
        thread.join()
    ended.set()
    for thread in second:
        thread.join()
    if failures:
        raise failures[0]
