"""A data folder of each format version opens ever after; one of a newer version is refused with one line."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from engine.errors import EngineError
from engine.storage import manifest
from engine.wal import frames
from tests.support.clock import ManualClock
from tests.support.copier import copy_rows
from tests.support.engines import eventually
from tests.support.golden_folder import FOLDERS, TOKEN_FILE, open_folder
from tests.support.node import START_NS, Node
from tests.support.scripted_executor import StartedRun

MINUTE_NS = 60 * 10**9
NAMES = sorted(folder.name for folder in FOLDERS.iterdir())


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def node(name: str, tmp_path: Path) -> Iterator[Node]:
    node = open_folder(name, tmp_path)
    yield node
    node.close()


def test_there_is_a_folder_of_the_present_format() -> None:
    assert f"manifest-{manifest.VERSION}" in NAMES, (
        f"python -m tests.support.golden_folder tests/golden/folders/manifest-{manifest.VERSION} makes it"
    )


def test_rows_of_files_and_log_are_there(node: Node) -> None:
    kitchen = {"room": "kitchen", "temp": 22.0, "people": 2, "plug": 7, "open": True, "note": 'a "b" ü'}
    assert node.rows("SELECT * FROM home ORDER BY time, room") == [
        {"room": "hall", "temp": 18.0, "time": START_NS},
        kitchen | {"time": START_NS},
        {"room": "attic", "humidity": 40, "time": START_NS + MINUTE_NS},
        {"room": "hall", "floor": "1", "temp": 18.5, "time": START_NS + 20 * MINUTE_NS},
    ]
    sums = node.rows("SELECT count(*) AS n, sum(v) AS v, count(DISTINCT text) AS texts FROM long")
    assert sums == [{"n": 40, "v": 780, "texts": 40}]


def test_what_was_deleted_stays_deleted(node: Node) -> None:
    assert "gone" not in {row["table_name"] for row in node.rows("SHOW TABLES")}
    deleted = [database for database, is_deleted in node.engine.tables.databases(True) if is_deleted]
    assert [database.startswith("dropped") for database in deleted] == [True]


def begun_of(node: Node, trigger: str) -> StartedRun:
    """Return the run of ``trigger`` that goes on, as soon as it has begun."""

    def found() -> StartedRun | None:
        mine = [b for b in node.executor.started if b.run.trigger_name == trigger and not b.has_ended]
        return mine[0] if mine else None

    begun = eventually(found)
    assert begun is not None
    return begun


def test_triggers_go_on_where_they_were(node: Node) -> None:
    copier, hourly = begun_of(node, "copier"), begun_of(node, "hourly")
    assert copier.state == {"counted": b"3"}
    assert copy_rows(copier) == 1, "the one row whose run had not ended"
    assert hourly.state == {"seen": b"one"}
    assert hourly.run.call_time_s == 1_700_006_400, "the call that had begun"
    hourly.succeed("ticks n=2 2")
    node.settle()
    assert node.rows("SELECT v FROM copies WHERE v >= 3 ORDER BY v") == [{"v": 3.0}, {"v": 4.0}]
    assert node.rows("SELECT n FROM ticks ORDER BY n") == [{"n": 1.0}, {"n": 2.0}]
    assert {begun.run.trigger_name for begun in node.executor.started} <= {"copier", "hourly", "filler"}


def test_a_backfill_goes_on_with_the_rows_that_are_left(node: Node) -> None:
    sql = "SELECT state, rows_total, rows_done FROM system.processing_engine_backfills"
    assert node.rows(sql) == [{"state": "running", "rows_total": 6, "rows_done": 2}]
    for _ in range(2):
        assert copy_rows(begun_of(node, "filler")) == 2
        node.settle()
    done = eventually(lambda: [row for row in node.rows(sql) if row["state"] == "done"])
    assert done == [{"state": "done", "rows_total": 6, "rows_done": 6}]


def test_dead_letters_are_there(node: Node) -> None:
    letters = node.rows("SELECT trigger_name, state, rows, error FROM system.processing_engine_dead_letters")
    assert letters == [{"trigger_name": "letters", "state": "open", "rows": 1, "error": "ValueError: no"}]


def test_caches_say_what_they_said(node: Node) -> None:
    assert node.rows("SELECT room, temp FROM last_cache('home')") == [
        {"room": "kitchen", "temp": 22.0},
        {"room": "attic"},
    ]
    assert node.rows("SELECT * FROM distinct_cache('home')") == [{"room": "attic"}, {"room": "kitchen"}]


def test_tokens_are_valid(node: Node) -> None:
    token = (node.folder / "data" / TOKEN_FILE).read_text().strip()
    assert [stored.name for stored in node.engine.catalog.state.tokens] == ["_admin"]
    node.engine.tokens.authenticate(f"Bearer {token}".encode())


def test_it_is_as_it_was_after_it_was_written_anew(name: str, tmp_path: Path) -> None:
    node = open_folder(name, tmp_path)
    before = _all_rows(node)
    node.engine.snapshot()
    again = node.restarted()
    assert _all_rows(again) == before
    again.close()


def with_newer_version(data: bytes) -> bytes:
    """Return the bytes of a sealed file (``engine.sealed``) as the next format version would begin."""
    return data[:4] + bytes([data[4] + 1]) + data[5:]


def newer_segment(data: bytes) -> bytes:
    """Return a segment whose header has the next version, and the checksum that belongs to it."""
    head = bytearray(data[:72])
    struct.pack_into("<H", head, 8, frames.VERSION + 1)
    return bytes(head) + struct.pack("<I", google_crc32c.value(bytes(head))) + data[76:]


def newer_catalog(data: bytes) -> bytes:
    return data.replace(b"format_version = 1", b"format_version = 2")


def spoil(folder: Path, files: str, change: Callable[[bytes], bytes]) -> dict[Path, bytes]:
    """Change the ``files`` (a pattern) of a stopped node; return what they hold then."""
    found = list((folder / "data" / "node0").glob(files))
    assert found, files
    for file in found:
        file.write_bytes(change(file.read_bytes()))
    return {file: file.read_bytes() for file in found}


@pytest.mark.parametrize(
    ("files", "newer", "word"),
    [
        pytest.param("manifest", with_newer_version, rf"manifest has format {manifest.VERSION + 1}", id="manifest"),
        pytest.param("checkpoints/*", with_newer_version, r"checkpoints/\S+ has format", id="checkpoint"),
        pytest.param("wal/*.wal", newer_segment, r"wal/\d+.wal has format", id="log"),
        pytest.param("catalog.toml", newer_catalog, r"format_version 2", id="catalog"),
    ],
)
def test_a_newer_format_is_refused_with_one_line(
    files: str, newer: Callable[[bytes], bytes], word: str, tmp_path: Path
) -> None:
    (tmp_path / "node").mkdir()
    open_folder(NAMES[-1], tmp_path / "node").close()
    before = spoil(tmp_path / "node", files, newer)
    with pytest.raises(EngineError, match=word) as refused:
        Node(tmp_path / "node", node_id="node0")
    assert "newer" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert spoil(tmp_path / "node", files, lambda data: data) == before, "nothing was changed"


def test_a_cache_of_a_newer_format_is_filled_from_stored_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_folder(NAMES[-1], tmp_path).close()
    spoil(tmp_path, "caches/*", with_newer_version)
    node = Node(tmp_path, clock=ManualClock(START_NS), node_id="node0")
    lost = [record.getMessage() for record in caplog.records if "cache content lost" in record.getMessage()]
    assert len(lost) == 2
    assert all("use a newer influxdb3" in line for line in lost)
    assert {row["room"] for row in node.rows("SELECT * FROM distinct_cache('home')")} == {"attic", "hall", "kitchen"}
    node.close()


def test_a_backfill_of_a_newer_format_ends_and_says_why(tmp_path: Path) -> None:
    open_folder(NAMES[-1], tmp_path).close()
    spoil(tmp_path, "backfills/*/plan", with_newer_version)
    node = Node(tmp_path, node_id="node0")
    sql = "SELECT state, error FROM system.processing_engine_backfills WHERE state <> 'running'"
    (ended,) = eventually(lambda: node.rows(sql))
    assert ended["state"] == "failed"
    assert "use a newer influxdb3" in ended["error"]
    node.close()


def _all_rows(node: Node) -> list[list[dict[str, Any]]]:
    return [sorted(node.rows(f"SELECT * FROM {table}"), key=repr) for table in ("home", "long", "a", "copies")]
