"""A disk that is slow or full: what waits is bounded, what is refused is told, and nothing acknowledged is lost."""

import asyncio
import errno
import json
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.engines import advance, create_trigger, eventually, query, runs_when
from tests.support.full_disk import FullDisk
from tests.support.wal import SlowDisk
from tests.support.web import Web, web

FULL = "write buffer error: error from wal: wal buffer full with {} ops"
ENDPOINTS = ("/api/v3/write_lp?db=foo", "/api/v2/write?bucket=foo", "/write?db=foo")


def posted(server: Web, disk: SlowDisk, targets: list[str], size: int) -> list[tuple[int, str | None, str]]:
    """Post lines of ``size`` bytes while the disk stands still; return status, Retry-After and body of each answer."""

    async def post_all() -> list[tuple[int, str | None, str]]:
        disk.hold()
        posts = [
            asyncio.create_task(server.client.post(target, content=f'm,t=t{n} s="{"x" * size}"'))
            for n, target in enumerate(targets)
        ]
        while sum(post.done() for post in posts) < len(posts) - 5:
            await asyncio.sleep(0)
        disk.release()
        answers = [await post for post in posts]
        return [(a.status_code, a.headers.get("retry-after"), a.text) for a in answers]

    return server.run(post_all())


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        pytest.param(10, {"wal_max_buffered_writes": 5}, id="writes"),
        pytest.param(3000, {"wal_max_buffered_writes": 5}, id="large writes"),
        pytest.param(900, {"wal_max_buffered_size_bytes": 5000}, id="bytes"),
    ],
)
def test_what_waits_for_a_slow_disk_is_bounded(tmp_path: Path, size: int, settings: dict[str, int]) -> None:
    disk = SlowDisk()
    with web(tmp_path, disk=disk, **settings) as server:
        server.write('m s="first"')
        answers = posted(server, disk, [ENDPOINTS[0]] * 5 + [*ENDPOINTS] * 3, size)
        assert [answer[0] for answer in answers] == [204] * 5 + [503] * 9
        v3, v2, v1 = answers[-3:]
        assert v3[1:] == v1[1:] == ("1", FULL.format(5 if "wal_max_buffered_writes" in settings else 6))
        assert (v2[1], json.loads(v2[2])) == ("1", {"code": "unavailable", "message": v3[2]})
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 6}]
        assert server.write('m s="again"').status_code == 204


def test_writes_wait_for_rows_to_be_stored_and_are_refused_in_the_end(tmp_path: Path) -> None:
    disk = FullDisk()
    clock = ManualClock()
    with web(tmp_path, disk=disk, clock=clock, force_snapshot_mem_size_bytes=10_000, min_free_space_bytes=0) as server:
        server.write("m v=0 0")
        disk.fill("write", number=errno.EIO)  # no Parquet file can be written
        with pytest.raises(OSError, match="Input/output"):
            server.engine.snapshot()
        answers = [server.write(f'm s="{"x" * 6000}" {n}') for n in range(1, 9)]
        refused = [answer for answer in answers if answer.status_code != 204]
        assert {(a.status_code, a.headers["retry-after"]) for a in refused} == {(503, "1")}
        assert "bytes of rows wait in memory to be stored in files" in refused[0].text
        taken = len(answers) - len(refused)
        assert 4 < taken < 8
        disk.clear()
        server.engine.snapshot()  # what the first one began
        server.engine.snapshot()
        assert server.write("m v=1 1000").status_code == 204
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": taken + 2}]


PLACES = [
    pytest.param(("append",), errno.ENOSPC, 503, id="write"),
    pytest.param(("append", "begin"), errno.EDQUOT, 503, id="quota"),
    pytest.param(("sync", "begin"), errno.ENOSPC, 503, id="sync and begin"),
    pytest.param(("append", "begin"), errno.EIO, 500, id="broken"),
]


@pytest.mark.parametrize(("places", "number", "status"), PLACES)
def test_a_full_disk_refuses_writes_answers_queries_and_recovers(
    tmp_path: Path, places: tuple[str, ...], number: int, status: int
) -> None:
    disk = FullDisk()
    with web(tmp_path, disk=disk) as server:
        assert server.write("m v=0 1").status_code == 204
        large = "\n".join(f"m v={n} {n}" for n in range(100, 400))
        disk.fill(*places, number=number)
        for lines in ("m v=1 2", large, "n v=1 3"):
            for parameters in ("db=foo", "db=foo&no_sync=true"):
                answer = server.write(lines, parameters)
                if "no_sync" not in parameters or "append" in places:
                    assert (answer.status_code, answer.headers.get("retry-after")) == (
                        status,
                        "1" if status == 503 else None,
                    )
                    assert str(server.engine.paths.wal) in answer.text or status == 500
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 1}]
        assert server.get("/health").text == "OK"
        disk.clear()
        assert server.write("m v=2 4").status_code == 204
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 2}]
    with web(tmp_path) as again:
        assert again.rows("SELECT count(*) AS n FROM m") == [{"n": 2}]


