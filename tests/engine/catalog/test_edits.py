import threading
from pathlib import Path

import pytest

from engine.catalog.edits import EditWatcher, complete
from engine.catalog.state import CatalogState, Database, Token
from tests.support.catalog import HASH, NOON_NS, UUID, CountingIds, a_state, a_trigger


def test_complete_state_stays_the_same_object() -> None:
    state = a_state()
    assert complete(state, now_ns=NOON_NS, draw_id=CountingIds()) is state


def test_what_is_missing_is_added_and_what_is_there_stays() -> None:
    written = CatalogState(
        UUID,
        (Database(101, "a", None, (a_trigger("t", 0), a_trigger("u", 5))), Database(0, "b")),
        (Token(0, "x", HASH, 0),),
    )
    state = complete(written, now_ns=NOON_NS + 1, draw_id=CountingIds())
    assert state.cluster_uuid == UUID
    assert [d.name for d in state.databases] == ["_internal", "a", "b"]
    assert state.databases[1].database_id == 101
    assert state.databases[1].triggers[1] == a_trigger("u", 5)
    assert state.tokens[0].created_ns == NOON_NS
    assert len(state.known_ids) == 6
    assert 0 not in state.known_ids


def test_new_catalogs_have_uuids_of_their_own() -> None:
    first, second = (complete(CatalogState(""), now_ns=0, draw_id=CountingIds()).cluster_uuid for _ in range(2))
    assert first != second


@pytest.mark.parametrize("manner", ["in place", "renamed"])
def test_watcher_looks_when_the_file_changes(tmp_path: Path, manner: str) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text("old")
    seen: list[str] = []
    looked = threading.Semaphore(0)

    def poll() -> None:
        seen.append(file.read_text())
        looked.release()
        if len(seen) == 1:
            raise OSError("a failure does not end the watch")

    watcher = EditWatcher(poll, file)
    watcher.start()
    try:
        assert looked.acquire(timeout=10)
        while "new" not in seen:
            # The first look comes before the watch stands, so the change is made until it is noticed.
            if manner == "renamed":
                aside = tmp_path / "aside"
                aside.write_text("new")
                aside.rename(file)
            else:
                file.write_text("new")
            looked.acquire(timeout=1)
    finally:
        watcher.stop()
    assert seen[0] == "old"


def test_watcher_that_cannot_watch_looks_from_time_to_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    looked = threading.Semaphore(0)
    watcher = EditWatcher(looked.release, tmp_path / "missing" / "catalog.toml", look_anyway_ms=5)
    watcher.start()
    try:
        assert all(looked.acquire(timeout=10) for _ in range(4))
    finally:
        watcher.stop()
    assert "catalog edits are noticed late" in caplog.text