@pytest.mark.parametrize("place", ["write", "sync_file", "replace", "make_folder"])
def test_files_and_definitions_that_do_not_fit_are_as_before_and_come_later(tmp_path: Path, place: str) -> None:
    disk = FullDisk()
    with web(tmp_path, disk=disk) as server:
        server.write("m v=0 1")
        disk.fill(place)
        with pytest.raises(OSError, match="No space left"):
            server.engine.snapshot()
        if place != "make_folder":
            answer = server.post("/api/v3/configure/database", json={"db": "more"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "No space left on device" in answer.text
            assert server.write("m v=1 2", "db=another").status_code == 503
        assert server.write("m v=1 2").status_code == 204  # the log has its own room
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 2}]
        disk.clear()
        server.engine.snapshot()
        assert server.post("/api/v3/configure/database", json={"db": "more"}).status_code == 200
        assert server.rows("SELECT count(*) AS n FROM m") == [{"n": 2}]
    with web(tmp_path) as again:
        assert again.rows("SELECT count(*) AS n FROM m") == [{"n": 2}]


def test_too_little_free_space_is_told_and_ends(tmp_path: Path) -> None:
    disk = FullDisk()
    clock = ManualClock()
    with web(tmp_path, disk=disk, clock=clock, min_free_space_bytes=1000) as server:
        server.write("m v=0 1")
        disk.free = 900
        advance(server.engine, clock, 1)
        for target in ENDPOINTS:
            answer = server.post(target, content="m v=1 2")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert f"{server.engine.paths.root} has 900 bytes left" in answer.text
        assert server.rows("SELECT v FROM m") == [{"v": 0.0}]
        disk.free = 10_000
        advance(server.engine, clock, 1)
        assert server.write("m v=1 2").status_code == 204


def test_scarce_space_lets_the_log_go_that_a_trigger_has_not_read(tmp_path: Path) -> None:
    disk = FullDisk()
    clock = ManualClock()
    with web(tmp_path, disk=disk, clock=clock, min_free_space_bytes=1000) as server:
        server.write("m v=0 1")
        (server.plugins / "stuck.py").write_text(
            "def process_writes(local, batches, args=None):\n    raise ValueError\n"
        )
        create_trigger(server.engine, "foo", "stuck", "table:m", "stuck.py", error_behavior="retry")
        server.write("m v=1 2")
        server.engine.snapshot()
        server.write("m v=2 3")
        server.engine.snapshot()
        kept = server.engine.wal.sealed_segments()
        disk.free = 1500
        advance(server.engine, clock, 1)
        assert len(server.engine.wal.sealed_segments()) < len(kept)


def test_the_commits_of_runs_wait_for_space(tmp_path: Path) -> None:
    disk = FullDisk()
    with web(tmp_path, disk=disk) as server:
        server.write("m v=0 1")
        (server.plugins / "copy.py").write_text(
            "def process_writes(local, batches, args=None):\n"
            "    local.cache.put('runs', local.cache.get('runs', default=0) + 1)\n"
            "    local.write(LineBuilder('out').int64_field('n', local.cache.get('runs')))\n"
        )
        create_trigger(server.engine, "foo", "copy", "table:m", "copy.py")
        disk.fill("append", "begin", after=1)
        assert server.write("m v=1 2").status_code == 204  # the last that fits
        eventually(lambda: disk.refused > 1)
        assert server.write("m v=2 3").status_code == 503
        disk.clear()
        (run,) = runs_when(server.engine, "foo", 1)
        assert (run["outcome"], run["lines_out"]) == ("success", 1)
        assert [row["n"] for row in query(server.engine, "foo", "SELECT n FROM out")] == [1]
        assert server.write("m v=3 4").status_code == 204
        eventually(lambda: [r["n"] for r in query(server.engine, "foo", "SELECT n FROM out ORDER BY time")] == [1, 2])
